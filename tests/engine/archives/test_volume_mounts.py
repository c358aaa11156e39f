"""Copies out of and into the volumes and bind mounts of containers that don't run, and of those that do."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from engine.errors import Conflict, EngineError, NotFound, PermissionDenied, ResourceExhausted
from engine.volumes.volume import VolumeSpec
from tests.engine.archives.copying import content, copy_in, member, members, opened, tar, whole
from tests.support.engine import Host

pytestmark = [pytest.mark.root, pytest.mark.registry]


def created(host: Host, **options: object) -> str:
    """One that was never started."""
    spec = host.spec("true", **options)
    host.engine.container_create(spec)
    return spec.id


def exited(host: Host, **options: object) -> str:
    record = host.run("true", **options)
    host.ended(record.id)
    return record.id


def running(host: Host, **options: object) -> str:
    return host.run("sleep", "1000", **options).id


def data(host: Host, name: str) -> Path:
    return Path(host.engine.volumes.get(name).mountpoint)


def layer(host: Host, name: str) -> list[str]:
    """What lies in the container's own layer, whatever is mounted on it."""
    return opened(whole(host.engine.container_export(name))).getnames()


@pytest.fixture
def shown(tmp_path: Path) -> Path:
    """A directory of the host's that is bound."""
    (tmp_path / "shown").mkdir()
    (tmp_path / "shown/file").write_text("of the host")
    return tmp_path / "shown"


@pytest.mark.parametrize("made", [created, exited, running])
@pytest.mark.parametrize("userns", ["auto", "host"])
@pytest.mark.parametrize("place", ["/home", "/not/in/the/image"])
def test_a_volume_is_copied_into_and_out_of(host: Host, made: Callable[..., str], userns: str, place: str) -> None:
    name = made(host, volumes=(f"vol:{place}",), userns=userns)
    copy_in(host.engine, name, place, tar(member("h", b"kept", uid=1000, gid=50, mode=0o640), member("d/deep", b"2")))
    found = os.stat(data(host, "vol") / "h")
    assert (found.st_uid, found.st_gid, found.st_mode & 0o7777) == (1000, 50, 0o640)
    assert (data(host, "vol") / "d/deep").read_bytes() == b"2"
    told = members(host.engine, name, f"{place}/h")["h"]
    assert (told.uid, told.gid, told.mode) == (1000, 50, 0o640)
    assert content(host.engine, name, f"{place}/h") == b"kept"
    assert host.engine.container_path_stat(name, f"{place}/h").size == 4
    assert f"{place[1:]}/h" not in layer(host, name)
    seen = host.run("stat", "-c", "%u %g %a", "/v/h", volumes=("vol:/v",), userns=userns)
    host.ended(seen.id)
    assert host.log(seen.id) == b"1000 50 640\n"
    changed = [change["path"] for change in host.engine.container_changes(name)["changes"]]
    assert not [path for path in changed if path.startswith(f"{place}/")]


def test_who_only_reads_leaves_the_layer_as_it_is(host: Host) -> None:
    name = created(host, volumes=("vol:/nowhere/else",))
    (data(host, "vol") / "file").write_text("x")
    assert content(host.engine, name, "/nowhere/else/file") == b"x"
    assert "nowhere/else/file" in {path.lstrip("/") for path in members(host.engine, name, "/")}
    assert not [path for path in layer(host, name) if path.startswith("nowhere")]
    with pytest.raises(NotFound):
        host.engine.container_path_stat(name, "/nowhere/other")


@pytest.mark.parametrize("made", [created, running])
def test_what_is_mounted_read_only_is_read_and_not_written(host: Host, made: Callable[..., str], shown: Path) -> None:
    (data(host, host.engine.volumes.create(VolumeSpec(name="vol")).name) / "old").write_text("old")
    name = made(host, volumes=(f"{shown}:/b:ro", "vol:/v:ro", f"{shown}/file:/etc/one:ro"))
    assert content(host.engine, name, "/b/file") == content(host.engine, name, "/etc/one") == b"of the host"
    assert content(host.engine, name, "/v/old") == b"old"
    for place in ("/b", "/v"):
        with pytest.raises(PermissionDenied, match="mounted volume is marked read-only"):
            host.engine.container_copy_in(name, place)
    with pytest.raises(PermissionDenied, match="read-only"):
        copy_in(host.engine, name, "/", tar(member("b/new", b"x")))
    assert os.listdir(shown) == ["file"] and os.listdir(data(host, "vol")) == ["old"]


