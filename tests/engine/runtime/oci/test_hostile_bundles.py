"""A root, a volume or a caller that would have the runtime touch what is not the container's."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from engine.runtime.oci import devices, joining
from engine.runtime.oci.preserved import Preserved
from engine.runtime.oci.state import Container
from engine.runtime.wire import Failure
from tests.engine.runtime import racer
from tests.engine.runtime.box import make_image
from tests.engine.runtime.oci.bundles import Bundle

pytestmark = pytest.mark.root


@pytest.fixture
def own_image(bundle: Bundle) -> Path:
    """One that a test may change."""
    made = make_image(bundle.directory / "rootfs")
    bundle.config["root"] = {"path": "rootfs", "readonly": False}
    return made


def test_a_descriptor_that_is_not_there_can_not_be_preserved(bundle: Bundle) -> None:
    """Else the program would get the runtime's own of that number (as in CVE-2024-21626)."""
    bundle.args("/bin/sh", "-c", "busybox ls -l /proc/self/fd").write()
    done = bundle.call("run", "--preserve-fds", "5", "--bundle", str(bundle.directory), bundle.id)
    assert done.returncode != 0 and "descriptor 3 is not open" in done.stderr
    bundle.args("/bin/sleep", "100").start()
    done = bundle.call("exec", "--preserve-fds", "2", bundle.id, "/bin/busybox", "ls", "-l", "/proc/self/fd")
    assert done.returncode != 0 and "descriptor 3 is not open" in done.stderr


def test_a_waiting_process_holds_no_directory_of_the_hosts_callers(bundle: Bundle) -> None:
    """Neither the container's lock, which a killed caller could not give back, nor what the caller had open."""
    bundle.args("/bin/sleep", "100").write()
    with open(os.devnull, "w") as null:
        opened = os.open(bundle.directory, os.O_RDONLY)
        create = ["create", "--bundle", str(bundle.directory), bundle.id]
        done = bundle.call(*create, pass_fds=(opened,), capture_output=False, stdout=null, stderr=null)
        os.close(opened)
    assert done.returncode == 0
    held = [os.readlink(f"/proc/{bundle.pid()}/fd/{fd}") for fd in os.listdir(f"/proc/{bundle.pid()}/fd")]
    assert not [path for path in held if path.startswith(str(bundle.directory))], held


@pytest.mark.parametrize("options", [[], ["tmpcopyup"]])
def test_no_file_system_is_mounted_over_proc_through_a_link(
    bundle: Bundle, own_image: Path, options: list[str]
) -> None:
    """CVE-2019-16884, CVE-2023-27561."""
    (own_image / "data").symlink_to("/proc/tty")
    bundle.config["mounts"].append({"destination": "/data", "type": "tmpfs", "source": "x", "options": options})
    assert "leads into /proc" in bundle.args("/bin/true").refusal()


def test_settings_are_not_written_into_an_images_own_proc(bundle: Bundle, own_image: Path) -> None:
    """CVE-2025-52881: without the kernel's /proc there is nothing to write to."""
    setting = own_image / "proc" / "sys" / "net" / "ipv4" / "ip_forward"
    setting.parent.mkdir(parents=True)
    setting.write_text("untouched")
    bundle.config["mounts"] = [mount for mount in bundle.config["mounts"] if mount["destination"] != "/proc"]
    bundle.linux.update(sysctl={"net.ipv4.ip_forward": "1"}, maskedPaths=[], readonlyPaths=[])
    assert "not the kernel's" in bundle.args("/bin/true").refusal()
    assert setting.read_text() == "untouched"


def test_nothing_is_masked_with_what_is_not_the_null_device(bundle: Bundle) -> None:
    """CVE-2025-31133: a /dev of somebody else's, whose null is a file that then would cover a masked one."""
    dev = bundle.directory / "dev"
    (dev / "pts").mkdir(parents=True)
    (dev / "null").write_text("cover")
    bundle.config["mounts"] = [
        mount for mount in bundle.config["mounts"] if not mount["destination"].startswith("/dev")
    ]
    bundle.config["mounts"].append({"destination": "/dev", "type": "bind", "source": "dev", "options": ["bind"]})
    assert "/dev/null in the container is not the null device" in bundle.args("/bin/true").refusal()


def test_a_console_that_is_a_link_is_refused(bundle: Bundle) -> None:
    """CVE-2025-52565: the terminal would lie over what the link leads to."""
    dev = bundle.directory / "dev"
    (dev / "pts").mkdir(parents=True)
    os.mknod(dev / "null", stat.S_IFCHR | 0o666, os.makedev(1, 3))
    (dev / "console").symlink_to("/proc/sys/kernel/core_pattern")
    kept = [mount for mount in bundle.config["mounts"] if mount["destination"] in ("/proc", "/dev/pts")]
    bind = {"destination": "/dev", "type": "bind", "source": "dev", "options": ["bind"]}
    bundle.config["mounts"] = [kept[0], bind, kept[1]]
    bundle.linux.update(maskedPaths=[], readonlyPaths=[])
    bundle.process["terminal"] = True
    bundle.args("/bin/true").write()
    done = bundle.call("run", "--bundle", str(bundle.directory), bundle.id)
    assert done.returncode != 0 and "/dev/console in the image is a link" in done.stderr


