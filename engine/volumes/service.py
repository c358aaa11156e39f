"""The volumes of one home: made, used, listed, removed and pruned."""

from __future__ import annotations

import contextlib
import functools
import os
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from engine.config import EngineConfig
from engine.errors import Conflict, InvalidArgument
from engine.options import volume_options
from engine.options.labels import are_meant
from engine.options.volume_options import BIND, PLAIN
from engine.store.database import Store
from engine.store.journal import Journal
from engine.trees import disk_bytes
from engine.volumes import filling, guarding, mounting
from engine.volumes.copies import Copies
from engine.volumes.filling import DATA
from engine.volumes.holders import Holders
from engine.volumes.records import CREATED, Records
from engine.volumes.shelf import Shelf
from engine.volumes.sizes import Sizes
from engine.volumes.volume import Volume, VolumeSpec

if TYPE_CHECKING:
    from engine.volumes.backups.service import Backups
    from engine.volumes.files.service import VolumeFiles


@dataclass(frozen=True, slots=True, kw_only=True)
class PruneRules:
    """What `prune` takes of those that nobody uses: anonymous ones, or with `all` those with a name too.

    `labels`: NAME or NAME=VALUE that it has to have, all of them; `not_labels`: it stays if it has all of these.
    """

    all: bool = False
    labels: tuple[str, ...] = ()
    not_labels: tuple[str, ...] = ()

    def match(self, volume: Volume) -> bool:
        """Whether it may go, if nobody uses it."""
        if not self.all and not volume.is_anonymous:
            return False
        return are_meant(volume.labels, self.labels, self.not_labels)


@dataclass(frozen=True, slots=True)
class PruneReport:
    """Names, in their order, and the bytes that were given back."""

    removed: tuple[str, ...]
    reclaimed_bytes: int


