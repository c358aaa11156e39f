"""A container's root is nobody outside: asked from inside and seen from outside."""

from __future__ import annotations

import contextlib
import ctypes
import errno
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from engine.cgroups import Cgroups
from engine.config import EngineConfig
from engine.errors import EngineError
from engine.runtime import ids, kernel, probe, rootfs
from engine.runtime.client import Runtime
from engine.runtime.spec import Bind
from tests.engine.runtime.box import Box, until
from tests.engine.runtime.conftest import MakeBox

pytestmark = pytest.mark.root


def owner(path: Path) -> tuple[int, int]:
    found = path.lstat()
    return found.st_uid, found.st_gid


def test_root_inside_is_a_user_of_a_range_of_its_own_outside(box: Box) -> None:
    pid = box.run("/bin/sleep", "100", collect=False)
    first = box.record()["ids"]["first"]
    assert box.record()["ids"]["count"] == 65536
    for name in ("uid_map", "gid_map"):
        assert Path(f"/proc/{pid}/{name}").read_text().split() == ["0", str(first), "65536"]
    status = dict(
        line.split(":\t", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines() if ":\t" in line
    )
    assert status["Uid"].split() == status["Gid"].split() == [str(first)] * 4
    assert status["Groups"].split() == [str(first)]
    assert os.readlink(f"/proc/{pid}/ns/user") != os.readlink("/proc/self/ns/user")


def test_every_other_namespace_belongs_to_its_user_namespace(box: Box) -> None:
    pid = box.run("/bin/sleep", "100", collect=False)
    users = os.stat(f"/proc/{pid}/ns/user").st_ino
    libc = ctypes.CDLL(None, use_errno=True)
    for name in ("mnt", "uts", "ipc", "pid", "net", "cgroup"):
        fd = os.open(f"/proc/{pid}/ns/{name}", os.O_RDONLY)
        theirs = libc.ioctl(fd, 0xB701)  # NS_GET_USERNS: ioctl_ns(2)
        assert os.fstat(theirs).st_ino == users, name
        os.close(theirs)
        os.close(fd)


def test_its_monitor_stays_with_the_hosts_users(box: Box) -> None:
    box.run("/bin/sleep", "100", collect=False)
    watcher = box.record()["monitor_pid"]
    assert os.readlink(f"/proc/{watcher}/ns/user") == os.readlink("/proc/self/ns/user")


def test_message_queues_belong_to_its_root(box: Box) -> None:
    script = "busybox stat -c '%u %g %a' /dev/mqueue; >/dev/mqueue/q && busybox stat -c %u /dev/mqueue/q"
    assert box.sh(script).split() == ["0", "0", "1777", "0"]


def test_two_containers_share_no_user(make_box: MakeBox) -> None:
    boxes = [make_box() for _ in range(5)]
    for box in boxes:
        box.run("/bin/sleep", "100", collect=False)
    assert len({box.record()["ids"]["first"] for box in boxes}) == 5


def test_nothing_on_the_disk_changes_its_owner(box: Box, tmp_path: Path) -> None:
    upper = box.directory / "upper"
    shared = tmp_path / "shared"
    shared.mkdir()
    (shared / "old").write_text("x")
    os.chown(shared / "old", 1000, 1000)
    out = box.sh(
        "echo a >/root-made; busybox chown 1000:1000 /root-made; echo b >/bin/made; echo c >>/etc/passwd; "
        "busybox rm /etc/group; echo d >/shared/new; "
        "busybox stat -c %u:%g /shared/old /shared/new /root-made /bin/busybox",
        binds=[Bind(str(shared), "/shared")],
    )
    assert out.split() == ["1000:1000", "0:0", "1000:1000", "0:0"]
    assert owner(upper / "root-made") == owner(shared / "old") == (1000, 1000)
    for path in (upper / "bin" / "made", upper / "etc" / "passwd", shared / "new", box.image / "bin" / "busybox"):
        assert owner(path) == (0, 0)
    assert (upper / "etc" / "group").lstat().st_rdev == 0  # a whiteout


def test_another_user_of_the_image_owns_its_files_and_its_output(box: Box) -> None:
    home = box.directory / "upper" / "home"
    (home / "ann").mkdir(parents=True)
    os.chown(home / "ann", 1000, 1000)
    os.chmod(home / "ann", 0o700)
    assert box.sh("echo x >$HOME/x; echo y >/proc/self/fd/1; id -u", user="ann") == "y\n1000\n"
    assert owner(home / "ann" / "x") == (1000, 1000)
    assert owner(box.directory / "stdout")[0] in (0, 1000)


@pytest.mark.skipif(shutil.which("cc") is None, reason="needs a C compiler")
def test_a_setuid_program_makes_root_of_the_container_alone(box: Box, tmp_path: Path) -> None:
    (tmp_path / "wait.c").write_text("#include <unistd.h>\nint main(void) { return pause(); }\n")
    program = box.directory / "upper" / "wait"
    subprocess.run(["cc", "-static", "-o", str(program), str(tmp_path / "wait.c")], check=True)
    program.chmod(0o4755)
    pid = box.run("/wait", user="ann", no_new_privileges=False, collect=False)
    first = box.record()["ids"]["first"]
    wanted = [str(first + 1000), str(first), str(first), str(first)]
    until(lambda: Path(f"/proc/{pid}/status").read_text().split("Uid:\t")[1].splitlines()[0].split() == wanted)


@pytest.mark.parametrize(
    "script",
    [
        "busybox mount -t ext4 /disk /tmp",
        "busybox mknod /new b 254 0",
        "busybox mknod /new c 1 1",
        "busybox mount -t tmpfs none /tmp -o remount,suid,dev && busybox mknod /tmp/x b 254 0",
        "echo x >/proc/sys/kernel/core_pattern",
        "echo 1 >/proc/sys/kernel/sysrq",
        "busybox mount -t proc none /tmp && echo x >/tmp/sys/kernel/core_pattern",
        "busybox hwclock -w",
        "busybox chroot /proc/1/root/.. busybox ls /work",
        "busybox insmod /etc/passwd",
        "busybox swapon /disk",
    ],
)  # fmt: skip
def test_with_all_capabilities_and_no_filter_the_host_stays_out_of_reach(box: Box, script: str) -> None:
    os.mknod(box.directory / "upper" / "disk", 0o60666, Path("/").stat().st_dev)
    before = Path("/proc/sys/kernel/core_pattern").read_text()
    everything = [f"CAP_{name}" for name in ("CHOWN", "DAC_OVERRIDE", "SYS_ADMIN", "MKNOD", "SYS_MODULE", "SYS_RAWIO",
                                            "SYS_CHROOT", "SYS_TIME", "SETUID", "SETGID", "SYS_PTRACE")]  # fmt: skip
    code, _, err = box.result("/bin/sh", "-c", script, capabilities=everything, seccomp=False)
    assert code != 0
    assert err
    assert Path("/proc/sys/kernel/core_pattern").read_text() == before


def test_a_block_device_cannot_be_read_with_all_capabilities(box: Box) -> None:
    os.mknod(box.directory / "upper" / "disk", 0o60666, Path("/").stat().st_dev)
    code, _, err = box.result("busybox", "head", "-c1", "/disk", capabilities=["CAP_SYS_ADMIN", "CAP_MKNOD"])
    assert (code, "denied" in err or "not permitted" in err) == (1, True)


def test_files_of_the_hosts_root_belong_to_nobody_inside(box: Box) -> None:
    assert box.sh("busybox stat -c %u:%g /proc/sys /sys") == "65534:65534\n65534:65534\n"
    assert box.sh("busybox stat -c %u /dev /dev/null /dev/pts /dev/shm /tmp / /etc/hosts").split() == ["0"] * 7


def test_the_hosts_keys_are_not_its_own(box: Box) -> None:
    assert box.sh("cat /proc/keys") == ""


def test_nothing_of_the_host_is_left_in_its_mount_table(box: Box, tmp_path: Path) -> None:
    seen = box.sh("cat /proc/self/mountinfo")
    roots = [line.split()[4] for line in seen.splitlines()]
    assert roots.count("/") == roots.count("/proc") == 1
    assert str(box.config.home) not in " ".join(line.split(" - ")[1] for line in seen.splitlines())


def test_an_older_kernel_maps_layers_that_were_given_a_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Linux before 6.13 takes no descriptors for an overlay's layers."""
    take = kernel.new_mount

    def refuse(kind: str, options: list[tuple[str, str | int | None]], *rest: Any) -> int:
        if any(isinstance(value, int) for _, value in options):
            raise OSError(errno.EINVAL, "", "mount overlay, option lowerdir+")
        return take(kind, options, *rest)

    monkeypatch.setattr(kernel, "new_mount", refuse)
    for name in ("above", "below", "own/upper", "own/work"):
        (tmp_path / name).mkdir(parents=True)
    (tmp_path / "above" / "file").write_text("above")
    (tmp_path / "below" / "file").write_text("below")
    names = {"lowerdirs": [str(tmp_path / "above"), str(tmp_path / "below")]}
    layers = {**names, "upperdir": str(tmp_path / "own/upper"), "workdir": str(tmp_path / "own/work")}
    holder = subprocess.Popen(["unshare", "--user", "sleep", "100"])
    until(lambda: os.readlink(f"/proc/{holder.pid}/ns/user") != os.readlink("/proc/self/ns/user"))
    for name in ("uid_map", "gid_map"):
        Path(f"/proc/{holder.pid}/{name}").write_text("0 700000 65536")
    owners = os.open(f"/proc/{holder.pid}/ns/user", os.O_RDONLY)
    pid = os.fork()  # a process of its own: it changes its namespaces and its working directory
    if pid == 0:
        with contextlib.suppress(BaseException):
            tree = rootfs.overlay(layers, owners, 700000)
            kernel.act_as_owner(700000)
            made = os.open("new", os.O_CREAT | os.O_WRONLY, dir_fd=tree)
            found = os.open("file", os.O_RDONLY, dir_fd=tree)
            uids = {os.fstat(fd).st_uid for fd in (tree, made, found)}
            mounted = str(tmp_path) in Path("/proc/self/mounts").read_text()
            if (uids, os.read(found, 10), mounted) != ({700000}, b"above", False):
                os._exit(1)
            read_only = rootfs.overlay(names, owners, 700000)
            found = os.open("file", os.O_RDONLY, dir_fd=read_only)
            try:
                os.mkdir("more", dir_fd=read_only)
            except OSError as error:
                if (error.errno, os.fstat(found).st_uid, os.read(found, 10)) == (errno.EROFS, 700000, b"above"):
                    os._exit(0)
            os._exit(3)
        os._exit(2)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
    assert owner(tmp_path / "own" / "upper" / "new") == (0, 0)
    os.close(owners)
    holder.kill()
    holder.wait()


def test_a_user_beyond_its_range_is_refused(box: Box) -> None:
    box.create("/bin/echo", user="70000", collect=False)
    with pytest.raises(EngineError, match="65535"):
        box.runtime.start(box.directory)


def test_it_can_do_without(box: Box) -> None:
    pid = box.run("/bin/sleep", "100", collect=False, user_namespace=False)
    assert os.readlink(f"/proc/{pid}/ns/user") == os.readlink("/proc/self/ns/user")
    assert box.record()["ids"] is None
    assert not box.was_pooled


def test_a_source_on_a_file_system_that_cannot_show_owners_is_refused_by_name(box: Box) -> None:
    with pytest.raises(EngineError, match="/sys/kernel lies on a file system that can't show other owners"):
        box.create("/bin/echo", binds=[Bind("/sys/kernel", "/data")], collect=False)


@pytest.mark.parametrize("reason", ["the file system can't", ""])
def test_a_host_that_cannot_is_told_so_and_its_containers_run_without(tmp_path: Path, image: Path, reason: str) -> None:
    config = EngineConfig(home=tmp_path / "home")
    config.run.mkdir(parents=True)
    if reason:  # what a launcher finds out, which asks again; so the file system must be one that can't
        subprocess.run(["mount", "-t", "ramfs", "ramfs", str(config.run)], check=True)
    cgroups = Cgroups(config)
    box = Box(config, Runtime(config, cgroups, pool=1), cgroups, image)
    try:
        pid = box.run("/bin/sleep", "100", collect=False)
        own = os.readlink(f"/proc/{pid}/ns/user") != os.readlink("/proc/self/ns/user")
        assert own == (box.created.userns == "auto") == (not reason)
        assert box.was_pooled
        assert bool(probe.known(str(config.run))) == bool(reason) == bool(box.created.userns_problem)
    finally:
        box.remove()
        box.runtime.stop_launcher()
        cgroups.remove_parent()
        if reason:
            subprocess.run(["umount", "--lazy", str(config.run)], check=True)


def test_ranges_are_taken_once_and_found_again_by_those_who_come_later(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ids, "lived_in", set)  # containers of other homes come and go
    starts = [ids.FIRST + number * ids.COUNT for number in range(ids.BLOCK * 2)]
    one, other = (ids.Ranges(str(tmp_path / "lock"), starts) for _ in range(2))
    first = [one.take() for _ in range(ids.BLOCK)]
    second = [other.take() for _ in range(ids.BLOCK)]
    assert not set(first) & set(second)
    assert one.take() is None
    assert other.take() is None
    assert first[3] is not None
    one.give_back(first[3])
    assert one.take() == first[3]
    os.close(one.lock)
    third = ids.Ranges(str(tmp_path / "lock"), starts)
    assert {third.take() for _ in range(ids.BLOCK)} == set(first)


def test_a_range_in_which_somebody_lives_is_never_given_out(tmp_path: Path, box: Box) -> None:
    box.run("/bin/sleep", "100", collect=False)
    first = box.record()["ids"]["first"]
    assert first in ids.lived_in()
    ranges = ids.Ranges(str(tmp_path / "lock"), [first, first + ids.COUNT])
    taken = ranges.take()
    assert taken != first
    assert ranges.take() is None
    box.runtime.abort(box.directory)
    until(lambda: ranges.take() == first)


def test_the_ranges_of_a_user_portside_come_first_and_those_of_others_are_left_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    users, groups = tmp_path / "subuid", tmp_path / "subgid"
    monkeypatch.setattr(ids, "_SUBORDINATE", (str(users), str(groups)))
    for path in (users, groups):
        path.write_text(f"ann:{ids.FIRST + 5}:10\nnonsense\n")
    assert ids.configured()[0] == ids.FIRST + ids.COUNT
    for path in (users, groups):
        path.write_text("portside:300000:131072\n")
    assert ids.configured() == [300000, 365536]
