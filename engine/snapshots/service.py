"""The snapshotter: stage → commit a layer, prepare → remove a container's file system."""

from __future__ import annotations

import contextlib
import fcntl
import os
import stat
from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from engine.config import EngineConfig
from engine.errors import Conflict, NotFound
from engine.oci.digest import Digest, chain_ids
from engine.snapshots.limits import Limits
from engine.snapshots.spread import is_crowded
from engine.snapshots.staging import Staging
from engine.store.database import Store
from engine.trees import Sizes, delete_tree, file_sizes

SCHEMA = [
    """
    CREATE TABLE snapshot (
        number INTEGER PRIMARY KEY AUTOINCREMENT,
        diff_id TEXT UNIQUE,
        key TEXT UNIQUE,
        chain_id TEXT,
        size_bytes INTEGER NOT NULL DEFAULT 0
    );
    CREATE TABLE chain (chain_id TEXT PRIMARY KEY, parent TEXT, diff_id TEXT NOT NULL)
    """,
    "CREATE TABLE kept_layer (diff_id TEXT NOT NULL, keeper TEXT NOT NULL, PRIMARY KEY (diff_id, keeper))",
    # Of images that a container has mounted beside the one that its own files stand on.
    "CREATE TABLE mounted_chain (key TEXT NOT NULL, chain_id TEXT NOT NULL, PRIMARY KEY (key, chain_id))",
    # The number that the kernel counts a container's own files by, 0 without a limit.
    "ALTER TABLE snapshot ADD COLUMN project INTEGER NOT NULL DEFAULT 0",
    "ALTER TABLE snapshot ADD COLUMN limit_bytes INTEGER",
]
_USED_CHAINS = "SELECT key, chain_id FROM snapshot WHERE key IS NOT NULL UNION SELECT key, chain_id FROM mounted_chain"
_STAGING = "staging"
_EMPTY = "empty"
_PLACES = 4


class SnapshotMissing(NotFound):
    """No such snapshot."""


@dataclass(frozen=True, slots=True)
class Overlay:
    """What to mount: absolute paths, the top layer first."""

    lowerdirs: tuple[str, ...]
    upperdir: str
    workdir: str


