"""An image can't trick the set-up of its container into touching the host."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from engine.errors import EngineError, InvalidArgument
from engine.runtime.spec import Bind, TmpfsMount
from tests.engine.runtime.box import Box

pytestmark = pytest.mark.root


@pytest.mark.parametrize("name", ["proc", "sys", "dev"])
def test_a_link_where_the_kernels_file_systems_go_is_refused(box: Box, name: str) -> None:
    upper = box.directory / "upper"
    os.mknod(upper / name, 0o20000)  # a whiteout: the image's directory is gone …
    (upper / name).unlink()
    (upper / name).symlink_to("/tmp")  # … and a link stands in its place
    box.create("/bin/echo", collect=False)
    with pytest.raises(InvalidArgument, match="is a link; nothing can be mounted there"):
        box.runtime.start(box.directory)


def test_a_resolv_conf_that_links_out_of_the_image_is_made_inside(box: Box, tmp_path: Path) -> None:
    (box.directory / "upper" / "etc").mkdir()
    (box.directory / "upper" / "etc" / "resolv.conf").symlink_to(f"../../../../../..{tmp_path}/made/here")
    assert box.sh("cat /etc/resolv.conf") == "# resolv.conf\n"
    assert list(tmp_path.iterdir()) == []


def test_a_hosts_file_that_links_into_proc_is_refused(box: Box) -> None:
    (box.directory / "upper" / "etc").mkdir()
    (box.directory / "upper" / "etc" / "hosts").symlink_to("/proc/sys/kernel/core_pattern")
    box.create("/bin/echo", collect=False)
    with pytest.raises(InvalidArgument, match="leads into /proc or /sys"):
        box.runtime.start(box.directory)


@pytest.mark.parametrize("place", ["/proc", "/proc/sys", "/sys"])
def test_no_memory_is_mounted_over_the_kernels_through_a_link(box: Box, place: str) -> None:
    """Nothing would be masked in what it hides."""
    (box.directory / "upper" / "data").symlink_to(place)
    box.create("/bin/echo", tmpfs=[TmpfsMount("/data")], collect=False)
    with pytest.raises(InvalidArgument, match="leads into /proc or /sys"):
        box.runtime.start(box.directory)


def test_a_loop_of_links_is_an_error_and_not_a_hang(box: Box) -> None:
    (box.directory / "upper" / "etc").mkdir()
    (box.directory / "upper" / "etc" / "hosts").symlink_to("hosts")
    box.create("/bin/echo", collect=False)
    with pytest.raises(EngineError):
        box.runtime.start(box.directory)


@pytest.mark.parametrize("number", range(3, 12))
def test_a_working_directory_behind_a_magic_link_is_refused(box: Box, number: int) -> None:
    box.create("/bin/sh", "-c", "busybox pwd", cwd=f"/proc/self/fd/{number}", collect=False)
    with pytest.raises(EngineError):
        box.runtime.start(box.directory)


def test_an_entrypoint_that_links_to_the_hosts_interpreter_is_refused(box: Box) -> None:
    (box.directory / "upper" / "run-me").symlink_to("/proc/self/exe")
    box.create("/run-me", collect=False)
    with pytest.raises(InvalidArgument) as caught:
        box.runtime.start(box.directory)
    assert caught.value.detail["exit_code"] == 126


def test_a_script_run_by_the_hosts_interpreter_cannot_write_it(box: Box) -> None:
    script = box.directory / "upper" / "script"
    script.write_text("#!/proc/self/exe\nimport os\nos.open('/proc/self/exe', os.O_WRONLY)\n")
    script.chmod(0o755)
    box.create("/script", collect=False)
    try:
        box.runtime.start(box.directory)  # the host's python may start, but finds no library of its own
    except InvalidArgument as error:
        assert error.detail["exit_code"] in (126, 127)
    else:
        assert box.wait().code != 0


def test_a_volume_cannot_cover_the_kernels_file_systems(box: Box, tmp_path: Path) -> None:
    for target in ("/proc", "/proc/sys", "/sys/fs", "/dev/null", "/data/../proc"):
        with pytest.raises(InvalidArgument):
            box.create("/bin/echo", binds=[Bind(str(tmp_path), target)], collect=False)


@pytest.mark.skipif(shutil.which("cc") is None, reason="needs a C compiler")
def test_dangerous_system_calls_are_refused_each_in_its_way(box: Box, tmp_path: Path) -> None:
    source, program = tmp_path / "calls.c", box.directory / "upper" / "calls"
    source.write_text(
        """
        #define _GNU_SOURCE
        #include <errno.h>
        #include <sched.h>
        #include <stdio.h>
        #include <string.h>
        #include <sys/socket.h>
        #include <sys/personality.h>
        #include <sys/syscall.h>
        #include <unistd.h>
        static void tell(const char *name, long result) {
            printf("%s %s\\n", name, result < 0 ? strerrorname_np(errno) : "ok");
        }
        int main(void) {
            tell("alg", socket(38, SOCK_SEQPACKET, 0));
            tell("vsock", socket(40, SOCK_STREAM, 0));
            tell("inet", socket(AF_INET, SOCK_STREAM, 0));
            tell("keyctl", syscall(SYS_keyctl, 0, 0, 0, 0, 0));
            tell("bpf", syscall(SYS_bpf, 0, 0, 0));
            tell("unshare", unshare(CLONE_NEWUSER));
            tell("clone", syscall(SYS_clone, CLONE_NEWUSER | 17, 0, 0, 0, 0));
            tell("clone3", syscall(SYS_clone3, 0, 0));
            tell("io_uring", syscall(425, 1, 0));
            tell("unknown", syscall(999));
            tell("persona", personality(0x0400000));
            tell("persona0", personality(0xffffffff));
            tell("mount", syscall(SYS_mount, 0, 0, 0, 0, 0));
            fflush(stdout);
        #ifdef __x86_64__
            long result;
            __asm__ volatile("int $0x80" : "=a"(result) : "a"(20L) : "memory");
        #endif
            return 3;
        }
        """
    )
    subprocess.run(["cc", "-static", "-w", "-o", program, source], check=True)
    code, out, _ = box.result("/calls")
    answers = dict(line.split() for line in out.splitlines())
    assert answers == {
        "alg": "EPERM", "vsock": "EPERM", "inet": "ok", "keyctl": "EPERM", "bpf": "EPERM", "unshare": "EPERM",
        "clone": "EPERM", "clone3": "ENOSYS", "io_uring": "ENOSYS", "unknown": "ENOSYS", "persona": "EPERM",
        "persona0": "ok", "mount": "EPERM",
    }  # fmt: skip
    assert code == (128 + 31 if os.uname().machine == "x86_64" else 3)  # SIGSYS for the 32-bit call
