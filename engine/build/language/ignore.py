"""`.dockerignore`: which paths of a build context are left out (moby/patternmatcher, as BuildKit walks with it).

A line is a pattern; `#` at its very beginning makes it a comment; blanks around it, a `/` before and after it and `./`
don't count; `!` brings back what an earlier line has left out. The last line that fits decides, for a path or for a
directory above it. The file that holds for `NAME` is `NAME.dockerignore` beside it if there is one, else
`.dockerignore` at the root of the context.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

from engine.build.language.ignore_patterns import SHORT_PATH, IgnorePattern, compile
from engine.build.language.lines import BLANKS, LINE_BYTES
from engine.build.language.source import DockerfileError, Location, Source

FILE_BYTES = 1 << 20
PATTERNS = 10_000
_REMEMBERED, _TOGETHER = 10_000, 200
_T = TypeVar("_T")


def file_names(dockerfile: str) -> tuple[str, str]:
    """Where the rules for a Dockerfile are looked for: the first of these that exists."""
    return f"{dockerfile}.dockerignore", ".dockerignore"


@dataclass(frozen=True, slots=True)
class _Rule:
    text: str
    pattern: IgnorePattern
    brings_back: bool


@dataclass(slots=True)
class IgnoreRules:
    """The rules of one file, in order. Paths are relative to the context, with `/` between their parts."""

    rules: tuple[_Rule, ...] = ()
    _plain: _Plain | None = field(init=False, default=None, repr=False, compare=False)
    _above: dict[str, tuple[bool, ...]] = field(init=False, default_factory=dict, repr=False, compare=False)

    def __post_init__(self) -> None:
        if not self.brings_back:
            self._plain = _Plain([rule.pattern for rule in self.rules])

    @classmethod
    def parse(cls, text: bytes | str, *, name: str = ".dockerignore") -> IgnoreRules:
        """Raises `DockerfileError` at a pattern that can't be one."""
        if isinstance(text, bytes):
            text = text.decode("utf-8", "surrogateescape")
        if len(text) > FILE_BYTES:
            raise DockerfileError(f"{name} has more than {FILE_BYTES:,} bytes")
        lines = tuple(line.removesuffix("\r") for line in text.removeprefix("\ufeff").split("\n"))
        source = Source(name, lines)
        rules: list[_Rule] = []
        for number, line in enumerate(lines, 1):
            place = Location(number, 1, number, len(line) + 1, source)
            if len(line.encode("utf-8", "surrogateescape")) > LINE_BYTES:
                raise DockerfileError(f"a line of more than {LINE_BYTES:,} bytes", place)
            pattern = "" if line.startswith("#") else line.strip(BLANKS)
            if not pattern:
                continue
            # BuildKit cleans twice, the second time with the mark: that makes nothing of `! /`.
            mark = "!" if pattern.startswith("!") else ""
            pattern = cleaned(f"{mark}{_relative(pattern.removeprefix(mark).strip(BLANKS))}".strip(BLANKS))
            brings_back = pattern.startswith("!")
            pattern = pattern[1:] if brings_back else pattern
            if not pattern and brings_back:
                raise DockerfileError("a pattern is missing after !", place)
            if not pattern:
                continue
            try:
                rules.append(_Rule(pattern, compile(pattern), brings_back))
            except DockerfileError as error:
                raise error.at(place) from None
        if len(rules) > PATTERNS:
            raise DockerfileError(f"{name} has more than {PATTERNS:,} patterns")
        return cls(tuple(rules))

    @property
    def brings_back(self) -> bool:
        """Whether any line begins with `!`."""
        return any(rule.brings_back for rule in self.rules)

    @property
    def leaves_out_all(self) -> bool:
        """Whether a line leaves out all that lies at the root."""
        return any(not rule.brings_back and rule.text in ("*", "**", "**/*") for rule in self.rules)

    def excludes(self, path: str) -> bool:
        """Whether `path` is left out. Quickest when all of a directory is asked for together."""
        if self._plain is not None:
            return self._plain.excludes(path)
        return self._results(path)[1]

    def may_contain(self, directory: str) -> bool:
        """Whether anything in `directory` may be in the context; if not, nobody needs to look into it."""
        if not self.excludes(directory):
            return True
        below = directory + "/"
        for rule in self.rules:
            if rule.brings_back:
                start = rule.pattern.start
                if not start or (start + "/").startswith(below) or below.startswith(start + "/"):
                    return True
        return False

    def _results(self, path: str) -> tuple[tuple[bool, ...], bool]:
        """(for each rule whether it fits the path or what is above it, whether the path is left out)."""
        inherited = (False,) * len(self.rules)
        for directory in _above(path):
            known = self._above.get(directory)
            if known is None:
                known = self._asked(directory, inherited)[0]
                _remember(self._above, directory, known)
            inherited = known
        return self._asked(path, inherited)

    def _asked(self, path: str, inherited: tuple[bool, ...]) -> tuple[tuple[bool, ...], bool]:
        fits: list[bool] = []
        excluded = False
        for rule, inherits in zip(self.rules, inherited, strict=True):
            # What would change nothing is not asked, and counts as no for what lies below.
            fit = inherits or (rule.brings_back == excluded and rule.pattern.fits(path))
            if fit:
                excluded = not rule.brings_back
            fits.append(fit)
        return tuple(fits), excluded