class Snapshots:
    """All snapshots of one home."""

    def __init__(self, config: EngineConfig, store: Store) -> None:
        self._root = config.snapshots
        self._store = store
        self._root.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.staging = Staging(self._root / _STAGING)
        (self._root / _EMPTY / "fs").mkdir(parents=True, exist_ok=True)
        store.ensure("snapshots", SCHEMA)
        self._limits = Limits(self._root, config.tag)

    # Layers

    def has_layer(self, diff_id: str) -> bool:
        """Whether the layer is committed."""
        return self._number("diff_id", diff_id) is not None

    def layer_size(self, diff_id: str) -> int:
        """Bytes of the layer's files. Raises `SnapshotMissing`."""
        row = (
            self._store.connection().execute("SELECT size_bytes FROM snapshot WHERE diff_id = ?", (diff_id,)).fetchone()
        )
        if row is None:
            raise SnapshotMissing(f"layer {diff_id} is not on this host: pull its image again")
        return int(row["size_bytes"])

    def layer_directory(self, diff_id: str) -> Path:
        """Where the layer's files are; to be read only. Raises `SnapshotMissing`."""
        number = self._number("diff_id", diff_id)
        if number is None:
            raise SnapshotMissing(f"layer {diff_id} is not on this host: pull its image again")
        return self._root / str(number) / "fs"

    def layer_sizes(self, diff_ids: Collection[str] | None = None) -> dict[str, int]:
        """Diff id → bytes of the layer's files, of all layers or of those of `diff_ids` that are here."""
        rows = self._store.connection().execute("SELECT diff_id, size_bytes FROM snapshot WHERE diff_id IS NOT NULL")
        wanted = None if diff_ids is None else set(diff_ids)
        return {row["diff_id"]: row["size_bytes"] for row in rows if wanted is None or row["diff_id"] in wanted}

    @contextlib.contextmanager
    def stage(self) -> Iterator[Path]:
        """An empty directory to fill with a layer's files, for `commit_layer`; removed with the block if not committed.

        It is locked (flock) while its maker lives, so that `recover` knows leftovers from work in progress.
        """
        for _ in range(_PLACES - 1):
            with self.staging.new() as files:
                if not is_crowded(files):
                    yield files
                    return
        with self.staging.new() as files:
            yield files

    def commit_layer(self, staged: Path, diff_id: str, size_bytes: int) -> None:
        """Make the staged files the layer `diff_id`. Somebody else's commit of the same layer before ours is fine."""
        with self._store.transaction() as connection:
            if self.has_layer(diff_id):
                return
            cursor = connection.execute(
                "INSERT INTO snapshot (diff_id, size_bytes) VALUES (?, ?)", (diff_id, size_bytes)
            )
            assert cursor.lastrowid is not None
            self._move(staged.parent, cursor.lastrowid)

    def replace_layer(self, staged: Path, diff_id: str, size_bytes: int) -> None:
        """Put the staged files in the place of a layer that is damaged, or of one that is lost.

        Who has mounted it keeps the old ones as far as they are there, and they go: nothing may run on them.
        """
        with self._store.transaction() as connection:
            old = self._number("diff_id", diff_id)
            connection.execute("DELETE FROM snapshot WHERE diff_id = ?", (diff_id,))
            self.commit_layer(staged, diff_id, size_bytes)
        self.clear([] if old is None else [old])

    def standing_on(self, diff_id: str) -> list[str]:
        """Keys of the active snapshots that have the layer below them, or mounted."""
        found: dict[str, None] = {}
        for row in self._store.connection().execute(_USED_CHAINS).fetchall():
            with contextlib.suppress(SnapshotMissing):
                if diff_id in self._diff_ids(row["chain_id"]):
                    found[row["key"]] = None
        return list(found)

    def record_chain(self, diff_ids: Collection[Digest]) -> None:
        """Remember the stack of layers behind each of its chain ids. Raises `SnapshotMissing` for an absent layer."""
        diffs = list(diff_ids)
        with self._store.transaction() as connection:
            for diff_id in diffs:
                self.layer_size(diff_id)
            parent: str | None = None
            for chain_id, diff_id in zip(chain_ids(diffs), diffs, strict=True):
                connection.execute("INSERT OR IGNORE INTO chain VALUES (?, ?, ?)", (chain_id, parent, diff_id))
                parent = chain_id

    # Containers

    def prepare(self, key: str, chain_id: str | None, *, limit_bytes: int | None = None, mark: str = "") -> Overlay:
        """Make the writable directories for `key` on the image's layers (None or "" for an image without layers).

        `mark`: an empty file in them. No more than `limit_bytes` will fit. Asking again gives the same. Raises
        `SnapshotMissing` for an unknown chain, `Conflict` for a key on another, `Unsupported` where nothing is limited.
        """
        chain_id = chain_id or ""
        with self._store.transaction() as connection:
            lower = self._lowerdirs(chain_id)
            row = connection.execute("SELECT * FROM snapshot WHERE key = ?", (key,)).fetchone()
            if row is not None:
                if row["chain_id"] != chain_id:
                    raise Conflict(f"snapshot {key} exists on other layers: remove it first")
                return self._overlay(lower, row["number"])
            cursor = connection.execute("INSERT INTO snapshot (key, chain_id) VALUES (?, ?)", (key, chain_id))
            assert cursor.lastrowid is not None
            with self.staging.writable(mark) as upper:
                # The merged root takes its mode and owner from the upper directory.
                root = os.stat(lower[0])
                os.chown(upper, root.st_uid, root.st_gid)
                upper.chmod(stat.S_IMODE(root.st_mode))
                if limit_bytes is not None:
                    self._limit(upper.parent, cursor.lastrowid, limit_bytes)
                self._move(upper.parent, cursor.lastrowid)
            return self._overlay(lower, cursor.lastrowid)

    def make_ahead(self, mark: str) -> bool:
        """One more directory for `prepare`, and whether there was need of one. Raises OSError."""
        return self.staging.make_ahead(mark)

    def require_limits(self) -> None:
        """Raises `Unsupported`, with what to do, where `prepare` could limit nothing."""
        self._limits.require()

    @contextlib.contextmanager
    def room_to_mount(self, key: str) -> Iterator[None]:
        """While its overlay is mounted; afterwards the kernel holds its limit, if it has one. Raises `Unsupported`."""
        query = "SELECT project, limit_bytes FROM snapshot WHERE key = ? AND project"
        row = self._store.connection().execute(query, (key,)).fetchone()
        with contextlib.nullcontext() if row is None else self._limits.widened(*row):
            yield

    def hold(self, key: str, image_chain_ids: Collection[str]) -> None:
        """Let the layers of further images stay until the snapshot `key` is removed. Raises `SnapshotMissing`."""
        with self._store.transaction() as connection:
            for chain_id in image_chain_ids:
                self._lowerdirs(chain_id)
                connection.execute("INSERT OR IGNORE INTO mounted_chain VALUES (?, ?)", (key, chain_id))

    def overlay(self, key: str) -> Overlay:
        """What `prepare` made for `key`. Raises `SnapshotMissing`."""
        row = self._store.connection().execute("SELECT * FROM snapshot WHERE key = ?", (key,)).fetchone()
        if row is None:
            raise SnapshotMissing(f"there is no snapshot {key}")
        return self._overlay(self._lowerdirs(row["chain_id"]), row["number"])

    def readable(self, image_chain_id: str) -> Overlay:
        """An image's layers alone, for a mount that can only be read. Raises `SnapshotMissing`."""
        empty = self._root / _EMPTY
        return Overlay(self._lowerdirs(image_chain_id), str(empty / "fs"), str(empty / "work"))

    def remove(self, key: str) -> None:
        """Delete the container's own files; nothing happens when there are none."""
        self.take_away(key)()

    def take_away(self, key: str) -> Callable[[], None]:
        """Forget the container's own files; what it returns deletes them, which may take long and be done later.

        Whoever dies in between leaves them to `recover`.
        """
        with self._store.transaction() as connection:
            connection.execute("DELETE FROM mounted_chain WHERE key = ?", (key,))
            row = connection.execute("SELECT number, project FROM snapshot WHERE key = ?", (key,)).fetchone()
            if row is None:
                return lambda: None
            number = row["number"]
            self._limits.end(row["project"])
            connection.execute("DELETE FROM snapshot WHERE number = ?", (number,))
        trash = self._discard(number)
        return lambda: delete_tree(trash)

    def usage(self, key: str) -> Sizes:
        """Of the files that the container wrote, without directories. Raises `SnapshotMissing`."""
        return file_sizes(self.overlay(key).upperdir)

    def keys(self) -> list[str]:
        """Keys of all active snapshots."""
        rows = self._store.connection().execute("SELECT key FROM snapshot WHERE key IS NOT NULL ORDER BY number")
        return [row["key"] for row in rows]

    # Garbage

    def keep_layer(self, diff_id: str, keeper: str) -> None:
        """Let a layer stay although no image has it, until `keeper` (any name) lets go of it."""
        with self._store.transaction() as connection:
            connection.execute("INSERT OR IGNORE INTO kept_layer VALUES (?, ?)", (diff_id, keeper))

    def let_layer_go(self, diff_id: str, keeper: str) -> None:
        """`keeper` needs it no more; the next collection may take it."""
        with self._store.transaction() as connection:
            connection.execute("DELETE FROM kept_layer WHERE diff_id = ? AND keeper = ?", (diff_id, keeper))

    def collect(self, wanted: Collection[str]) -> dict[int, int]:
        """Forget layers that are neither wanted (diff ids), kept nor of an active snapshot: number → bytes of each.

        Call it inside the transaction that found out what is wanted, and `clear` after that is committed: numbers are
        not given twice, so a directory without a record is in nobody's way, but a record needs its directory.
        """
        keep = set(wanted)
        dropped: dict[int, int] = {}
        with self._store.transaction() as connection:
            keep.update(row["diff_id"] for row in connection.execute("SELECT DISTINCT diff_id FROM kept_layer"))
            for chain_id in {row["chain_id"] for row in connection.execute(_USED_CHAINS).fetchall()}:
                keep.update(self._diff_ids(chain_id))
            for row in connection.execute("SELECT * FROM snapshot WHERE diff_id IS NOT NULL").fetchall():
                if row["diff_id"] not in keep:
                    connection.execute("DELETE FROM snapshot WHERE number = ?", (row["number"],))
                    connection.execute("DELETE FROM chain WHERE diff_id = ?", (row["diff_id"],))
                    dropped[row["number"]] = row["size_bytes"]
        return dropped

    def clear(self, numbers: Iterable[int]) -> None:
        """Delete the directories of what was forgotten."""
        for number in numbers:
            delete_tree(self._discard(number))

    def recover(self) -> None:
        """Delete what killed processes left: staged files without a maker, directories without a record."""
        for directory in self.staging.directory.iterdir():
            with contextlib.suppress(OSError):
                descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
                try:
                    fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    self._limits.clear(directory / "fs", self._projects())
                    delete_tree(directory)
                finally:
                    os.close(descriptor)
        with self._store.transaction() as connection:
            rows = connection.execute("SELECT number, project FROM snapshot").fetchall()
            known = {str(row["number"]): row["project"] for row in rows}
            there = {entry.name for entry in self._root.iterdir() if entry.name.isdigit()}
            for number in known.keys() - there:
                self._limits.end(known[number])
                connection.execute("DELETE FROM snapshot WHERE number = ?", (number,))
            # In here: the number of a transaction that was rolled back may be given again right after.
            for number in there - known.keys():
                self._limits.clear(self._root / number / "fs", self._projects())
            trash = [self._discard(int(number)) for number in there - known.keys()]
        for directory in trash:
            delete_tree(directory)

    # Inside

    def _limit(self, directory: Path, number: int, limit_bytes: int) -> None:
        """In a transaction: the directories of a new snapshot get a project of their own."""
        self._limits.require()
        project = self._limits.free(number, self._projects())
        self._store.before_rollback(lambda: self._limits.end(project))
        self._limits.begin([directory / "fs", directory / "work"], project, limit_bytes)
        query = "UPDATE snapshot SET project = ?, limit_bytes = ? WHERE number = ?"
        self._store.connection().execute(query, (project, limit_bytes, number))

    def _projects(self) -> set[int]:
        rows = self._store.connection().execute("SELECT project FROM snapshot WHERE project")
        return {row["project"] for row in rows}

    def _number(self, column: str, value: str) -> int | None:
        query = f"SELECT number FROM snapshot WHERE {column} = ?"  # noqa: S608  (one of two names of our own)
        row = self._store.connection().execute(query, (value,)).fetchone()
        return int(row["number"]) if row else None

    def _diff_ids(self, chain_id: str) -> list[str]:
        """The layers of a chain, the top one first."""
        found: list[str] = []
        current: str | None = chain_id
        while current:
            row = self._store.connection().execute("SELECT * FROM chain WHERE chain_id = ?", (current,)).fetchone()
            if row is None:
                raise SnapshotMissing("the image's layers are not on this host: pull the image again")
            found.append(row["diff_id"])
            current = row["parent"]
        return found

    def _lowerdirs(self, chain_id: str) -> tuple[str, ...]:
        numbers = [self._number("diff_id", diff_id) for diff_id in self._diff_ids(chain_id)]
        if None in numbers:
            raise SnapshotMissing("a layer of the image is not on this host: pull the image again")
        # Overlayfs takes no directory twice; of a layer that an image has twice, the upper one hides all of the lower.
        distinct = dict.fromkeys(numbers)
        return tuple(f"{self._root}/{number}/fs" for number in distinct) or (f"{self._root}/{_EMPTY}/fs",)

    def _overlay(self, lower: tuple[str, ...], number: int) -> Overlay:
        own = f"{self._root}/{number}"
        return Overlay(lower, f"{own}/fs", f"{own}/work")

    def _move(self, source: Path, number: int) -> None:
        """Rename within a transaction, and delete it if that fails; what a killed one left is in the way at most.

        The number of a transaction that failed may be another's by then, and what has its name.
        """
        target = self._root / str(number)
        if target.exists():
            target.rename(self.staging.name())
        source.rename(target)
        ours = _identity(target)

        def take_back() -> None:
            if _identity(target) == ours:
                delete_tree(self._discard(number))

        self._store.before_rollback(take_back)
        target.chmod(0o700)

    def _discard(self, number: int) -> Path:
        trash = self.staging.name()
        with contextlib.suppress(FileNotFoundError):
            (self._root / str(number)).rename(trash)
        return trash


def _identity(directory: Path) -> tuple[int, int] | None:
    """What no other directory of this name has; None if there is none. An inode's number may be given again."""
    try:
        found = directory.stat()
    except FileNotFoundError:
        return None
    return found.st_ino, found.st_mtime_ns
