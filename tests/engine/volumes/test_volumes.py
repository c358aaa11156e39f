"""Volumes without containers: names, uses, removal, prune, and deaths in between."""

from __future__ import annotations

import os
from pathlib import Path
from unittest.mock import Mock

import pytest

from engine.errors import AlreadyExists, Conflict, EngineError, InvalidArgument, NotFound, PermissionDenied, Unsupported
from engine.volumes import filling, records, shelf
from engine.volumes.service import PruneRules
from engine.volumes.volume import VolumeSpec
from tests.engine.volumes.place import NAMES, Place
from worker.contract import events


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


def test_the_same_again_gives_what_is_there_and_another_one_is_refused(place: Place) -> None:
    made = place.volumes.create(VolumeSpec(name="data", labels={"a": "b"}))
    assert place.volumes.create(VolumeSpec(name="data")) == made
    assert place.volumes.create(VolumeSpec(name="data", labels={"a": "b"})) == made
    with pytest.raises(AlreadyExists, match="other labels"):
        place.volumes.create(VolumeSpec(name="data", labels={"a": "c"}))
    assert os.listdir(made.mountpoint) == []
    assert place.told() == [(events.VOLUME_CREATED, "data")]
    assert len(place.volumes.create(VolumeSpec()).name) == 64


@pytest.mark.parametrize(
    ("changes", "family", "words"),
    [
        ({"name": "../x"}, InvalidArgument, "letters"),
        ({"name": ".hidden"}, InvalidArgument, "letters"),
        ({"driver": "nfs"}, InvalidArgument, "no volume driver"),
        ({"driver_opts": {"many": "1"}}, InvalidArgument, "type, device, o and size"),
        ({"driver_opts": {"size": "1"}}, InvalidArgument, "64k is the least"),
        ({"driver_opts": {"size": "1g", "type": "tmpfs"}}, InvalidArgument, "o=size"),
        ({"driver_opts": {"type": "ext4", "device": "/dev/sda"}}, InvalidArgument, "not supported"),
        ({"driver_opts": {"type": "none", "o": "bind", "device": "/no/such"}}, InvalidArgument, "no directory"),
        ({"driver_opts": {"type": "none", "o": "bind", "device": "/proc/1"}}, PermissionDenied, "kernel"),
        ({"driver_opts": {"type": "none", "o": "bind", "device": "/"}}, PermissionDenied, "Portside's own"),
        ({"driver_opts": {"type": "tmpfs", "o": "uid=x"}}, InvalidArgument, "no option of a tmpfs"),
    ],
)
def test_what_can_not_be_is_refused(
    place: Place, changes: dict[str, object], family: type[EngineError], words: str
) -> None:
    with pytest.raises(family, match=words):
        place.volumes.create(VolumeSpec(**{"name": "data", **changes}))  # type: ignore[arg-type]
    assert place.names() == []


def test_the_home_is_no_volume_by_way_of_a_link_either(place: Place, tmp_path: Path) -> None:
    link = tmp_path.parent / f"{tmp_path.name}-link"
    link.symlink_to(tmp_path)
    with pytest.raises(PermissionDenied, match="Portside's own"):
        place.volumes.create(
            VolumeSpec(name="data", driver_opts={"type": "none", "o": "bind", "device": f"{link}/volumes"})
        )


def test_a_file_server_needs_a_kernel_that_knows_it(place: Place) -> None:
    if "nfs4" in Path("/proc/filesystems").read_text():
        pytest.skip("this kernel knows NFS")
    with pytest.raises(Unsupported, match="no nfs4"):
        place.volumes.create(
            VolumeSpec(name="data", driver_opts={"type": "nfs4", "device": ":/x", "o": "addr=192.0.2.1"})
        )


def test_what_is_used_stays_and_says_by_whom(place: Place) -> None:
    place.volumes.acquire(NAMES["web"], [VolumeSpec(name="data"), VolumeSpec()])
    place.volumes.keep(NAMES["web"])
    with pytest.raises(Conflict, match="used by web") as refused:
        place.volumes.remove("data", force=True)
    assert refused.value.detail["containers"] == ["web"]
    assert place.volumes.prune(PruneRules(all=True)).removed == ()
    anonymous = next(volume.name for volume in place.volumes.list() if volume.is_anonymous)
    place.volumes.release(NAMES["web"])
    assert sorted(place.names()) == sorted(["data", anonymous])
    place.volumes.remove("data")
    assert place.names() == place.on_disk() == [anonymous]
    place.volumes.remove("data", force=True)
    with pytest.raises(NotFound, match="no volume data"):
        place.volumes.remove("data")
    assert (events.VOLUME_REMOVED, "data") in place.told()


