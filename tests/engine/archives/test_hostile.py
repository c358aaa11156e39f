"""Archives and containers that try to reach the host: whatever they do stays in the container."""

from __future__ import annotations

import lzma
import os
import signal
import tarfile
from pathlib import Path

import pytest

from engine.errors import EngineError, InvalidArgument, Unavailable, Unsupported
from tests.engine.archives.copying import content, copy_in, member, members, tar, whole
from tests.support.engine import Host

pytestmark = [pytest.mark.root, pytest.mark.registry]

CAPABILITY = bytes.fromhex("0100000200040000000000000000000000000000")  # version 2: net_bind_service


@pytest.fixture
def outside(tmp_path: Path) -> Path:
    """A directory of the host's that nobody in a container may see or change."""
    tmp_path.chmod(0o777)
    (tmp_path / "secret").write_text("the host's own")
    return tmp_path


def test_names_and_links_of_an_archive_stay_inside(host: Host, outside: Path) -> None:
    record = host.run("sleep", "1000")
    engine, name = host.engine, record.id
    for _ in range(2):
        copy_in(engine, name, "/srv" if "/srv" in members(engine, name, "/") else "/home", tar(
            member("/absolute", b"1"),
            member("out", kind=tarfile.SYMTYPE, linkname=str(outside)),
            member("up", kind=tarfile.SYMTYPE, linkname="../../../../../../.." + str(outside)),
            member("etc", kind=tarfile.SYMTYPE, linkname="/etc"),
            member("etc/in-etc", b"2"),
        ))  # fmt: skip
        assert content(engine, name, "/home/absolute") == b"1" and content(engine, name, "/etc/in-etc") == b"2"
        for link in ("out", "up"):
            with pytest.raises(EngineError):
                copy_in(engine, name, "/home", tar(member(f"{link}/made", b"x")))
            with pytest.raises(EngineError):
                engine.container_copy_out(name, f"/home/{link}/secret")
            assert members(engine, name, f"/home/{link}")[link].issym()
        if engine.container_get(name).status == "running":
            engine.container_kill(name)
    assert os.listdir(outside) == ["secret"] and not Path("/etc/in-etc").exists()
    engine.container_remove(name)


REFUSED = {
    "a name that leads out": tar(member("a/../../x", b"x")),
    "a link to what is outside": tar(member("x", kind=tarfile.LNKTYPE, linkname="../../etc/passwd")),
    "a link to what the host has": tar(member("x", kind=tarfile.LNKTYPE, linkname="/etc/machine-id")),
    "a disk": tar(member("x", kind=tarfile.BLKTYPE, devmajor=8, devminor=0)),
    "a whiteout in disguise": tar(member("x", kind=tarfile.CHRTYPE)),
    "a name that is too long": tar(member("x" * 256, b"x")),
    "a path that is too long": tar(member("/".join(["x" * 200] * 25), b"x")),
    "an archive that is cut": tar(member("x", b"x" * 10_000))[:5000],
    "no archive": b"something else " * 1000,
    "a damaged gzip": b"\x1f\x8b\x08\x00" + b"\xff" * 1000,
    "a damaged bzip2": b"BZh9" + b"\xff" * 1000,
    "a damaged xz": b"\xfd7zXZ\0" + b"\xff" * 1000,
    "an xz that is cut": lzma.compress(tar(member("x", b"x")))[:-8],
    "an owner that the container can't have": tar(member("x", b"x", uid=70_000)),
}


def test_bad_archives_are_refused_with_words(host: Host) -> None:
    name = host.run("sleep", "1000").id
    for what, archive in REFUSED.items():
        with pytest.raises(InvalidArgument) as caught:
            copy_in(host.engine, name, "/home", archive)
        assert "layer" not in caught.value.message, what
    assert copy_in(host.engine, name, "/home", b"") == {"entries": 0, "bytes": 0}
    host.engine.container_remove(name, force=True)


SWAP = """
mkdir -p /w/keep; cd /w; echo mine > keep/secret; echo ready
while :; do
    rm -rf d; mkdir d; echo mine > d/secret; rm -rf d; ln -s TARGET d; rm -f d; ln -s /proc/1/root/TARGET d
done
"""


def test_a_container_that_swaps_directories_for_links_gains_nothing(host: Host, outside: Path) -> None:
    record = host.run("sh", "-c", SWAP.replace("TARGET", str(outside)))
    host.says(record.id, b"ready", seconds=60)
    for _ in range(6):
        for path in ("/w", "/w/d/."):
            try:
                data = whole(host.engine.container_copy_out(record.id, path))
            except EngineError:
                continue  # it was a link just then
            assert b"the host's own" not in data
        for target, archive in (("/w", tar(member("d/made", b"x"))), ("/w/d", tar(member("made", b"x")))):
            try:
                copy_in(host.engine, record.id, target, archive)
            except EngineError:
                continue
    assert os.listdir(outside) == ["secret"] and (outside / "secret").read_text() == "the host's own"
    assert content(host.engine, record.id, "/w/keep/secret") == b"mine\n"
    host.engine.container_remove(record.id, force=True)


def test_odd_names_attributes_and_depths(host: Host) -> None:
    name = host.run("sleep", "1000").id
    odd = b"a\xffb\nc ".decode(errors="surrogateescape")
    strange = tarfile.TarInfo(odd)
    capable = member("ping", b"program", mode=0o755, pax_headers={
        "SCHILY.xattr.security.capability": CAPABILITY.decode("latin-1"), "SCHILY.xattr.user.note": "kept",
        "SCHILY.xattr.trusted.overlay.opaque": "y",
    })  # fmt: skip
    copy_in(host.engine, name, "/home", tar((strange, b""), capable))
    found = members(host.engine, name, "/home")
    assert f"home/{odd}" in found
    records = found["home/ping"].pax_headers
    assert records["SCHILY.xattr.user.note"] == "kept" and "SCHILY.xattr.security.capability" in records
    assert CAPABILITY in whole(host.engine.container_copy_out(name, "/home/ping"))
    assert "SCHILY.xattr.trusted.overlay.opaque" not in records
    deep = host.run("sh", "-c", "cd /home; i=0; while [ $i -lt 1100 ]; do mkdir d; cd d; i=$((i+1)); done")
    assert host.ended(deep.id, 60).exit_code == 0
    with pytest.raises(Unsupported, match="deep"):
        whole(host.engine.container_copy_out(deep.id, "/home"))
    for made in (name, deep.id):
        host.engine.container_remove(made, force=True)


def test_a_killed_child_is_told_and_frees_the_container(host: Host) -> None:
    name = host.run("true").id
    host.ended(name)
    into = host.engine.container_copy_in(name, "/home")
    os.kill(into.pid, signal.SIGKILL)
    with pytest.raises(Unavailable, match="interrupted"):
        into.wait()
    into.close()
    copy_in(host.engine, name, "/home", tar(member("x", b"x")))
    host.engine.container_remove(name)
