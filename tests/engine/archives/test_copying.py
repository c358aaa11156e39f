"""Copy out, in and export on the real kernel: of running and of resting containers, with users of their own."""

from __future__ import annotations

import bz2
import contextlib
import gzip
import lzma
import os
import stat
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest
import zstandard

from engine.errors import Conflict, InvalidArgument, NotFound, PermissionDenied
from tests.engine.archives.copying import content, copy_in, member, members, opened, tar, whole
from tests.support.engine import Host
from tests.support.processes import eventually

pytestmark = [pytest.mark.root, pytest.mark.registry]

MAKE = """
mkdir -p /a/deep; cd /a; echo hello > file; ln file again; ln -s ../etc/passwd link; ln -s /nowhere/x gone
truncate -s 8M sparse; echo data | dd of=sparse bs=1M seek=4 conv=notrunc 2>/dev/null; mkfifo pipe
chown 1000:50 file; chmod 4755 file; touch -d '2020-01-02 03:04:05' deep; chmod 1777 deep
long=$(printf 'n%.0s' $(seq 120)); echo long > $long; ln -s /$long/$long longlink
"""


def prepared(host: Host, **options: object) -> str:
    record = host.run("sh", "-ec", f"{MAKE}\necho ready; exec sleep 1000", **options)
    host.says(record.id, b"ready", seconds=60)
    return record.id


def rest(host: Host, name: str) -> None:
    host.engine.container_kill(name)


def check_tree(host: Host, name: str) -> None:
    """What `MAKE` has made comes out with owners, links, holes and long names."""
    found = members(host.engine, name, "/a")
    long = "n" * 120
    assert set(found) == {
        "a", "a/deep", "a/file", "a/again", "a/link", "a/gone", "a/sparse", "a/pipe", f"a/{long}", "a/longlink",
    }  # fmt: skip
    first, second = found["a/again"], found["a/file"]
    assert (first.uid, first.gid, first.mode, first.size) == (1000, 50, 0o4755, 6)
    assert (second.type, second.linkname) == (tarfile.LNKTYPE, "a/again")
    assert (found["a/link"].type, found["a/link"].linkname) == (tarfile.SYMTYPE, "../etc/passwd")
    assert found["a/longlink"].linkname == f"/{long}/{long}"
    assert found["a/pipe"].type == tarfile.FIFOTYPE and found["a"].isdir()
    assert (found["a/deep"].mode, found["a/deep"].mtime) == (0o1777, 1577934245)
    assert found["a/sparse"].size == 8 << 20 and found["a/sparse"].issparse()
    assert content(host.engine, name, "/a/again") == b"hello\n"
    data = content(host.engine, name, "/a/sparse")
    assert data[4 << 20 :].startswith(b"data\n") and not data[: 4 << 20].strip(b"\0") and len(data) == 8 << 20


@pytest.mark.parametrize("userns", ["auto", "host"])
def test_files_come_out_as_the_container_sees_them(host: Host, userns: str) -> None:
    name = prepared(host, userns=userns)
    check_tree(host, name)
    rest(host, name)
    check_tree(host, name)
    host.engine.container_remove(name)


def test_what_is_at_a_path(host: Host) -> None:
    name = prepared(host)
    look = host.engine.container_path_stat
    for _ in range(2):
        assert look(name, "a/../a/./again").docker_json() | {"mtime": ""} == {
            "name": "again", "size": 6, "mode": 0o755 | 1 << 23, "mtime": "", "linkTarget": "",
        }  # fmt: skip
        assert look(name, "/a/link").link_target == "/etc/passwd"
        assert look(name, "/a/gone").link_target == "/nowhere/x"
        assert stat.S_ISLNK(look(name, "/a/link").mode) and look(name, "/").name == "/"
        assert look(name, "/a/deep").docker_json()["mtime"] == "2020-01-02T03:04:05Z"
        assert look(name, "/a/deep/").is_directory and look(name, "/a/deep/.").name == "."
        for wrong, family in (
            ("/nope", NotFound),
            ("/a/link/", NotFound),
            ("/a/file/x", NotFound),
            ("", InvalidArgument),
        ):
            with pytest.raises(family):
                look(name, wrong)
        rest(host, name) if host.engine.container_get(name).status == "running" else None
    host.engine.container_remove(name)


