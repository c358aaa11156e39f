"""Which files a layer adds, changes and deletes, a directory at a time, beside the layers below it."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from engine.errors import NotFound
from engine.images import layer_tree as tree
from engine.trees import walk

ADDED, CHANGED, DELETED = "added", "changed", "deleted"
LIMIT = 10_000
_COUNTED = 500_000


@dataclass(frozen=True, slots=True)
class LayerFile:
    """`path` from the image's root, with bytes that are no text escaped; `type` as `engine.containers.changes` has it.

    `size_bytes`: of a file; of a directory, all that the layer has below it; of what is deleted, what the layers below
    had there.
    """

    path: str
    change: str
    type: str
    size_bytes: int


@dataclass(frozen=True, slots=True)
class LayerFiles:
    """`more`: there are more than were asked for."""

    layer: str
    path: str
    files: tuple[LayerFile, ...]
    more: bool


def layer_files(layers: Sequence[Path], layer: str, path: str, limit: int) -> LayerFiles:
    """What `layers[-1]` does to what is right below `path`, in the order of names; `layers` from the lowest up.

    `layer` is its name, for the answer. Raises `NotFound` where neither it nor those below have such a directory.
    """
    with contextlib.ExitStack() as held:
        place = _Place.top(layers, held)
        for part in filter(None, path.split("/")):
            place = place.below(part, held)
        base = "/" + "".join(f"{part}/" for part in filter(None, path.split("/")))
        wanted = max(1, min(limit, LIMIT))
        found = list(islice(place.files(base), wanted + 1))
    return LayerFiles(layer, path, tuple(found[:wanted]), len(found) > wanted)


class _Place:
    """A directory in the layer (None where the layer hasn't it) and in those below that show it, the highest first."""

    def __init__(self, own: int | None, lower: Sequence[int], *, hides: bool) -> None:
        self._own = own
        self._lower = lower
        self._hides = hides

    @classmethod
    def top(cls, layers: Sequence[Path], held: contextlib.ExitStack) -> _Place:
        own, *lower = [held.enter_context(tree.opened(str(layer))) for layer in reversed(layers)]
        return cls(own, lower, hides=tree.is_opaque(own))

    def below(self, part: str, held: contextlib.ExitStack) -> _Place:
        """Raises `NotFound`."""
        name = next((name for name in self._names() if tree.shown(name) == part), None)
        facts = None if name is None or self._own is None else tree.look(name, self._own)
        own, hides, lower = None, self._hides, list[int]()
        if name is not None and facts is not None and tree.is_directory(facts):
            assert self._own is not None
            own = held.enter_context(tree.opened(name, self._own))
            hides = hides or tree.is_opaque(own)
        elif facts is not None:
            hides = True
        if name is not None:
            for directory in self._lower:
                found = tree.look(name, directory)
                if found is None:
                    continue
                if not tree.is_directory(found):
                    break
                lower.append(held.enter_context(tree.opened(name, directory)))
                if tree.is_opaque(lower[-1]):
                    break
        if own is None and not lower:
            raise NotFound(f"there is no directory {part[:200]!r} in this layer", {"path": part[:200]})
        return _Place(own, lower, hides=hides)

    def _names(self) -> list[bytes]:
        """All names in it, of the layer and of those below."""
        own = [] if self._own is None else [self._own]
        return sorted({os.fsencode(name) for directory in (*own, *self._lower) for name in os.listdir(directory)})

    def files(self, base: str) -> Iterator[LayerFile]:
        """The changes, by name."""
        own = set() if self._own is None else {os.fsencode(name) for name in os.listdir(self._own)}
        for name in self._names() if self._hides else sorted(own):
            path = base + tree.shown(name)
            facts = tree.look(name, self._own) if self._own is not None else None
            before = self._before(name)
            if facts is None or tree.is_whiteout(facts):
                is_deleted = before is not None and (facts is not None or self._hides)
                if is_deleted and before is not None:
                    yield LayerFile(path, DELETED, tree.type_of(before[0]), _bytes(name, before[1], before[0]))
                continue
            assert self._own is not None
            change = ADDED if before is None else CHANGED
            yield LayerFile(path, change, tree.type_of(facts), _bytes(name, self._own, facts))

    def _before(self, name: bytes) -> tuple[os.stat_result, int] | None:
        """What those below show under the name, and in which directory."""
        for directory in self._lower:
            found = tree.look(name, directory)
            if found is not None:
                return None if tree.is_whiteout(found) else (found, directory)
        return None


def _bytes(name: bytes, directory: int, facts: os.stat_result) -> int:
    if not tree.is_directory(facts):
        return tree.size_of(facts)
    total, count, seen = 0, 0, set()
    try:
        # The kernel leads from the descriptor to the directory that it stands for.
        for _, _, entries in walk(f"/proc/self/fd/{directory}/{os.fsdecode(name)}"):
            count += len(entries)
            for found in entries.values():
                if found.st_ino not in seen:
                    total += tree.size_of(found)
                if found.st_nlink > 1:
                    seen.add(found.st_ino)
            if count > _COUNTED:
                break
    except OSError:
        return 0
    return total
