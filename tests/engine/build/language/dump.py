"""A parsed Dockerfile as JSON for people: without defaults, places as `line:column-line:column`."""

from __future__ import annotations

import dataclasses
from typing import Any

from engine.build.language.model import Dockerfile, Instruction
from engine.build.language.source import Location


def place(location: Location) -> str:
    return f"{location.line}:{location.column}-{location.end_line}:{location.end_column}"


def as_data(dockerfile: Dockerfile) -> dict[str, Any]:
    return {
        "directives": _fields(dockerfile.directives),
        "arguments": [_instruction(one) for one in dockerfile.arguments],
        "stages": [
            {
                "name": stage.name,
                "from": _instruction(stage.start),
                "instructions": [_instruction(one) for one in stage.instructions],
            }
            for stage in dockerfile.stages
        ],
        "warnings": [f"{one.rule} {place(one.location)}" for one in dockerfile.warnings],
    }


def _instruction(one: Instruction) -> dict[str, Any]:
    fields = _fields(one)
    return {"word": one.word, "at": place(one.location), **{k: v for k, v in fields.items() if k != "location"}}


def _fields(value: Any) -> dict[str, Any]:
    found = {}
    for field in dataclasses.fields(value):
        content = getattr(value, field.name)
        if field.default is dataclasses.MISSING or content != field.default:
            found[field.name] = _plain(content)
    return found


def _plain(value: Any) -> Any:
    if isinstance(value, Location):
        return place(value)
    if dataclasses.is_dataclass(value):
        return _fields(value)
    if isinstance(value, frozenset):
        return sorted(value)
    return [_plain(one) for one in value] if isinstance(value, tuple) else value