def test_mounts_are_seen_and_the_kernels_files_are_not(host: Host) -> None:
    name = prepared(host, tmpfs=("/scratch",), hostname="here")
    with pytest.raises(PermissionDenied, match="kernel"):
        host.engine.container_copy_out(name, "/proc/1/status")
    with pytest.raises(PermissionDenied, match="isn't followed"):
        host.engine.container_copy_out(name, "/proc/1/root/etc")
    with pytest.raises(PermissionDenied, match="kernel"):
        host.engine.container_copy_in(name, "/sys")
    copy_in(host.engine, name, "/scratch", tar(member("in-memory", b"x", uid=7)))
    assert members(host.engine, name, "/scratch/in-memory")["in-memory"].uid == 7
    assert content(host.engine, name, "/etc/hostname") == b"here\n"
    root = members(host.engine, name, "/")
    assert "/proc" in root and "/scratch/in-memory" in root and not [path for path in root if path.startswith("/proc/")]
    exported = opened(whole(host.engine.container_export(name)))
    names = exported.getnames()
    assert {"a/again", "proc", "scratch", "bin/busybox"} <= set(names) and "scratch/in-memory" not in names
    assert exported.getmember("a/again").uid == 1000
    rest(host, name)
    assert set(names) == set(opened(whole(host.engine.container_export(name))).getnames())
    host.engine.container_remove(name)


@pytest.mark.parametrize("userns", ["auto", "host"])
def test_files_go_in_with_the_owners_that_the_archive_names(host: Host, userns: str) -> None:
    name = prepared(host, userns=userns)
    archive = tar(
        member("new/dir/file", b"12345", uid=1000, gid=50, mode=0o4750, mtime=1577934245),
        member("new/link", kind=tarfile.SYMTYPE, linkname="/etc/passwd", uid=33),
        member("new/hard", kind=tarfile.LNKTYPE, linkname="new/dir/file"),
        member("again", b"replaced", uid=5),
        member("deep", None, kind=tarfile.DIRTYPE, mode=0o700, mtime=1577934245),
        member("l" * 200, b"long"),
    )
    for _ in range(2):
        assert copy_in(host.engine, name, "/a/.", archive)["entries"] == 6
        found = members(host.engine, name, "/a")
        made = found["a/new/dir/file"]
        assert (made.uid, made.gid, made.mode, made.mtime) == (1000, 50, 0o4750, 1577934245)
        assert found["a/new/hard"].linkname == "a/new/dir/file"
        assert (found["a/new"].uid, found["a/new"].mode, found["a/new/link"].uid) == (0, 0o755, 33)
        assert found["a/again"].size == 8 and found["a/file"].type == tarfile.REGTYPE  # the other name is kept
        assert (found["a/deep"].mode, found["a/deep"].mtime) == (0o700, 1577934245)
        rest(host, name) if host.engine.container_get(name).status == "running" else None
    host.engine.container_remove(name)


def test_an_archive_may_be_packed(host: Host) -> None:
    name = host.run("sleep", "100").id
    for packer in (gzip.compress, bz2.compress, lzma.compress, zstandard.compress):
        archive = packer(tar(member("packed", packer.__module__.encode())))
        assert copy_in(host.engine, name, "/home", archive)["entries"] == 1
        assert content(host.engine, name, "/home/packed") == packer.__module__.encode()
    host.engine.container_remove(name, force=True)


