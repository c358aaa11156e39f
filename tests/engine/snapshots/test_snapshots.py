"""Layers are committed once and stacked by chain id; containers get directories of their own on top."""

from __future__ import annotations

import os
import sqlite3
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from engine.config import EngineConfig
from engine.errors import Conflict, NotFound, ResourceExhausted
from engine.oci.digest import Digest, chain_ids
from engine.snapshots.service import Snapshots
from engine.store.database import Store

pytestmark = pytest.mark.root
A, B, C = (Digest.of(name) for name in (b"a", b"b", b"c"))


@pytest.fixture
def snapshots(tmp_path: Path) -> Snapshots:
    config = EngineConfig(home=tmp_path)
    return Snapshots(config, Store(config.database))


def commit(snapshots: Snapshots, diff_id: Digest, **files: str) -> None:
    with snapshots.stage() as directory:
        for name, content in files.items():
            (directory / name).write_text(content)
        snapshots.commit_layer(directory, diff_id, 10)


def numbers(tmp_path: Path) -> list[str]:
    return sorted(os.listdir(tmp_path / "snapshots"))


def test_layers_mount_in_order_with_the_containers_own_on_top(snapshots: Snapshots, tmp_path: Path) -> None:
    commit(snapshots, A, both="lower", lower="a")
    commit(snapshots, B, both="upper")
    snapshots.record_chain([A, B])
    overlay = snapshots.prepare("box", chain_ids([A, B])[-1])
    target = tmp_path / "merged"
    target.mkdir()
    options = f"lowerdir={':'.join(overlay.lowerdirs)},upperdir={overlay.upperdir},workdir={overlay.workdir}"
    subprocess.run(["mount", "-t", "overlay", "overlay", "-o", options, target], check=True)
    try:
        assert (target / "both").read_text() == "upper"
        assert (target / "lower").read_text() == "a"
        (target / "new").write_text("mine" * 5000)
        assert (Path(overlay.upperdir) / "new").exists()
    finally:
        subprocess.run(["umount", target], check=True)
    assert snapshots.usage("box").disk >= 20_000
    assert all(len(path) - len(str(tmp_path)) < 20 for path in overlay.lowerdirs)


def test_a_transaction_that_fails_leaves_no_directory(tmp_path: Path) -> None:
    """Once the directory has got its name."""
    config = EngineConfig(home=tmp_path)
    store = Store(config.database)
    snapshots = Snapshots(config, store)
    commit(snapshots, A)
    before = numbers(tmp_path)
    for work in (lambda: commit(snapshots, B, some="file"), lambda: snapshots.prepare("box", chain_ids([A])[-1])):
        with pytest.raises(KeyError), store.transaction():
            snapshots.record_chain([A])
            work()
            assert numbers(tmp_path) != before
            raise KeyError
        assert numbers(tmp_path) == before
        assert os.listdir(tmp_path / "snapshots" / "staging") == []


@pytest.fixture
def small(tmp_path: Path) -> Iterator[Path]:
    """A home on a disk of 2 MB."""
    home = tmp_path / "small"
    home.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", home], check=True)
    yield home
    subprocess.run(["umount", "-l", home], check=True)


def fill(home: Path) -> None:
    """Leave the disk no byte."""
    with (home / "filler").open("ab", buffering=0) as file, pytest.raises(OSError, match="No space left"):
        while file.write(bytes(4096)):
            pass