def _above(path: str) -> Iterator[str]:
    """The directories that a path is in, from the top."""
    at = path.find("/")
    while at >= 0:
        yield path[:at]
        at = path.find("/", at + 1)


def _remember(known: dict[str, _T], key: str, value: _T) -> None:
    if len(known) >= _REMEMBERED:
        known.clear()
    known[key] = value


class _Plain:
    """Rules without `!`: a path is left out if any of them fits it or what is above it. All are asked at once."""

    def __init__(self, patterns: Sequence[IgnorePattern]) -> None:
        self._exact = frozenset(one.exact for one in patterns if one.exact is not None)
        self._beginnings = tuple(one.beginning for one in patterns if one.beginning is not None)
        endings = [one.ending for one in patterns if one.ending is not None]
        self._endings = tuple(endings)
        self._exact |= {ending[1:] for ending in endings if ending.startswith("/")}
        quick = [one.expression for one in patterns if one.expression is not None]
        chunks = (quick[at : at + _TOGETHER] for at in range(0, len(quick), _TOGETHER))
        self._expressions = [re.compile("|".join(f"(?:{one})" for one in chunk), re.DOTALL) for chunk in chunks]
        self._all = patterns
        self._others = [one for one in patterns if one.expression is None and one.is_general]
        self._above: dict[str, bool] = {}

    def excludes(self, path: str) -> bool:
        directory = path.rpartition("/")[0]
        if directory:
            known = self._above.get(directory)
            if known is None:
                known = any(map(self._fits, (*_above(directory), directory)))
                _remember(self._above, directory, known)
            if known:
                return True
        return self._fits(path)

    def _fits(self, path: str) -> bool:
        if len(path) > SHORT_PATH:
            return any(one.fits(path) for one in self._all)
        return (
            path in self._exact
            or path.startswith(self._beginnings)
            or path.endswith(self._endings)
            or any(one.fullmatch(path) for one in self._expressions)
            or any(one.fits(path) for one in self._others)
        )


def cleaned(pattern: str) -> str:
    """As Go's filepath.Clean, but nothing of nothing."""
    made = posixpath.normpath(pattern) if pattern else ""
    return made[1:] if made.startswith("//") else made  # POSIX lets two slashes stand, Go doesn't


def _relative(pattern: str) -> str:
    made = cleaned(pattern)
    return made[1:] if len(made) > 1 and made.startswith("/") else made
