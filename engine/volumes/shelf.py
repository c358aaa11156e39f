"""Where volumes lie: their directories, their locks, and what is on its way out.

volumes/<name>/…        a volume's
volumes/.made-…         one that is being made, with a lock of its own: nobody else's while that is held
volumes/.removed-…      one that is being removed
volumes/.trash-…        to be deleted by whoever finds it
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import uuid
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path

from engine.errors import Conflict, NotFound
from engine.trees import delete_tree
from engine.volumes import mounting
from engine.volumes.filling import DATA

MADE, REMOVED, TRASH = ".made-", ".removed-", ".trash-"
LOCK, STEADY, KEPT = "lock", "steady", "kept"


class Shelf:
    """The directory of all volumes."""

    def __init__(self, root: Path) -> None:
        self.root = root
        root.mkdir(mode=0o700, parents=True, exist_ok=True)
        # A set-user-id program in a volume is its containers' affair: nobody on the host may come near it.
        root.chmod(0o700)

    def data(self, name: str) -> Path:
        """What containers see of it."""
        return self.root / name / DATA

    @contextlib.contextmanager
    def locked(self, name: str) -> Iterator[Path]:
        """Alone with a volume's directory, which is given. Raises NotFound."""
        place = self.root / name
        try:
            descriptor = os.open(place / LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except FileNotFoundError:
            raise NotFound(f"volume {name} is gone", {"volume": name}) from None
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            if not _is_at(descriptor, place / LOCK):
                raise NotFound(f"volume {name} is gone, or called otherwise now", {"volume": name})
            yield place
        finally:
            os.close(descriptor)

    @contextlib.contextmanager
    def steady(self, name: str, *, alone: bool = False) -> Iterator[None]:
        """Its files stay the files of this volume meanwhile: any number read them, or one puts others there (`alone`).

        Raises NotFound, and Conflict when that is not to be had.
        """
        try:
            descriptor = os.open(self.root / name / STEADY, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except FileNotFoundError:
            raise NotFound(f"volume {name} is gone", {"volume": name}) from None
        try:
            fcntl.flock(descriptor, (fcntl.LOCK_EX if alone else fcntl.LOCK_SH) | fcntl.LOCK_NB)
        except BlockingIOError as error:
            os.close(descriptor)
            raise Conflict(
                f"volume {name} is just being copied, written to, backed up or restored: try again when that has ended",
                {"volume": name},
            ) from error
        try:
            yield
        finally:
            os.close(descriptor)

    @contextlib.contextmanager
    def making(self, prefix: str = MADE, above: Path | None = None) -> Iterator[Path]:
        """A directory that nobody knows; it is deleted at the end, or after a death, unless it was renamed."""
        place = (above or self.root) / f"{prefix}{uuid.uuid4().hex}"
        place.mkdir(mode=0o700)
        descriptor = os.open(place / LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield place
        finally:
            os.close(descriptor)
            delete_tree(place)

    def discarded(self, entry: str) -> Path | None:
        """Nobody looks for it any more; it is deleted by `clear`, or by the next recovery. None: it is being made."""
        if entry.startswith(MADE) and is_held(self.root / entry):
            return None
        mounting.unmount(self.data(entry))
        trash = self.root / f"{TRASH}{uuid.uuid4().hex}"
        with contextlib.suppress(FileNotFoundError):
            os.rename(self.root / entry, trash)
        return trash

    def tidied(self, name: str, kept: Collection[str]) -> Sequence[Path]:
        """What in a volume's directory belongs to nobody: half-made copies, snapshots of no record. As `discarded`."""
        found = []
        for place in (self.root / name, self.root / name / KEPT):
            with contextlib.suppress(FileNotFoundError):
                for entry in os.listdir(place):
                    is_made = entry.startswith(MADE)
                    if (is_made or (place.name == KEPT and entry not in kept)) and not is_held(place / entry):
                        found.append(place / entry)
        return found

    def clear(self, places: Sequence[Path]) -> None:
        """Delete what is out of everybody's way."""
        for place in places:
            trash = self.root / f"{TRASH}{uuid.uuid4().hex}"
            with contextlib.suppress(FileNotFoundError):
                os.rename(place, trash)
                delete_tree(trash)

    def take_away(self, name: str) -> Path:
        """The directory of a volume goes out of everybody's way; `asides` finds it again."""
        mounting.unmount(self.data(name))
        aside = self.root / f"{REMOVED}{uuid.uuid4().hex[:12]}-{name}"
        with contextlib.suppress(FileNotFoundError):
            os.rename(self.root / name, aside)
        return aside

    def asides(self, name: str) -> Sequence[str]:
        """What `take_away` has made of a directory, and nobody has deleted yet."""
        return [
            entry for entry in os.listdir(self.root) if entry.startswith(REMOVED) and entry.split("-", 2)[2] == name
        ]


def is_held(place: Path, lock: str = LOCK) -> bool:
    """Whether somebody works in a directory that has a lock."""
    try:
        descriptor = os.open(place / lock, os.O_RDWR | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    else:
        return False
    finally:
        os.close(descriptor)


def _is_at(descriptor: int, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(descriptor), os.stat(path))
    except FileNotFoundError:
        return False
