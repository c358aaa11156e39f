"""Rules about how things are written and named, for which the text is enough."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from engine.build.language.model import Arg, Dockerfile, From, Instruction, Maintainer, Warning
from engine.build.language.places import Places
from engine.build.language.rules import RULES
from engine.build.language.source import Location

_RESERVED = ("context", "scratch")


class Found(NamedTuple):
    """A warning, and the comments above its instruction, which may say that it is not wanted."""

    warning: Warning
    comments: tuple[str, ...]


_OF_THE_WHOLE = frozenset(
    ("ConsistentInstructionCasing", "DuplicateStageName", "InvalidDefaultArgInFrom", "ReservedStageName")
)
"""Rules that look at a file as a whole: a comment above one instruction doesn't turn them off, as for BuildKit."""


def found(rule: str, text: str, instruction: Instruction, place: Location | None = None) -> Found:
    warning = Warning(rule, text, RULES[rule].description, place or instruction.location)
    return Found(warning, () if rule in _OF_THE_WHOLE else instruction.comments)


def all_of(dockerfile: Dockerfile, places: Places) -> Iterator[Found]:
    for argument in dockerfile.arguments:
        yield from _description(argument, [name for name, _ in argument.pairs])
    names: set[str] = set()
    for stage in dockerfile.stages:
        yield from _start(stage.start, names, places)
        for instruction in stage.instructions:
            if isinstance(instruction, Maintainer):
                text = "write LABEL org.opencontainers.image.authors=… instead"
                yield found("MaintainerDeprecated", text, instruction, places.keyword(instruction.location))
            elif isinstance(instruction, Arg):
                yield from _description(instruction, [name for name, _ in instruction.pairs])
    yield from _casing(dockerfile, places)


def _start(start: From, names: set[str], places: Places) -> Iterator[Found]:
    if start.stage is None or start.stage_written is None or start.as_written is None:
        return
    place = places.word(start.location, start.stage_written, after=start.as_written)
    if start.stage_written != start.stage:
        yield found("StageNameCasing", f"write the stage's name as {start.stage}", start, place)
    if _is_consistent(start.keyword):
        wanted = "as" if start.keyword.islower() else "AS"
        if start.as_written != wanted:
            as_place = places.word(start.location, start.as_written)
            yield found("FromAsCasing", f"{start.as_written} is not written as {start.keyword} is", start, as_place)
    if start.stage in _RESERVED:
        yield found("ReservedStageName", f"{start.stage} has a meaning of its own", start, place)
    if start.stage in names:
        yield found("DuplicateStageName", f"another stage has the name {start.stage} already", start, place)
    names.add(start.stage)
    yield from _description(start, [start.stage])


def _description(instruction: Instruction, names: list[str]) -> Iterator[Found]:
    if instruction.comments and instruction.comments[-1].split(" ")[0] not in names:
        example = names[0] if len(names) == 1 else "<name>"
        text = f"the comment above begins with what it describes: # {example} …; or put an empty comment between them"
        yield found("InvalidDefinitionDescription", text, instruction)


def _is_consistent(word: str) -> bool:
    return word in (word.lower(), word.upper())


def _casing(dockerfile: Dockerfile, places: Places) -> Iterator[Found]:
    """The ways of writing that the fewer instructions have; capitals, where as many have each."""
    written = [one for stage in dockerfile.stages for one in (stage.start, *stage.instructions)]
    small = sum(one.keyword == one.keyword.lower() for one in written)
    large = sum(one.keyword == one.keyword.upper() for one in written)
    for one in written:
        wanted = one.keyword.lower() if small > large else one.keyword.upper()
        if one.keyword != wanted:
            text = f"most are written otherwise: {wanted} instead of {one.keyword}"
            yield found("ConsistentInstructionCasing", text, one, places.keyword(one.location))