@pytest.mark.parametrize("made", [created, running])
def test_of_a_read_only_root_the_volumes_alone_are_written(host: Host, made: Callable[..., str], shown: Path) -> None:
    name = made(host, read_only=True, volumes=("vol:/v", f"{shown}:/b"))
    with pytest.raises(PermissionDenied, match="container rootfs is marked read-only"):
        host.engine.container_copy_in(name, "/home")
    copy_in(host.engine, name, "/v", tar(member("x", b"1")))
    copy_in(host.engine, name, "/b", tar(member("x", b"2")))
    assert ((data(host, "vol") / "x").read_bytes(), (shown / "x").read_bytes()) == (b"1", b"2")


def test_mounts_in_mounts_are_in_their_order(host: Host, shown: Path) -> None:
    for name in ("outer", "inner"):
        host.engine.volumes.create(VolumeSpec(name=name))
    (data(host, "inner") / "sub").mkdir()
    (data(host, "inner") / "sub/file").write_text("by its path")
    name = created(
        host, volumes=(f"{shown}:/a/b/c", "outer:/a"),
        mounts=("type=volume,source=inner,target=/a/b,volume-subpath=sub", f"type=image,source={host.image},target=/i"),
    )  # fmt: skip
    copy_in(host.engine, name, "/a", tar(member("1", b"1"), member("b/2", b"2"), member("b/c/3", b"3")))
    assert sorted(os.listdir(data(host, "outer"))) == ["1", "b"]
    assert sorted(os.listdir(data(host, "inner") / "sub")) == ["2", "c", "file"] and (shown / "3").exists()
    assert not os.listdir(data(host, "inner") / "sub/c")
    assert {"a/1", "a/b/2", "a/b/file", "a/b/c/3", "a/b/c/file"} <= set(members(host.engine, name, "/a"))
    assert "busybox" in members(host.engine, name, "/i/bin/busybox")
    with pytest.raises(PermissionDenied, match="mounted volume"):
        host.engine.container_copy_in(name, "/i/bin")


@pytest.mark.parametrize("aim", ["{outside}", "../../../../../../..{outside}", "/proc/1/root{outside}"])
def test_a_link_above_a_mount_leads_nowhere_on_the_host(host: Host, tmp_path: Path, aim: str) -> None:
    outside = tmp_path / "outside"
    (outside / "sub").mkdir(parents=True)
    (outside / "sub/secret").write_text("the host's own")
    name = created(host, volumes=("vol:/link/sub", "other:/link/new/one"))
    (own,) = (
        place for place in host.home.config.snapshots.iterdir() if (place / "work").exists() and place.name.isdigit()
    )
    (own / "fs/link").symlink_to(aim.format(outside=outside))  # as the container itself could have made it
    try:
        copy_in(host.engine, name, "/link/sub", tar(member("written", b"x")))
        assert (data(host, "vol") / "written").read_bytes() == b"x"
        assert set(members(host.engine, name, "/link/sub")) == {"sub", "sub/written"}
    except EngineError:
        assert aim.startswith("/proc")
    assert sorted(os.listdir(outside)) == ["sub"] and os.listdir(outside / "sub") == ["secret"]
    assert f"{outside}/" not in Path("/proc/self/mountinfo").read_text()


def mounted(place: Path) -> list[str]:
    """The host's mounts that have to do with `place`: other tests mount at the same time."""
    return [line for line in Path("/proc/self/mountinfo").read_text().splitlines() if str(place) in line]


def test_nothing_is_mounted_on_the_host(host: Host, shown: Path) -> None:
    before = mounted(shown)
    name = created(
        host, mounts=(f"type=bind,source={shown},target=/b,bind-propagation=rshared",), volumes=("vol:/b/v",)
    )
    copy_in(host.engine, name, "/b/v", tar(member("x", b"x")))
    assert content(host.engine, name, "/b/v/x") == b"x" and os.listdir(data(host, "vol")) == ["x"]
    assert mounted(shown) == before