def test_a_commit_for_which_the_disk_has_no_room_leaves_no_directory(
    small: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """SQLite ends such a transaction itself, before anybody can take back what belongs to it."""
    config = EngineConfig(home=small)
    store = Store(config.database)
    snapshots = Snapshots(config, store)
    commit(snapshots, A)
    before = numbers(small)
    move = snapshots._move

    def move_and_fill(source: Path, number: int) -> None:
        move(source, number)
        assert numbers(small) != before
        fill(small)

    monkeypatch.setattr(snapshots, "_move", move_and_fill)
    with pytest.raises(ResourceExhausted, match="remove images"):
        commit(snapshots, B, some="file")
    assert numbers(small) == before
    assert os.listdir(small / "snapshots" / "staging") == []
    store.close()


def test_what_another_has_put_in_the_place_of_a_failed_transaction_stays(
    small: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = EngineConfig(home=small)
    store = Store(config.database)
    snapshots = Snapshots(config, store)
    roll_back = store._roll_back

    def others_come_first(connection: sqlite3.Connection) -> None:
        assert not connection.in_transaction
        (small / "filler").unlink()
        other = Store(config.database)
        commit(Snapshots(config, other), B, theirs="")
        other.close()
        roll_back(connection)

    monkeypatch.setattr(store, "_roll_back", others_come_first)
    move = snapshots._move
    monkeypatch.setattr(snapshots, "_move", lambda *where: (move(*where), fill(small)))
    with pytest.raises(ResourceExhausted):
        commit(snapshots, A, ours="")
    assert os.listdir(snapshots.layer_directory(B)) == ["theirs"]
    assert not snapshots.has_layer(A)
    store.close()


def test_preparing_again_gives_the_same_and_other_layers_a_conflict(snapshots: Snapshots) -> None:
    commit(snapshots, A)
    commit(snapshots, B)
    snapshots.record_chain([A])
    snapshots.record_chain([B])
    overlay = snapshots.prepare("box", A)
    assert snapshots.prepare("box", A) == snapshots.overlay("box") == overlay
    assert snapshots.keys() == ["box"]
    with pytest.raises(Conflict):
        snapshots.prepare("box", B)
    snapshots.remove("box")
    snapshots.remove("box")
    assert not Path(overlay.upperdir).exists()
    with pytest.raises(NotFound):
        snapshots.overlay("box")


def test_an_image_without_layers_stands_on_an_empty_directory(snapshots: Snapshots) -> None:
    for key, chain in (("one", ""), ("two", None)):
        assert os.listdir(snapshots.prepare(key, chain).lowerdirs[0]) == []


def test_an_unknown_chain_or_an_absent_layer_is_not_found(snapshots: Snapshots) -> None:
    with pytest.raises(NotFound, match="pull the image again"):
        snapshots.prepare("box", A)
    with pytest.raises(NotFound):
        snapshots.record_chain([A])
    assert snapshots.keys() == []


def test_the_containers_root_has_the_images_mode(snapshots: Snapshots) -> None:
    with snapshots.stage() as directory:
        directory.chmod(0o711)
        os.chown(directory, 5, 6)
        snapshots.commit_layer(directory, A, 0)
    snapshots.record_chain([A])
    status = os.stat(snapshots.prepare("box", A).upperdir)
    assert (status.st_mode & 0o7777, status.st_uid, status.st_gid) == (0o711, 5, 6)


def test_who_commits_a_layer_second_throws_his_away(snapshots: Snapshots, tmp_path: Path) -> None:
    commit(snapshots, A, who="first")
    commit(snapshots, A, who="second")
    snapshots.record_chain([A])
    assert Path(snapshots.prepare("box", A).lowerdirs[0], "who").read_text() == "first"
    assert os.listdir(tmp_path / "snapshots/staging") == []


def test_what_is_not_wanted_is_collected_but_not_below_a_container(snapshots: Snapshots, tmp_path: Path) -> None:
    for diff_id in (A, B, C):
        commit(snapshots, diff_id)
    snapshots.record_chain([A, B])
    snapshots.prepare("box", chain_ids([A, B])[-1])
    assert len(snapshots.collect([])) == 1
    assert snapshots.has_layer(A)
    assert snapshots.has_layer(B)
    assert not snapshots.has_layer(C)
    snapshots.remove("box")
    assert len(snapshots.collect([A])) == 1
    assert snapshots.has_layer(A)


def test_recovery_removes_what_has_no_owner_and_spares_work_in_progress(snapshots: Snapshots, tmp_path: Path) -> None:
    commit(snapshots, A)
    root = tmp_path / "snapshots"
    (root / "staging/dead/fs").mkdir(parents=True)
    (root / "77/fs").mkdir(parents=True)
    with snapshots.stage() as busy:
        snapshots.recover()
        assert busy.exists()
    assert numbers(tmp_path) == ["1", "empty", "staging"]
    assert os.listdir(root / "staging") == []
    os.rename(root / "1", tmp_path / "gone")
    snapshots.recover()
    assert not snapshots.has_layer(A)


def test_a_leftover_of_a_rolled_back_commit_is_no_obstacle(snapshots: Snapshots, tmp_path: Path) -> None:
    (tmp_path / "snapshots/1/fs").mkdir(parents=True)
    commit(snapshots, A, new="new")
    assert os.listdir(tmp_path / "snapshots/1/fs") == ["new"]


def test_what_is_taken_away_is_forgotten_at_once_and_deleted_when_there_is_time(
    snapshots: Snapshots, tmp_path: Path
) -> None:
    for key in ("one", "two"):
        (Path(snapshots.prepare(key, None).upperdir) / "file").write_text("x")
    delete = snapshots.take_away("one")
    assert snapshots.keys() == ["two"]
    staging = tmp_path / "snapshots/staging"
    assert [path.name for path in staging.rglob("file")] == ["file"]
    delete()
    assert os.listdir(staging) == []
    snapshots.take_away("two")  # and who would delete it dies
    snapshots.recover()
    assert os.listdir(staging) == []
    snapshots.take_away("two")()  # is no error


def test_layers_of_other_images_stay_as_long_as_who_has_them_mounted(snapshots: Snapshots) -> None:
    for digest in (A, B, C):
        commit(snapshots, digest)
    snapshots.record_chain([A])
    snapshots.record_chain([B, C])
    snapshots.prepare("box", chain_ids([A])[-1])
    for _ in range(2):  # a creation that is completed after a power cut does it again
        snapshots.hold("box", [chain_ids([B, C])[-1], chain_ids([B])[-1]])
    with pytest.raises(NotFound):
        snapshots.hold("box", ["sha256:" + "0" * 64])
    assert snapshots.collect(()) == {}
    assert [snapshots.standing_on(digest) for digest in (A, B, C)] == [["box"]] * 3
    assert len(snapshots.readable(chain_ids([B, C])[-1]).lowerdirs) == 2
    snapshots.remove("box")
    assert len(snapshots.collect(())) == 3
    assert snapshots.standing_on(B) == []