class Volumes:
    """Safe for threads, and for several processes on the same home."""

    def __init__(self, config: EngineConfig, store: Store, journal: Journal, holders: Holders) -> None:
        self._config, self._store, self._holders = config, store, holders
        self._root = config.volumes
        self._shelf = Shelf(self._root)
        self._records = Records(store, journal, self._root)
        self._sizes = Sizes(store, self._records, self._shelf, holders, config.tag)
        self.copies = Copies(store, self._records, self._shelf, self._sizes, holders)

    @functools.cached_property
    def backups(self) -> Backups:
        """Brought away and back. Loaded when it is asked for: who only starts containers does without."""
        from engine.volumes.backups.service import Backups

        return Backups(
            home=self._config.home, store=self._store, records=self._records, shelf=self._shelf, sizes=self._sizes,
            copies=self.copies,
        )  # fmt: skip

    @functools.cached_property
    def files(self) -> VolumeFiles:
        """What lies in them, to be looked at and changed by people."""
        from engine.volumes.files.service import VolumeFiles  # those who only start and remove containers do without

        return VolumeFiles(self._config.home, self.get, self.make_ready, self._sizes.refuse_over)

    # ---- for people

    def create(self, spec: VolumeSpec) -> Volume:
        """Make it; the same again gives what is there. Raises InvalidArgument, Unsupported, AlreadyExists."""
        self._check(spec)
        with self._store.transaction():
            return self._made(spec)[0]

    def get(self, name: str) -> Volume:
        """Raises NotFound."""
        return self._records.get(name)

    def list(self) -> Sequence[Volume]:
        return self._records.all()

    def size(self, name: str) -> int:
        """Bytes on the disk of what is in it; it looks at every file. 0 for what lies elsewhere. Raises NotFound."""
        volume = self.get(name)
        return disk_bytes(volume.mountpoint) if volume.kind.name != BIND else 0

    def measure(self, name: str) -> Volume:
        """Look how much is in it now. Raises NotFound."""
        return self._sizes.measure(name)

    def measure_due(self) -> Sequence[str]:
        """Look at those that were not for a while; to be called often. Never takes much of a processor's time."""
        return self._sizes.measure_due()

    def limit(self, name: str, limit_bytes: int | None) -> Volume:
        """Let it hold so much from now on; None: as much as there is. Raises NotFound, InvalidArgument."""
        return self._sizes.limit(name, limit_bytes)

    def remove(self, name: str, *, force: bool = False) -> None:
        """Delete it with all that is in it; with `force` it is no error if it isn't there.

        Raises NotFound, and Conflict with the names of the containers that have it.
        """
        with self._store.transaction():
            volume = self._records.find(name) if force else self._records.get(name)
            if volume is None:
                return
            self._refuse_used(volume)
            gone = self._take(volume)
        self._shelf.clear([gone])

    def prune(self, rules: PruneRules) -> PruneReport:
        """Delete what `rules` name and nobody uses."""
        sizes, gone = 0, []
        unused = [volume for volume in self._records.all() if not volume.used_by and rules.match(volume)]
        removed = []
        for volume in unused:
            size = self.size(volume.name)
            with self._store.transaction():
                current = self._records.find(volume.name)
                if current is None or current.used_by or current.created_at != volume.created_at:
                    continue
                gone.append(self._take(current))
            removed.append(volume.name)
            sizes += size
        self._shelf.clear(gone)
        with self._store.transaction():
            self._records.tell("prune", "", reclaimed=sizes)
        return PruneReport(tuple(removed), sizes)

    # ---- for containers

    def acquire(self, container_id: str, specs: Sequence[VolumeSpec]) -> Sequence[Volume]:
        """Make what isn't there, and have nobody remove any of them until `release`. Raises as `create`."""
        for spec in specs:
            self._check(spec)
        found = []
        with self._store.transaction():
            for spec in specs:
                volume, is_new = self._made(spec)
                self._records.use(volume.name, container_id, made=is_new)
                found.append(volume)
        return found

    def keep(self, container_id: str) -> None:
        """In the transaction that completes the container: its volumes don't depend on its creation any more."""
        with self._store.transaction():
            self._records.keep(container_id)

    def release(self, container_id: str, *, anonymous: bool = False) -> None:
        """It is gone, or was never completed: then what was made for it goes too. Nothing happens the second time.

        `anonymous`: those without a name go with the last container that had them.
        """
        gone = []
        with self._store.transaction():
            names = self._records.of_container(container_id)
            doomed = set(self._records.made_for(container_id))
            self._records.leave(container_id)
            for name in names:
                volume = self._records.get(name)
                if not volume.used_by and (name in doomed or (anonymous and volume.is_anonymous)):
                    gone.append(self._take(volume))
        self._shelf.clear(gone)

    def fill(self, name: str, layers: dict[str, Any], target: str) -> None:
        """Give an empty one what an image's `layers` have at `target`; one that lies elsewhere stays as it is."""
        volume = self.get(name)
        if volume.kind.name == PLAIN:
            with self._shelf.locked(name) as place:
                filling.fill(place, layers, target, volume.project)

    def make_ready(self, name: str, *, writable: bool = True) -> None:
        """Before a container with it starts: what was cut short is finished, what is to be mounted is.

        Raises ResourceExhausted for one that holds more than it may, and is `writable` for the container.
        """
        volume = self.get(name)
        with self._shelf.locked(name) as place:
            filling.finish(place)
            mounting.mount(volume.kind, place / DATA)
        if writable:
            self._sizes.refuse_over(volume)

    def steady(self, name: str) -> AbstractContextManager[None]:
        """Who writes to it from without has nobody put other files in its place meanwhile, which would lose them.

        Raises NotFound, and Conflict while that is just being done.
        """
        return self._shelf.steady(name)

    def source(self, name: str) -> str:
        """The directory that is bound: its own, or the host's that it stands for."""
        volume = self.get(name)
        return volume.kind.device if volume.kind.name == BIND else volume.mountpoint

    # ---- after a crash

    def recover(self, containers: Callable[[str], bool]) -> Sequence[str]:
        """Finish or undo what was cut short. `containers` tells whether one is there, or just being created."""
        done: list[str] = []
        for container_id in self._records.containers():
            if not containers(container_id):
                self.release(container_id)
                done.append(f"released the volumes of container {container_id[:12]}, which is gone")
        with self._store.transaction():
            done += self.copies.settle_moves()
            known = {volume.name for volume in self._records.all()}
            for name in known:
                if self._lay_out(name):
                    done.append(f"put volume {name} back, whose removal was cut short")
            gone = [self._shelf.discarded(entry) for entry in os.listdir(self._root) if entry not in known]
            half = [place for name in known for place in self._shelf.tidied(name, self._records.snapshot_ids(name))]
        self._shelf.clear([place for place in (*gone, *half) if place is not None])
        return done

    # ---- inside

    def _check(self, spec: VolumeSpec) -> None:
        spec.check()
        if self._records.find(spec.name) is not None:
            return
        kind = volume_options.read(spec.driver_opts)
        mounting.require(kind)
        if kind.name == BIND:
            if kind.root:
                os.close(guarding.open_beneath(self._config.home, kind.root, kind.device, "driver_opts"))
            else:
                guarding.refuse_own(self._config.home, kind.device, "driver_opts")
            if not os.path.isdir(kind.device):
                raise InvalidArgument(
                    f"driver_opts: device {kind.device} is no directory on the host: make it, or name another one",
                    {"field": "driver_opts"},
                )

    def _made(self, spec: VolumeSpec) -> tuple[Volume, bool]:
        """In a transaction."""
        self.copies.settle_moves()
        volume, is_new = self._records.add(spec)
        for leftover in [volume.name, *self._shelf.asides(volume.name)] if is_new else ():  # of another of this name
            self._shelf.discarded(leftover)
        self._lay_out(volume.name)
        if is_new:
            volume = self._sizes.begin(volume)
            self._records.news(CREATED, volume)
        return volume, is_new

    def _lay_out(self, name: str) -> bool:
        """In a transaction: its directory is there afterwards. True if a removal was cut short, and is undone."""
        place: Path = self._root / name
        asides: Sequence[str] = ()
        if not place.exists():
            asides = self._shelf.asides(name)
            if asides:
                os.rename(self._root / asides[0], place)
        os.makedirs(place, 0o700, exist_ok=True)
        with contextlib.suppress(FileExistsError):
            os.mkdir(place / DATA, 0o755)
            os.chmod(place / DATA, 0o755)  # noqa: S103 - whatever the umask is; the home is closed
        return bool(asides)

    def _take(self, volume: Volume) -> Path:
        """In a transaction, of which this is the last: the directory goes out of everybody's way."""
        self._records.drop(volume)
        self._sizes.end(volume)
        return self._shelf.take_away(volume.name)

    def _refuse_used(self, volume: Volume) -> None:
        if volume.used_by:
            called = {container_id: name for name, container_id in self._holders.names().items()}
            shown = [called.get(user, user[:12]) for user in volume.used_by]
            raise Conflict(
                f"volume {volume.name} is used by {', '.join(shown[:5])}{' and others' if shown[5:] else ''}: "
                "remove the container first",
                {"volume": volume.name, "containers": shown[:100]},
            )