def test_a_source_that_is_gone_fails_the_copy(host: Host, shown: Path) -> None:
    name = created(host, volumes=(f"{shown}:/home",))
    shown.rename(shown.parent / "aside")
    for copy in (
        lambda: host.engine.container_copy_out(name, "/home"),
        lambda: copy_in(host.engine, name, "/home", b""),
    ):
        with pytest.raises(Conflict, match=f"{shown} is not there: make it"):
            copy()
    assert "home/app" in layer(host, name)


def test_a_file_can_not_be_mounted_on_a_directory(host: Host, shown: Path) -> None:
    name = created(host, volumes=(f"{shown}/file:/home",))
    with pytest.raises(Conflict, match="nothing can be mounted at /home"):
        host.engine.container_copy_out(name, "/home")


def test_a_volume_that_is_a_file_system_of_its_own_is_mounted(host: Host) -> None:
    host.engine.volumes.create(VolumeSpec(name="memory", driver_opts={"type": "tmpfs", "o": "size=1m"}))
    name = created(host, volumes=("memory:/m",))
    copy_in(host.engine, name, "/m", tar(member("x", b"x")))
    assert os.path.ismount(data(host, "memory")) and (data(host, "memory") / "x").read_bytes() == b"x"
    assert content(host.engine, name, "/m/x") == b"x"


def test_one_that_can_not_be_mounted_is_never_taken_for_the_layer(host: Host) -> None:
    options = {"type": "nfs4", "device": ":/x", "o": "addr=no-such-server.invalid"}
    try:
        host.engine.volumes.create(VolumeSpec(name="far", driver_opts=options))
    except EngineError:
        pytest.skip("this kernel has no NFS")
    name = created(host, volumes=("far:/far",))
    with pytest.raises(EngineError, match="no-such-server"):
        copy_in(host.engine, name, "/far", tar(member("x", b"x")))
    assert "far/x" not in layer(host, name)


def test_a_volume_that_is_full_takes_nothing_more(host: Host) -> None:
    made = host.engine.volumes.create(VolumeSpec(name="small", driver_opts={"size": "1m"}))
    if made.quota != "counted":
        pytest.skip("here the kernel refuses what is too much")
    name = created(host, volumes=("small:/v",))
    copy_in(host.engine, name, "/v", tar(member("x", b"x" * (2 << 20))))
    host.engine.volumes.measure("small")
    with pytest.raises(ResourceExhausted, match="small"):
        host.engine.container_copy_in(name, "/v")
    copy_in(host.engine, name, "/home", tar(member("x", b"x")))
    assert len(content(host.engine, name, "/v/x")) == 2 << 20


def test_what_a_start_puts_in_memory_is_the_layers(host: Host) -> None:
    name = created(host, tmpfs=("/home",), mounts=("type=tmpfs,target=/srv2",))
    copy_in(host.engine, name, "/home", tar(member("x", b"x")))
    assert "home/x" in layer(host, name)


def test_a_volume_is_not_restored_while_it_is_copied_into(host: Host) -> None:
    """What was copied would be gone with the files that it was copied to, after success was told."""
    name = created(host, volumes=("vol:/data", "read:/read:ro"))
    copies = host.engine.volumes.copies
    for volume in ("vol", "read"):
        copies.snapshot(volume, "before")
    with host.engine.container_copy_in(name, "/data") as transfer:
        with pytest.raises(Conflict, match="vol is just being copied, written to"):
            copies.revert("vol", "before")
        copies.snapshot("vol", "meanwhile")
        transfer.close_stream()
        transfer.wait()
    copies.revert("vol", "before")


def test_nothing_is_copied_into_a_volume_that_is_being_restored(host: Host) -> None:
    name = created(host, volumes=("vol:/data",))
    volumes = host.engine.volumes
    with volumes.copies.replacing(volumes.get("vol"), stop=False):
        with pytest.raises(Conflict, match="try again when that has ended"):
            copy_in(host.engine, name, "/data", tar(member("new", b"x")))
    copy_in(host.engine, name, "/data", tar(member("new", b"x")))
    assert (data(host, "vol") / "new").read_bytes() == b"x"
