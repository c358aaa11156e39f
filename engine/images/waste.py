"""What an image carries in vain: files that later layers overwrite or delete. They are pulled and stored all the same.

The efficiency is dive's measure: of each path, the size of its smallest copy by that of all copies, summed over all
paths; a deletion counts as a copy without bytes. (dive looks at a deleted directory as one file; here it is each of its
files.) Source: github.com/wagoodman/dive, filetree/efficiency.go.
"""

from __future__ import annotations

import functools
import heapq
import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from engine.images import layer_tree as tree
from engine.trees import walk

ENTRIES = 1_000_000
FILES = 1000


@dataclass(frozen=True, slots=True)
class WastedFile:
    """`size_bytes` of the copies that nobody sees, `count` of them. `path` as in `LayerFile`."""

    path: str
    size_bytes: int
    count: int


@dataclass(frozen=True, slots=True)
class Waste:
    """`files` are the largest, at most a thousand; `is_cut`: there were too many files to look at all of them."""

    wasted_bytes: int
    efficiency: float
    files: tuple[WastedFile, ...]
    is_cut: bool = False


@dataclass(slots=True)
class _Node:
    """A name in the stack of layers so far; `size` is None when nothing is there, or a directory is."""

    below: dict[bytes, _Node] = field(default_factory=dict)
    size: int | None = None
    smallest: int = -1
    total: int = 0
    wasted: int = 0
    count: int = 0

    def put(self, size: int) -> None:
        """One more copy."""
        self.hide()
        self.size = size
        self.total += size
        self.smallest = size if self.smallest < 0 else min(size, self.smallest)

    def hide(self) -> None:
        """What was there is seen no more."""
        if self.size is not None:
            self.wasted += self.size
            self.count += 1
            self.size = None

    def delete(self) -> None:
        """It, and all below it."""
        pending = [self]
        while pending:
            node = pending.pop()
            if node.size is not None:
                node.hide()
                node.smallest = 0
            pending += node.below.values()

    def at(self, path: bytes) -> _Node:
        node = self
        for part in path.split(b"/") if path else ():
            node = node.below.setdefault(part, _Node())
        return node


@functools.lru_cache(maxsize=32)
def waste(layers: tuple[Path, ...]) -> Waste:
    """Look through the layers, from the lowest up. Raises OSError for one that is not there.

    Layers don't change, and their directories' numbers are not given again: the answer is remembered.
    """
    root, left = _Node(), ENTRIES
    for layer in layers:
        left = _stack(root, layer, left)
    smallest = total = wasted = 0
    found: list[tuple[int, bytes, int]] = []
    for path, node in _leaves(root):
        smallest, total, wasted = smallest + max(0, node.smallest), total + node.total, wasted + node.wasted
        if node.wasted:
            (heapq.heappush if len(found) < FILES else heapq.heappushpop)(found, (node.wasted, path, node.count))
    files = [WastedFile(tree.shown(path), size, count) for size, path, count in sorted(found, reverse=True)]
    return Waste(wasted, smallest / total if total else 1.0, tuple(files), left <= 0)


def _stack(root: _Node, layer: Path, left: int) -> int:
    """Put one layer onto the others; gives how many entries may still be looked at."""
    seen: set[int] = set()
    for path, descriptor, entries in walk(layer):
        if left <= 0:
            break
        left -= len(entries)
        here = root.at(path)
        if tree.is_opaque(descriptor):
            for node in here.below.values():
                node.delete()
        for name, facts in entries.items():
            _take(here.below.setdefault(name, _Node()), facts, seen)
    return left


def _take(node: _Node, facts: os.stat_result, seen: set[int]) -> None:
    if tree.is_whiteout(facts):
        node.delete()
    elif tree.is_directory(facts):
        if node.size is not None:
            node.delete()
    else:
        for below in node.below.values():
            below.delete()
        node.put(0 if facts.st_ino in seen else tree.size_of(facts))
        if facts.st_nlink > 1:  # a second name takes no space
            seen.add(facts.st_ino)


def _leaves(root: _Node) -> Iterator[tuple[bytes, _Node]]:
    pending = [(b"", root)]
    while pending:
        path, node = pending.pop()
        if node.total or node.wasted:
            yield path, node
        pending += [(path + b"/" + name, below) for name, below in node.below.items()]
