"""Volumes called otherwise, cloned, kept as snapshots and brought back.

A copy is made whole where nobody looks, is on the disk before it gets its name, and gets that in one step; a death
before leaves what the next recovery deletes. What is replaced goes after that step: nothing is ever missing.
"""

from __future__ import annotations

import contextlib
import os
import threading
import uuid
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from engine import quotas
from engine.archives import transfer
from engine.archives.request import COPY, Request
from engine.errors import AlreadyExists, Conflict, InvalidArgument, NotFound, Unsupported
from engine.options import mounts
from engine.options.volume_options import BIND, PLAIN
from engine.runtime import kernel
from engine.store.database import Store
from engine.volumes import guarding, mounting
from engine.volumes.filling import DATA, finish, settle, sync
from engine.volumes.holders import Holders
from engine.volumes.records import CREATED, RENAMED, UPDATED, Records
from engine.volumes.shelf import KEPT, STEADY, Shelf, is_held
from engine.volumes.sizes import Sizes, counted
from engine.volumes.volume import Volume, VolumeSpec

Progress = Callable[[int, int], None]
"""Entries and bytes that are done."""
SNAPSHOTS_MAXIMUM = 100


class Copies:
    """All of them raise NotFound for a volume that isn't there, Conflict for one that something else is done with.

    `by`: who asks, for `was_done`.
    """

    def __init__(self, store: Store, records: Records, shelf: Shelf, sizes: Sizes, holders: Holders) -> None:
        self._store, self._records, self._shelf, self._sizes = store, records, shelf, sizes
        self._holders = holders

    # ---- names

    def was_done(self, by: str, name: str, snapshot: str = "") -> bool:
        """Whether `by` (not empty) gave the volume, or this snapshot of it, its name."""
        return self._records.was_done(by, name, snapshot)

    def rename(self, name: str, new_name: str, *, by: str = "") -> Volume:
        """Only one that no container has: those know it by its name. Raises Conflict, AlreadyExists."""
        _check_name(new_name, "new_name")
        with self._shelf.steady(name, alone=True):
            with self._store.transaction():
                self._refuse_used(self._records.get(name))
                self._refuse_taken(new_name)
                self._records.begin_move(name, new_name)
            try:
                with self._store.transaction():
                    return self._renamed(name, new_name, by)
            except BaseException:
                with self._store.transaction():
                    self._settle_move(name, new_name)
                raise

    def _renamed(self, name: str, new_name: str, by: str) -> Volume:
        self._refuse_used(self._records.get(name))
        self._refuse_taken(new_name)
        for leftover in [new_name, *self._shelf.asides(new_name)]:
            self._shelf.discarded(leftover)
        os.rename(self._shelf.root / name, self._shelf.root / new_name)
        renamed = self._records.change(name, name=new_name, is_anonymous=False, done_by=by)
        self._records.end_move(name)
        self._records.news(RENAMED, renamed, old_name=name)
        return renamed

    def settle_moves(self) -> list[str]:
        """In a transaction: what was cut short between directory and record is undone."""
        done: list[str] = []
        for name, new_name in self._records.moves():
            is_going_on = any(is_held(self._shelf.root / one, STEADY) for one in (name, new_name))
            if not is_going_on:
                done += self._settle_move(name, new_name)
        return done

    def _settle_move(self, name: str, new_name: str) -> list[str]:
        old, new = self._shelf.root / name, self._shelf.root / new_name
        done = []
        if self._records.find(name) is not None and not old.exists() and new.exists():
            os.rename(new, old)
            done.append(f"put volume {name} back, which was to be called {new_name}")
        self._records.end_move(name)
        return done

    # ---- copies

    def clone(
        self,
        name: str,
        new_name: str,
        labels: Mapping[str, str] | None = None,
        *,
        pause: bool = False,
        by: str = "",
        progress: Progress | None = None,
        cancel: threading.Event | None = None,
    ) -> Volume:
        """Another volume with the same files. With `pause` its containers stand still meanwhile.

        Raises AlreadyExists, InvalidArgument, ResourceExhausted, Cancelled.
        """
        volume = self._records.get(name)
        limit = volume.driver_opts.get("size")
        spec = VolumeSpec(name=new_name, driver_opts={"size": limit} if limit else {}, labels=labels or {})
        spec.check()
        _check_name(new_name, "new_name")
        self._refuse_taken(new_name)
        with self._shelf.making() as made:
            with self._shelf.steady(name):
                self._copy(volume, made / DATA, pause=pause, progress=progress, cancel=cancel)
            with self._store.transaction():
                self._refuse_gone(volume)
                self._refuse_taken(new_name)
                clone = self.adopt(made, spec)
                self._records.change(clone.name, done_by=by)
        return self._sizes.measure(clone.name)

    def adopt(self, made: Path, spec: VolumeSpec) -> Volume:
        """In a transaction: what was made becomes a volume that is not there yet."""
        self._records.add(spec)
        for leftover in [spec.name, *self._shelf.asides(spec.name)]:
            self._shelf.discarded(leftover)
        os.rename(made, self._shelf.root / spec.name)
        limit = self._records.get(spec.name).kind.limit_bytes
        volume = self._sizes.allow(self._records.get(spec.name), limit)
        self._records.news(CREATED, volume)
        return volume

    def snapshot(
        self,
        name: str,
        snapshot: str,
        *,
        pause: bool = False,
        by: str = "",
        progress: Progress | None = None,
        cancel: threading.Event | None = None,
    ) -> Volume:
        """Keep its files as they are, in its own directory: they go when it is removed. Raises as `clone`."""
        _check_name(snapshot, "snapshot")
        volume = self._plain(name)
        if any(one.name == snapshot for one in volume.snapshots):
            raise AlreadyExists(f"volume {name} has a snapshot {snapshot} already: choose another name")
        if len(volume.snapshots) >= SNAPSHOTS_MAXIMUM:
            raise Conflict(f"volume {name} has {SNAPSHOTS_MAXIMUM} snapshots, and more are not kept: remove some")
        with self._shelf.steady(name):
            kept = self._shelf.root / name / KEPT
            kept.mkdir(mode=0o700, exist_ok=True)
            with self._shelf.making(above=kept) as made:
                self._copy(volume, made / DATA, pause=pause, progress=progress, cancel=cancel)
                size, identifier = counted(made / DATA).size_bytes, uuid.uuid4().hex
                with self._store.transaction():
                    self._refuse_gone(volume)
                    self._records.add_snapshot(name, snapshot, identifier, size, by)
                    os.rename(made, kept / identifier)
                    after = self._records.get(name)
                    self._records.news(UPDATED, after)
        return after

    def remove_snapshot(self, name: str, snapshot: str) -> Volume:
        """Raises NotFound."""
        with self._store.transaction():
            self._records.get(name)
            identifier = self._records.snapshot_id(name, snapshot)
            self._records.drop_snapshot(identifier)
            after = self._records.get(name)
            self._records.news(UPDATED, after)
        self._shelf.clear([self._shelf.root / name / KEPT / identifier])
        return after

    def revert(
        self,
        name: str,
        snapshot: str,
        *,
        stop: bool = False,
        progress: Progress | None = None,
        cancel: threading.Event | None = None,
    ) -> Volume:
        """Have its files as they were in a snapshot, which stays. Raises NotFound, Conflict: `replacing`, Cancelled."""
        volume = self._plain(name)
        identifier = self._records.snapshot_id(name, snapshot)
        with self.replacing(volume, stop=stop) as made:
            source = self._shelf.root / name / KEPT / identifier / DATA
            self._copy_tree(source, made, progress=progress, cancel=cancel)
        with self._store.transaction():
            self._records.tell("revert", name, snapshot=snapshot)
        return self._sizes.measure(name)

    @contextlib.contextmanager
    def replacing(self, volume: Volume, *, stop: bool) -> Iterator[Path]:
        """An empty directory to be filled, which then takes the place of the volume's files, in one step.

        Raises Conflict while a container runs with it, unless `stop`: then those are stopped once it is filled, and
        started afterwards.
        """
        name, place = volume.name, self._shelf.root / volume.name
        if not stop:
            self._refuse_running(volume)
        with self._shelf.steady(name, alone=True), self._shelf.making(above=place) as made:
            target = made / DATA
            target.mkdir(mode=0o755)
            if volume.project:
                quotas.mark_new(target, volume.project)
            yield target
            self._sizes.room(volume, counted(target).size_bytes)
            sync(target)
            stopped = self._holders.running(self._records.users(name)) if stop else ()
            self._holders.stop(stopped)
            try:
                with self._holders.still(self._records.users(name)), self._shelf.locked(name):
                    self._refuse_gone(volume)
                    self._refuse_running(self._records.get(name))
                    finish(place)  # else what an image was about to put in would come later
                    self._exchange(place, made)
            finally:
                self._holders.start(stopped)

    def source(self, volume: Volume) -> int:
        """The directory that its files are in, open; what is to be mounted is. Raises Unavailable, NotFound."""
        with self._shelf.locked(volume.name) as place:
            finish(place)
            mounting.mount(volume.kind, place / DATA)
            path = Path(volume.kind.device) if volume.kind.name == BIND else place / DATA
            try:
                if volume.kind.root:
                    return guarding.directory_beneath(self._shelf.root.parent, volume.kind)
                return os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
            except OSError as error:
                raise NotFound(f"the files of volume {volume.name} are not there: {error.strerror}") from error

    def set_apart(self, volume: Volume, target: Path, *, cancel: threading.Event | None) -> None:
        """Copy its files while its containers stand still, to be read in peace afterwards."""
        self._copy(volume, target, pause=True, progress=None, cancel=cancel)

    @contextlib.contextmanager
    def standing(self, volume: Volume, *, pause: bool) -> Iterator[None]:
        """With `pause` the containers that have it do nothing meanwhile."""
        with self._holders.still(self._records.users(volume.name) if pause else ()):
            yield

    def _exchange(self, place: Path, made: Path) -> None:
        directory = os.open(place, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            kernel.exchange(directory, f"{made.name}/{DATA}", DATA)
            os.fsync(directory)
        except OSError as error:
            raise Unsupported(f"this file system can't put other files in place in one step: {error}") from error
        finally:
            os.close(directory)

    def _copy(
        self, volume: Volume, target: Path, *, pause: bool, progress: Progress | None, cancel: threading.Event | None
    ) -> None:
        target.mkdir(mode=0o755)
        source = self.source(volume)
        try:
            with self.standing(volume, pause=pause):
                _copied(source, target, progress=progress, cancel=cancel)
        finally:
            os.close(source)
        sync(target)
        settle(target.parent)

    def _copy_tree(
        self, path: Path, target: Path, *, progress: Progress | None, cancel: threading.Event | None
    ) -> None:
        source = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            _copied(source, target, progress=progress, cancel=cancel)
        finally:
            os.close(source)

    # ---- what can't be

    def _plain(self, name: str) -> Volume:
        volume = self._records.get(name)
        if volume.kind.name != PLAIN:
            raise Unsupported(
                f"volume {name} lies elsewhere, where nothing can be kept for it: clone it, or back it up",
                {"volume": name},
            )
        return volume

    def _refuse_used(self, volume: Volume) -> None:
        if volume.used_by:
            raise Conflict(
                f"volume {volume.name} is used by {self._called(volume)}: a container knows it by its name, so "
                "clone it instead, or remove the container first",
                {"volume": volume.name},
            )

    def _refuse_running(self, volume: Volume) -> None:
        running = self._holders.running(volume.used_by)
        if running:
            raise Conflict(
                f"volume {volume.name} is in use by {self._called(volume)}: stop it first, or ask for it to be stopped",
                {"volume": volume.name},
            )

    def _refuse_taken(self, name: str) -> None:
        if self._records.find(name) is not None:
            raise AlreadyExists(f"a volume {name} is there already: choose another name", {"field": "new_name"})

    def _refuse_gone(self, volume: Volume) -> None:
        if self._records.get(volume.name).created_at != volume.created_at:
            raise NotFound(f"volume {volume.name} was removed meanwhile", {"volume": volume.name})

    def _called(self, volume: Volume) -> str:
        names = {container_id: name for name, container_id in self._holders.names().items()}
        return ", ".join(names.get(user, user[:12]) for user in volume.used_by[:5])


def _check_name(name: str, field: str) -> None:
    if not mounts.NAME.fullmatch(name):
        raise InvalidArgument(
            f"{field}: use 2 to 128 letters, digits, '_', '.' and '-', beginning with a letter or digit",
            {"field": field},
        )


def _copied(source: int, target: Path, *, progress: Progress | None, cancel: threading.Event | None) -> None:
    aim = os.open(target, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        with transfer.begin(Request(action=COPY, root=source, target=aim)) as copying:
            copying.wait(progress, cancel)
    finally:
        os.close(aim)
