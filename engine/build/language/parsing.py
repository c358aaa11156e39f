"""A Dockerfile's bytes to its value, and an image's trigger to an instruction."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from dataclasses import dataclass, field

from engine.build.language import directives, heredocs, instructions, lines
from engine.build.language.line import Line, split, takes_documents
from engine.build.language.lines import BLANKS, Lines
from engine.build.language.model import Arg, Dockerfile, From, Instruction, Stage, Warning
from engine.build.language.rules import RULES
from engine.build.language.source import DockerfileError, Location

EMPTY_LINE = "NoEmptyContinuation"
INSTRUCTIONS = 10_000
"""Ours; BuildKit has no limit. What people write has a hundred."""


def parse(text: bytes, *, name: str = "Dockerfile") -> Dockerfile:
    """Read a Dockerfile. Raises `DockerfileError` and nothing else, whatever `text` is."""
    found = lines.read(text, name)
    heads, first = directives.read(found)
    reading = _Reading(found, heads.escape)
    reading.read(first)
    return Dockerfile(
        directives=heads,
        arguments=tuple(reading.arguments),
        stages=tuple(stage.made(index) for index, stage in enumerate(reading.stages)),
        warnings=tuple(reading.warnings),
        source=found.source,
    )


def onbuild(trigger: str, *, location: Location | None = None) -> Instruction:
    """The instruction that an image's trigger text is; its `location` is that of the FROM that brings it, if given.

    Raises `DockerfileError` if it is not exactly one instruction that a stage can have.
    """
    reading = _Reading(lines.read(trigger.encode("utf-8", "surrogatepass"), "ONBUILD of the base image"), "\\")
    found = list(reading.each(0))
    if len(found) != 1 or isinstance(found[0], From):
        raise DockerfileError("a trigger (ONBUILD) of the base image has to be one instruction, not FROM", location)
    return dataclasses.replace(found[0], location=location) if location is not None else found[0]


@dataclass(slots=True)
class _Stage:
    start: From
    instructions: list[Instruction] = field(default_factory=list)

    def made(self, index: int) -> Stage:
        return Stage(
            index=index,
            name=self.start.stage,
            base=self.start.base,
            platform=self.start.platform,
            instructions=tuple(self.instructions),
            location=self.start.location,
            start=self.start,
        )


class _Reading:
    """One pass over the lines."""

    def __init__(self, found: Lines, escape: str) -> None:
        self._lines, self._escape = found, escape
        self.arguments: list[Arg] = []
        self.stages: list[_Stage] = []
        self.warnings: list[Warning] = []

    def read(self, first: int) -> None:
        one: Instruction | None = None
        for one in self.each(first):
            if isinstance(one, From):
                self.stages.append(_Stage(one))
            elif self.stages:
                self.stages[-1].instructions.append(one)
            elif isinstance(one, Arg):
                self.arguments.append(one)
            else:
                raise DockerfileError(f"{one.word} stands before the first FROM, where only ARG can be", one.location)
        if not self.stages:
            where = one.location if one is not None else None
            raise DockerfileError(
                f"{self._lines.source.name} has no FROM: nothing says which image to begin with", where
            )

    def each(self, index: int) -> Iterator[Instruction]:
        """Each instruction from lines[index] on."""
        comments: list[str] = []
        count = 0
        bare = self._lines.source.lines
        while index < len(bare):
            joined = lines.join(self._lines, index, self._escape)
            if joined is None:
                _note(comments, bare[index])
                index += 1
                continue
            line = self._line(joined, tuple(comments))
            count += 1
            if count > INSTRUCTIONS:
                raise DockerfileError(f"more than {INSTRUCTIONS:,} instructions", line.location)
            yield instructions.read(line)
            index = joined.next_index
            comments.clear()

    def _line(self, joined: lines.Joined, comments: tuple[str, ...]) -> Line:
        text, keyword, flags, rest = split(joined.text, self._escape)
        whole = joined.text.text
        tail = whole[len(whole.rstrip(BLANKS)) :]
        line = Line(text, keyword, flags, rest, self._escape, text.location(), comments, tail=tail)
        if "<<" in text.text and takes_documents(line):
            wanted = heredocs.names(text.text)
            documents, joined.next_index = heredocs.collect(wanted, self._lines, joined.next_index, text)
            joined.last = joined.next_index
            line = dataclasses.replace(line, documents=tuple(documents))
        lines.refuse_bytes(self._lines, joined.first, joined.last)
        last = self._lines.source.lines[joined.last - 1]
        place = dataclasses.replace(line.location, end_line=joined.last, end_column=len(last.rstrip(BLANKS)) + 1)
        if joined.empty_line is not None:
            empty = Location(joined.empty_line, 1, joined.empty_line, 1, self._lines.source)
            what = f"an empty line inside {line.name}: take it out, or make it a comment"
            self.warnings.append(Warning(EMPTY_LINE, what, RULES[EMPTY_LINE].description, empty))
        return dataclasses.replace(line, location=place)


def _note(comments: list[str], line: str) -> None:
    """Comments of consecutive lines belong together; an empty one, `#`, ends them."""
    if not lines.is_comment(line):
        return
    comment = line[1:].strip(BLANKS)  # of an indented comment, BuildKit keeps the mark
    if comment:
        comments.append(comment)
    else:
        comments.clear()
