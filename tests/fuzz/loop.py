"""A small coverage-guided fuzzer: inputs that reach new lines are kept, and changed further.

It watches which lines of some modules follow one another (sys.settrace), as AFL does with branches. An input is a
finding when the target raises anything but what it may raise, or when it does far more work than its size explains:
work is counted in lines, not in seconds, so that a slow machine finds the same as a fast one.
"""

from __future__ import annotations

import os
import random
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from types import CodeType, FrameType
from typing import Any

Target = Callable[[bytes], object]
_MAX_CORPUS = 4000
_LINES_FREE, _LINES_PER_BYTE = 20_000, 200
_NUMBERS = (b"0", b"-1", b"1", b"00", b"9" * 19, b"9" * 40, b"18446744073709551616", b"1e9", b"0x10", b"-0", b"1_0")
_BYTES = (0, 1, 9, 10, 32, 46, 47, 48, 55, 56, 127, 128, 255)


class TooMuchWork(Exception):
    """The target does not come to an end within what the input's size explains."""


@dataclass(slots=True)
class Finding:
    data: bytes
    error: BaseException

    @property
    def summary(self) -> str:
        return f"{type(self.error).__name__}: {self.error} for {self.data[:200]!r}"


@dataclass(slots=True)
class Report:
    """`runs` inputs were tried, `edges` pairs of lines seen, `corpus` inputs kept."""

    runs: int = 0
    edges: int = 0
    corpus: list[bytes] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)


class Watch:
    """Runs a target and tells the pairs of lines it went through, in files below `roots`."""

    def __init__(self, target: Target, roots: Sequence[str]) -> None:
        self._target = target
        self._roots = tuple(os.path.realpath(root) for root in roots)
        self._interesting: dict[CodeType, bool] = {}
        self._edges: set[int] = set()
        self._left = 0

    def run(self, data: bytes) -> set[int]:
        """The edges. Raises what the target raises, and `TooMuchWork`."""
        self._edges = set()
        self._left = _LINES_FREE + _LINES_PER_BYTE * len(data)
        before = sys.gettrace()
        sys.settrace(self._called)
        try:
            self._target(data)
        finally:
            sys.settrace(before)
        return self._edges

    def _called(self, frame: FrameType, event: str, argument: Any) -> Any:
        code = frame.f_code
        wanted = self._interesting.get(code)
        if wanted is None:
            wanted = self._interesting[code] = os.path.realpath(code.co_filename).startswith(self._roots)
        if not wanted:
            return None
        base = id(code) << 24
        last = 0

        def step(frame: FrameType, event: str, argument: Any) -> Any:
            nonlocal last
            if event == "line":
                line = frame.f_lineno
                self._edges.add(base ^ (last << 12) ^ line)
                last = line
                self._left -= 1
                if self._left < 0:
                    raise TooMuchWork
            return step

        return step


@dataclass(slots=True)
class Mutator:
    """Changes inputs at random: bytes, pieces, decimal numbers, and words that the format knows."""

    chance: random.Random
    words: Sequence[bytes]
    max_bytes: int

    def mutate(self, data: bytes, other: bytes) -> bytes:
        changed = bytearray(data)
        for _ in range(1 << self.chance.randrange(4)):
            self.chance.choice(_CHANGES)(self, changed, other)
        del changed[self.max_bytes :]
        return bytes(changed)

    def _at(self, data: bytearray) -> int:
        return self.chance.randrange(len(data) + 1)

    def _piece(self, data: bytes | bytearray) -> slice:
        start = self.chance.randrange(len(data) + 1)
        return slice(start, start + self.chance.choice((1, 2, 4, 8, 12, 64, 512)))

    def flip(self, data: bytearray, other: bytes) -> None:
        if data:
            data[self.chance.randrange(len(data))] ^= 1 << self.chance.randrange(8)

    def set(self, data: bytearray, other: bytes) -> None:
        if data:
            value = self.chance.choice(_BYTES) if self.chance.random() < 0.5 else self.chance.randrange(256)
            data[self.chance.randrange(len(data))] = value

    def remove(self, data: bytearray, other: bytes) -> None:
        del data[self._piece(data)]

    def double(self, data: bytearray, other: bytes) -> None:
        piece, at = bytes(data[self._piece(data)]), self._at(data)
        data[at:at] = piece

    def overwrite(self, data: bytearray, other: bytes) -> None:
        piece, at = other[self._piece(other)], self._at(data)
        data[at : at + len(piece)] = piece

    def splice(self, data: bytearray, other: bytes) -> None:
        at = self._at(data)
        data[at:] = other[min(at, len(other)) :] if self.chance.random() < 0.5 else other[self._at(bytearray(other)) :]

    def word(self, data: bytearray, other: bytes) -> None:
        word, at = self.chance.choice(self.words or _NUMBERS), self._at(data)
        data[at : at + (len(word) if self.chance.random() < 0.5 else 0)] = word

    def number(self, data: bytearray, other: bytes) -> None:
        digits = [at for at, byte in enumerate(data) if 48 <= byte <= 57]
        if digits:
            start = end = self.chance.choice(digits)
            while end < len(data) and 48 <= data[end] <= 57:
                end += 1
            data[start:end] = self.chance.choice((*_NUMBERS, b"%d" % self.chance.randrange(10_000)))

    def swap(self, data: bytearray, other: bytes) -> None:
        blocks = len(data) // 512
        if blocks > 1:
            one, two = (slice(n * 512, n * 512 + 512) for n in self.chance.sample(range(blocks), 2))
            data[one], data[two] = data[two], data[one]


_CHANGES: tuple[Callable[[Mutator, bytearray, bytes], None], ...] = (
    Mutator.flip, Mutator.set, Mutator.set, Mutator.remove, Mutator.double, Mutator.overwrite, Mutator.splice,
    Mutator.word, Mutator.word, Mutator.number, Mutator.swap,
)  # fmt: skip


def explore(
    target: Target,
    seeds: Sequence[bytes],
    *,
    roots: Sequence[str],
    allowed: type[BaseException] | tuple[type[BaseException], ...],
    seconds: float,
    seed: int,
    words: Sequence[bytes] = (),
    change: Callable[[bytes, random.Random], bytes] | None = None,
    max_bytes: int = 8192,
) -> Report:
    """Change `seeds` for `seconds`: half of the time byte by byte, half by `change`, which knows the format."""
    chance = random.Random(seed)
    mutator = Mutator(chance, words, max_bytes)
    watch = Watch(target, roots)
    report, seen, raised = Report(), set[int](), set[str]()

    def attempt(data: bytes) -> None:
        report.runs += 1
        error: BaseException | None = None
        try:
            watch.run(data)
        except allowed:
            pass
        except Exception as caught:  # this is what is looked for
            error = caught
        new = watch._edges - seen
        seen.update(new)
        if error is not None and (new or repr(error) not in raised):
            raised.add(repr(error))
            report.findings.append(Finding(data, error))
        elif new and len(report.corpus) < _MAX_CORPUS:
            report.corpus.append(data)

    for data in seeds:
        attempt(data)
    report.corpus = report.corpus or list(seeds)
    end = time.monotonic() + seconds
    while time.monotonic() < end and len(report.findings) < 20:
        for _ in range(20):
            # What came last has led somewhere new, and is looked at more often.
            start = chance.choice(report.corpus[-50:] if chance.random() < 0.5 else report.corpus)
            if change is not None and chance.random() < 0.5:
                attempt(change(start, chance)[:max_bytes])
            else:
                attempt(mutator.mutate(start, chance.choice(report.corpus)))
    report.edges = len(seen)
    return report