def test_files_can_become_the_containers_users(host: Host) -> None:
    record = host.run("sleep", "1000", user="app:staff")
    for _ in range(2):
        copy_in(host.engine, record.id, "/home/app", tar(member("new/mine", b"x", uid=5)), as_user=True)
        mine = members(host.engine, record.id, "/home/app/new/mine")["mine"]
        assert (mine.uid, mine.gid) == (1000, 50)
        rest(host, record.id) if host.engine.container_get(record.id).status == "running" else None
    host.engine.container_remove(record.id)


def test_a_directory_is_replaced_unless_that_is_forbidden(host: Host) -> None:
    name = prepared(host)
    with pytest.raises(Conflict, match="cannot overwrite directory"):
        copy_in(host.engine, name, "/a", tar(member("deep", b"x")), keep_kinds=True)
    with pytest.raises(Conflict, match="cannot overwrite non-directory"):
        copy_in(host.engine, name, "/a", tar(member("file", None, kind=tarfile.DIRTYPE)), keep_kinds=True)
    with pytest.raises(InvalidArgument, match="not a directory"):
        host.engine.container_copy_in(name, "/a/file")
    with pytest.raises(NotFound):
        host.engine.container_copy_in(name, "/nope")
    copy_in(host.engine, name, "/a", tar(member("deep/er/x", b"1"), member("deep", b"2")))
    assert content(host.engine, name, "/a/deep") == b"2"
    with pytest.raises(Conflict, match="mounted"):
        copy_in(host.engine, name, "/etc", tar(member("hosts", b"x")))
    host.engine.container_remove(name, force=True)


def test_nothing_is_copied_into_what_is_read_only(host: Host) -> None:
    record = host.run("sleep", "1000", read_only=True, tmpfs=("/scratch",))
    with pytest.raises(PermissionDenied, match="read-only"):
        copy_in(host.engine, record.id, "/home", tar(member("x", b"x")))
    copy_in(host.engine, record.id, "/scratch", tar(member("x", b"x")))
    rest(host, record.id)
    with pytest.raises(PermissionDenied, match="read-only"):
        host.engine.container_copy_in(record.id, "/home")
    host.engine.container_remove(record.id)


def pipes() -> int:
    """How many ends of pipes this process has."""
    found = 0
    for descriptor in os.listdir("/proc/self/fd"):
        with contextlib.suppress(OSError):
            found += os.readlink(f"/proc/self/fd/{descriptor}").startswith("pipe:")
    return found


def test_who_goes_away_leaves_nothing_behind(host: Host) -> None:
    """A reader and a writer that stop in the middle: no process, no descriptor, no lock."""
    name = prepared(host)
    rest(host, name)
    before = pipes()
    out = host.engine.container_export(name)
    assert out.stream is not None
    os.read(out.stream, 4096)
    out.close()
    into = host.engine.container_copy_in(name, "/a")
    assert into.stream is not None
    os.write(into.stream, tar(member("big", b"x" * 100_000))[:50_000])
    into.close()
    for pid in (out.pid, into.pid):
        eventually(lambda pid=pid: not Path(f"/proc/{pid}").exists(), what=f"the end of {pid}")
    assert pipes() == before
    host.engine.container_start(name)
    host.engine.container_remove(name, force=True)
    assert host.is_clean(name)


def test_copying_by_the_command_line(host: Host) -> None:
    record = host.run("sleep", "1000")

    def engine(*words: str, given: bytes = b"") -> subprocess.CompletedProcess[bytes]:
        command, environment = [sys.executable, "-m", "engine", *words], host.home.environment()
        return subprocess.run(command, input=given, capture_output=True, env=environment, check=False)

    assert engine("cp", "-", f"{record.name}:/home", given=tar(member("x", b"by hand"))).returncode == 0
    done = engine("cp", f"{record.name}:/home/x", "-")
    assert opened(done.stdout).getnames() == ["x"] and done.returncode == 0
    assert "home/x" in opened(engine("export", record.name).stdout).getnames()
    assert b"no /nope" in engine("cp", f"{record.name}:/nope", "-").stderr
    assert b"write cp" in engine("cp", "here", "there").stderr
    host.engine.container_remove(record.id, force=True)
