"""Known ways out of a container, each of which must fail."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from tests.engine.runtime.oci.bundles import Bundle

pytestmark = pytest.mark.root


def test_a_script_interpreted_by_the_runtime_itself_can_not_write_to_it(bundle: Bundle) -> None:
    """CVE-2019-5736: #!/proc/self/exe runs the runtime's own binary, which the container then reopens for writing."""
    interpreter = Path(os.path.realpath(sys.executable))
    before = interpreter.stat().st_mtime_ns
    script = bundle.image / "bin" / "again"
    script.write_text("#!/proc/self/exe\nimport os\nos.close(os.open('/proc/self/exe', os.O_WRONLY))\n")
    script.chmod(0o755)
    try:
        bundle.args("/bin/again").write()
        done = bundle.call("run", "-b", str(bundle.directory), bundle.id)
        assert done.returncode != 0
        assert interpreter.stat().st_mtime_ns == before
    finally:
        script.unlink()


@pytest.mark.parametrize("path", ["/proc/self/exe", "/proc/1/exe", "/proc/self/fd/3"])
def test_the_runtimes_own_files_can_not_be_executed(bundle: Bundle, path: str) -> None:
    bundle.args(path).write()
    assert bundle.call("run", "-b", str(bundle.directory), bundle.id).returncode in (126, 127)


@pytest.mark.parametrize("number", range(3, 12))
def test_a_working_directory_behind_a_leaked_descriptor_leads_nowhere(bundle: Bundle, number: int) -> None:
    """CVE-2024-21626."""
    bundle.process["cwd"] = f"/proc/self/fd/{number}"
    done = bundle.run("busybox pwd; busybox ls /")
    assert done.returncode != 0


def test_no_descriptor_of_the_host_is_open(bundle: Bundle) -> None:
    bundle.args("/bin/sleep", "100").start()
    assert sorted(os.listdir(f"/proc/{bundle.pid()}/fd")) == ["0", "1", "2"]
    out = bundle.succeed("exec", bundle.id, "/bin/busybox", "ls", "/proc/self/fd")
    assert out.split() == ["0", "1", "2", "3"]  # the last is the directory that ls reads


def test_a_waiting_process_can_not_be_looked_into(bundle: Bundle) -> None:
    """Between create and start it is still the host's interpreter."""
    bundle.args("/bin/sleep", "100").create()
    assert os.statvfs(f"/proc/{bundle.pid()}/exe").f_flag & os.ST_RDONLY  # and not even that could be written to
    joined = Bundle(bundle.directory, bundle.image)
    joined.linux["namespaces"] = [{"type": "mount"}, {"type": "uts"},
                                  {"type": "pid", "path": f"/proc/{bundle.pid()}/ns/pid"}]  # fmt: skip
    for names in joined.process["capabilities"].values():
        names[:] = [name for name in names if name != "CAP_SYS_PTRACE"]
    done = joined.run("busybox ls -l /proc/1/exe; echo x >/proc/1/mem")
    assert done.returncode != 0
    assert "->" not in done.stdout
    joined.remove()
    bundle.write()


@pytest.mark.parametrize(
    "script",
    [
        "busybox mount -t tmpfs none /tmp", "busybox mknod /dev/sda b 8 0", "echo c >/proc/sysrq-trigger",
        "echo x >/proc/sys/kernel/core_pattern", "busybox unshare -m true",
        "busybox chroot / busybox mount -o remount,rw /sys",
        "echo 1 >/sys/fs/cgroup/memory/memory.force_empty", "echo x >/sys/fs/cgroup/release_agent", "cat /dev/kmsg",
        "busybox mkdir /sys/fs/cgroup/pids/x", "echo max >/sys/fs/cgroup/pids.max", "busybox mkdir /sys/fs/cgroup/x",
    ],
)  # fmt: skip
def test_what_would_change_the_host_is_refused(bundle: Bundle, script: str) -> None:
    bundle.config["root"]["readonly"] = False
    assert bundle.run(script).returncode != 0