def test_what_took_a_devices_place_keeps_its_mode_and_owner(tmp_path: Path) -> None:
    """Devices are made before pivot_root: a link that somebody swaps in would lead to the host."""
    secret = tmp_path / "secret"
    secret.write_text("x")
    secret.chmod(0o600)
    (tmp_path / "fuse").symlink_to(secret)
    node = devices.Node("/dev/fuse", stat.S_IFCHR, 0o666, 10, 229, 1000, 1000, "linux.devices[0]", None)
    parent = os.open(tmp_path, os.O_PATH | os.O_DIRECTORY)
    with pytest.raises(OSError, match="put something there"):
        devices._own(parent, "fuse", node, os.makedev(10, 229))
    os.close(parent)
    assert (stat.S_IMODE(secret.stat().st_mode), secret.stat().st_uid) == (0o600, 0)


def test_a_destination_that_is_swapped_while_mounts_are_made_leads_nowhere(
    bundle: Bundle, own_image: Path, tmp_path: Path
) -> None:
    """CVE-2021-30465, with a racing process; beside it, a runtime that trusts paths falls for the same."""
    target, seen = bundle.directory / "target", bundle.directory / "seen"
    (own_image / "vol").mkdir()
    volume = {"destination": "/vol", "type": "bind", "source": "volume", "options": ["rbind"]}
    tmpfs = {"destination": "/vol/place/deep", "type": "tmpfs", "source": "tmpfs"}
    bundle.config["mounts"] += [volume, tmpfs]
    look = f"cat /proc/self/mountinfo >>{seen}"
    bundle.config["hooks"] = {"createContainer": [{"path": "/bin/sh", "args": ["sh", "-c", look]}]}
    bundle.args("/bin/true").write()
    with racer.swapped(bundle.directory / "volume", target):
        for _ in range(12):  # before pivot_root, so that a mount on the host's side would be in the list
            bundle.call("run", "--bundle", str(bundle.directory), bundle.id)
        naive = subprocess.run(
            ["/bin/sh", "-c", 'mkdir -p "$3/vol" && mount --bind "$2" "$3/vol" && exec "$0" -c "$1" "$3" "$4"',
             sys.executable, racer.NAIVE, bundle.directory / "volume", own_image, target],
            check=False, capture_output=True, text=True, preexec_fn=_private_mounts,
        )  # fmt: skip
    points = [line.split()[4] for line in seen.read_text().splitlines()]
    assert any(point.endswith("/deep") for point in points), "the race was never run"
    assert [point for point in points if point.startswith(str(target))] == []
    assert list((target / "deep").iterdir()) == []
    assert naive.returncode == 0, naive.stderr


def _private_mounts() -> None:
    from engine.runtime import kernel

    kernel.unshare(kernel.CLONE_NEWNS)
    kernel.mount("", "/", "", kernel.MS_REC | kernel.MS_PRIVATE)


def test_an_error_repeats_no_control_characters_of_the_images(bundle: Bundle) -> None:
    """A name such as this would rename the administrator's terminal, or type into it."""
    log = bundle.directory / "log"
    bundle.args("/bin/\x1b]0;owned\x07\nlevel=info", "x").write()
    done = bundle.call("--log", str(log), "run", "--bundle", str(bundle.directory), bundle.id)
    assert done.returncode == 127
    assert "\\x1b]0;owned\\x07\\nlevel=info" in done.stderr
    assert len(log.read_text().splitlines()) == 1 and "\x1b" not in log.read_text() + done.stderr


def test_exec_joins_nothing_when_the_process_ends_while_its_namespaces_are_looked_at(
    bundle: Bundle, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its number may be the host's by then, and of the host's own namespaces there is none to join."""
    from engine.runtime.oci import bundle as bundles

    bundle.args("/bin/sleep", "100").start()
    container = Container.load(str(bundle.root), bundle.id)

    def ended(pid: int) -> int:
        bundle.succeed("kill", bundle.id, "KILL")
        bundle.until("stopped")
        return 0

    monkeypatch.setattr(joining, "_different", ended)
    spec, _ = bundles.load(str(bundle.directory))
    assert spec.process is not None
    with pytest.raises(Failure, match="cannot exec in a stopped container"):
        joining.execute(
            container, spec, spec.process, filter_program=None, preserved=Preserved(0, 0), terminal=None, below={},
            although_paused=False,
        )  # fmt: skip


def test_a_pid_file_is_not_written_through_a_link_that_somebody_planted(bundle: Bundle, tmp_path: Path) -> None:
    public, victim = tmp_path / "public", tmp_path / "victim"
    public.mkdir()
    victim.write_text("precious")
    for name in ("p", ".p"):
        (public / name).symlink_to(victim)
    bundle.args("/bin/sleep", "100").create("--pid-file", str(public / "p"))
    assert victim.read_text() == "precious"
    assert (public / "p").read_text() == str(bundle.pid()) and not (public / "p").is_symlink()
    assert sorted(path.name for path in public.iterdir()) == [".p", "p"]


def test_a_pid_file_that_can_not_be_written_leaves_nothing(bundle: Bundle, tmp_path: Path) -> None:
    (tmp_path / "public" / "p").mkdir(parents=True)
    bundle.args("/bin/sleep", "100").write()
    place = str(tmp_path / "public" / "p")
    done = bundle.call("create", "--bundle", str(bundle.directory), "--pid-file", place, bundle.id)
    assert done.returncode == 1 and done.stderr.startswith(f"--pid-file: {place}: Is a directory")
    assert not (bundle.root / bundle.id).exists()
    assert [path.name for path in (tmp_path / "public").iterdir()] == ["p"]