def test_those_without_a_name_go_with_their_last_container_if_that_is_asked(place: Place) -> None:
    one, other = "1" * 64, "2" * 64
    (shared,) = place.volumes.acquire(one, [VolumeSpec()])
    place.volumes.acquire(other, [VolumeSpec(name=shared.name), VolumeSpec(name="data")])
    for container_id in (one, other):
        place.volumes.keep(container_id)
    place.volumes.release(one, anonymous=True)
    assert shared.name in place.names()
    place.volumes.release(other, anonymous=True)
    assert place.names() == ["data"]


def test_prune_takes_the_anonymous_and_with_all_the_others_by_their_labels(place: Place) -> None:
    unnamed = place.volumes.create(VolumeSpec())
    (Path(unnamed.mountpoint) / "file").write_bytes(b"x" * 10_000)
    for name, labels in (("keep", {"stage": "live"}), ("old", {"stage": "test"})):
        place.volumes.create(VolumeSpec(name=name, labels=labels))
    report = place.volumes.prune(PruneRules())
    assert report.removed == (unnamed.name,)
    assert report.reclaimed_bytes >= 10_000
    assert place.volumes.prune(PruneRules(all=True, labels=("stage=test",))).removed == ("old",)
    assert place.volumes.prune(PruneRules(all=True, not_labels=("stage=live",))).removed == ()
    place.volumes.create(VolumeSpec(name="bare"))
    assert place.volumes.prune(PruneRules(all=True, not_labels=("stage",))).removed == ("bare",)
    assert place.names() == place.on_disk() == ["keep"]


def test_what_was_made_for_a_container_that_never_came_to_be_goes_with_it(place: Place) -> None:
    place.volumes.create(VolumeSpec(name="data"))
    place.volumes.acquire("3" * 64, [VolumeSpec(name="data"), VolumeSpec(name="new"), VolumeSpec()])
    assert place.volumes.recover(lambda container_id: True) == []
    assert len(place.names()) == 3
    place.volumes.recover(lambda container_id: False)
    assert place.names() == place.on_disk() == ["data"]


def test_a_removal_that_dies_before_its_commit_takes_nothing_away(place: Place) -> None:
    made = place.volumes.create(VolumeSpec(name="data"))
    (Path(made.mountpoint) / "file").write_text("kept")

    class Killed(BaseException):
        pass

    with pytest.raises(Killed), place.store.transaction():
        place.volumes._take(made)
        raise Killed
    assert place.on_disk() != ["data"], "the directory is aside"
    again = Place(place.root.parent)
    assert again.volumes.recover(lambda _: True) == ["put volume data back, whose removal was cut short"]
    assert (Path(made.mountpoint) / "file").read_text() == "kept"
    assert again.on_disk() == ["data"]


def test_a_removal_that_dies_after_its_commit_is_finished(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    made = place.volumes.create(VolumeSpec(name="data"))
    (Path(made.mountpoint) / "file").write_text("old")
    with monkeypatch.context() as patch:
        patch.setattr(shelf, "delete_tree", Mock(side_effect=KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            place.volumes.remove("data")
    assert place.names() == []
    new = place.volumes.create(VolumeSpec(name="data"))
    assert os.listdir(new.mountpoint) == [], "another volume of this name has nothing of the old one's"
    place.volumes.recover(lambda _: True)
    assert place.on_disk() == ["data"]


def test_a_filling_that_dies_leaves_nothing_or_all(place: Place) -> None:
    made = place.volumes.create(VolumeSpec(name="data"))
    directory = place.root / "data"
    (directory / filling.FILLING).mkdir()
    (directory / filling.FILLING / "half").write_text("half")
    place.volumes.make_ready("data")
    assert os.listdir(made.mountpoint) == []
    (directory / filling.FILLED).mkdir(mode=0o750)
    for name in ("one", "two"):
        (directory / filling.FILLED / name).write_text(name)
    place.volumes.make_ready("data")
    assert sorted(os.listdir(made.mountpoint)) == ["one", "two"]
    assert os.stat(made.mountpoint).st_mode & 0o777 == 0o750
    assert sorted(os.listdir(directory)) == ["_data", "lock"]


def test_it_speaks_the_contracts_words() -> None:
    assert (records.CREATED, records.REMOVED, records.ACTION) == (
        events.VOLUME_CREATED,
        events.VOLUME_REMOVED,
        events.ACTION_DONE,
    )
    assert (records.MEASURED, records.UPDATED, records.RENAMED) == (
        events.VOLUME_MEASURED,
        events.VOLUME_UPDATED,
        events.VOLUME_RENAMED,
    )
