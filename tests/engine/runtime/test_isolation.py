"""What a container sees of the world, asked from the inside."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from engine.runtime import capabilities
from engine.runtime.spec import Bind
from tests.engine.runtime.box import BUSYBOX, Box, until
from tests.engine.runtime.conftest import MakeBox

pytestmark = pytest.mark.root


def test_it_has_its_own_pid_1_and_sees_no_other_process(box: Box) -> None:
    assert box.sh("echo $$; busybox ls /proc | busybox grep -c '^[0-9]'") in ("1\n2\n", "1\n3\n")


def test_it_has_its_own_host_name(box: Box) -> None:
    host = os.uname().nodename
    assert box.sh("busybox hostname") == "box\n"
    assert os.uname().nodename == host


def test_every_namespace_is_its_own(box: Box) -> None:
    pid = box.run("/bin/sleep", "100", collect=False)
    for name in ("mnt", "uts", "ipc", "pid", "net", "cgroup"):
        assert os.readlink(f"/proc/{pid}/ns/{name}") != os.readlink(f"/proc/self/ns/{name}"), name


def test_its_network_is_a_loopback_that_is_up(box: Box) -> None:
    script = "busybox ls /sys/class/net; cat /sys/class/net/lo/flags /proc/sys/net/ipv4/ping_group_range"
    assert box.sh(script) == "lo\n0x9\n0\t65535\n"


def test_it_has_the_eleven_capabilities_a_filter_and_no_new_privileges(box: Box) -> None:
    status = dict(line.split(":\t", 1) for line in box.sh("cat /proc/self/status").splitlines() if ":\t" in line)
    kept = f"{capabilities.mask(capabilities.DEFAULT):016x}"
    assert [status[name] for name in ("CapBnd", "CapEff", "CapPrm", "CapInh", "CapAmb")] == [
        kept, kept, kept, "0" * 16, "0" * 16
    ]  # fmt: skip
    assert (status["Seccomp"], status["NoNewPrivs"]) == ("2", "1")


def test_another_user_has_no_capability_and_the_groups_that_list_it(box: Box) -> None:
    out = box.sh("id; busybox grep -E 'CapEff|CapPrm' /proc/self/status; echo $HOME; echo x >/dev/stdout", user="ann")
    assert out.splitlines() == [
        "uid=1000(ann) gid=1000(ann) groups=2(bin),77(late),1000(ann)",
        f"CapPrm:\t{0:016x}",
        f"CapEff:\t{0:016x}",
        "/home/ann",
        "x",
    ]


@pytest.mark.parametrize("path", ["/proc/keys", "/proc/timer_list", "/proc/interrupts"])
def test_masked_files_are_empty(box: Box, path: str) -> None:
    assert Path(path).exists()
    assert box.sh(f"cat {path}") == ""


def test_masked_directories_are_empty_and_read_only(box: Box) -> None:
    assert box.sh("busybox ls /sys/firmware /proc/acpi | busybox grep -v : ; ! echo >/sys/firmware/x").strip() == ""


@pytest.mark.parametrize(
    "path", ["/proc/sys/kernel/core_pattern", "/proc/sysrq-trigger", "/proc/sys/vm/swappiness", "/sys/kernel/mm/x"]
)
def test_settings_of_the_kernel_cannot_be_written(box: Box, path: str) -> None:
    if not Path(path).exists() and "/x" not in path:
        pytest.skip(f"this kernel has no {path}")
    code, _, err = box.result("/bin/sh", "-c", f"echo b > {path}")
    assert code != 0
    assert "Read-only file system" in err


def test_its_own_control_groups_are_seen_read_only(box: Box) -> None:
    groups = "busybox grep -E 'memory|pids|::' /proc/self/cgroup | busybox cut -d: -f3"
    seen = box.sh(f"{groups}; echo end; cat /proc/self/mountinfo")
    assert set(seen.partition("end")[0].split()) == {"/"}
    assert box.cgroups.parent not in seen
    script = "for f in $(busybox find /sys/fs/cgroup -name cgroup.procs); do if echo 0 2>&- > $f; then exit 9; fi; done"
    assert box.sh(script) == ""


def test_nothing_it_writes_reaches_the_host_or_its_image(box: Box) -> None:
    box.sh("echo x > /bin/new; busybox rm /bin/cat; echo y > /etc/passwd; busybox mkdir /portside-was-here")
    assert not (box.image / "bin" / "new").exists()
    assert (box.image / "bin" / "cat").is_symlink()
    assert "root" in (box.image / "etc" / "passwd").read_text()
    assert not Path("/portside-was-here").exists()


def test_a_read_only_root_refuses_writes_but_dev_shm_takes_them(box: Box) -> None:
    out = box.sh(
        "if echo x 2>/dev/null > /x; then exit 9; fi; echo x > /dev/shm/x; cat /dev/shm/x", read_only_root=True
    )
    assert out == "x\n"


def test_only_the_standard_descriptors_are_open(box: Box) -> None:
    assert box.sh("busybox ls /proc/1/fd; true").split() == ["0", "1", "2"]
    assert box.sh("busybox readlink /proc/1/fd/0; busybox stat -c %t:%T /proc/1/fd/0 -L") == "/dev/null\n1:3\n"


def test_standard_input_is_the_containers_own_null(box: Box) -> None:
    mode = Path("/dev/null").stat().st_mode
    box.sh("busybox chmod 600 /proc/1/fd/0")
    assert Path("/dev/null").stat().st_mode == mode


def test_the_devices_are_the_usual_ones_and_no_other_can_be_made(box: Box) -> None:
    script = (
        "echo x > /dev/null; busybox head -c4 /dev/zero | busybox wc -c; busybox mknod /disk b 254 0 || echo refused"
    )
    assert box.sh(script) == "4\nrefused\n"


def test_a_block_device_of_the_image_cannot_be_opened(box: Box) -> None:
    os.mknod(box.directory / "upper" / "disk", 0o60666, Path("/").stat().st_dev)
    code, _, err = box.result("/bin/sh", "-c", "busybox head -c1 /disk")
    assert (code, "ermission denied" in err) == (1, True)


def test_a_setuid_program_gives_nothing(box: Box) -> None:
    (box.directory / "upper" / "bin").mkdir(mode=0o755)
    shutil.copy(BUSYBOX, box.directory / "upper" / "bin" / "rootme")
    (box.directory / "upper" / "bin" / "rootme").chmod(0o4755)
    script = "busybox ln -s /bin/rootme /tmp/id; /tmp/id -u; busybox grep CapEff /proc/self/status"
    assert box.sh(script, user="ann") == f"1000\nCapEff:\t{0:016x}\n"


def test_a_neighbour_in_the_same_image_cannot_be_reached(make_box: MakeBox) -> None:
    first, second = make_box(), make_box()
    pid = first.run("/bin/sleep", "100", collect=False)
    code, _, _ = second.result("/bin/sh", "-c", f"busybox kill -9 {pid}; busybox ls /proc/{pid}")
    assert code != 0
    assert first.runtime.is_alive(first.directory)


@pytest.mark.parametrize("applet", ["mount -t tmpfs x /tmp", "umount /proc", "unshare -m true", "chroot /tmp true",
                                    "dmesg", "mount -o remount,rw /sys"])  # fmt: skip
def test_privileged_calls_are_refused(box: Box, applet: str) -> None:
    code, _, _ = box.result("/bin/sh", "-c", f"busybox {applet}")
    assert code != 0


def test_the_environment_is_exactly_what_was_asked_for(box: Box) -> None:
    code, out, _ = box.result("busybox", "env", env=["A=1", "B=x=y", "A=2"])
    path = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
    assert (code, out.splitlines()) == (0, [path, "A=2", "B=x=y", "HOME=/root"])


def test_a_missing_working_directory_is_made(box: Box) -> None:
    assert box.sh("busybox pwd", cwd="/made/for/me") == "/made/for/me\n"


def test_files_of_the_host_are_seen_where_they_are_bound(box: Box, tmp_path: Path) -> None:
    (tmp_path / "f").write_text("hello\n")
    binds = [Bind(str(tmp_path / "f"), "/data/in/f", read_only=True), Bind(str(tmp_path), "/data")]
    out = box.sh("cat /etc/resolv.conf /data/in/f /data/f; echo w > /data/w; ! echo x > /data/in/f", binds=binds)
    assert out == "# resolv.conf\nhello\nhello\n"
    assert (tmp_path / "w").read_text() == "w\n"


def test_no_zombie_and_no_process_outlives_pid_1(box: Box) -> None:
    box.run("/bin/sh", "-c", "sleep 4321 & sleep 4321 & exit 0")
    assert box.wait().code == 0
    until(lambda: box.cgroups.pids(box.id) == [])


def test_two_containers_do_not_see_each_other(make_box: MakeBox) -> None:
    first, second = make_box(), make_box()
    first.run("/bin/sh", "-c", "echo secret > /tmp/s; sleep 100", collect=False)
    assert second.sh("busybox ls /tmp; busybox ps | busybox grep -c slee[p] || true") == "0\n"
