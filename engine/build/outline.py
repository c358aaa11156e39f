"""What a build will do, in the order of its Dockerfile: to be told of line by line, as by Docker's first builder.

The builder itself works side by side, and its events come as they come.
"""

from __future__ import annotations

from dataclasses import dataclass

from engine.build.planning import SCRATCH, Plan
from engine.build.stage import STEPS


@dataclass(frozen=True, slots=True)
class Line:
    """An instruction as it was written, on one line. `step`: the vertex that does it, empty for one without."""

    text: str
    step: str = ""


def outline(plan: Plan) -> tuple[Line, ...]:
    """Every ARG above the first FROM, then the stages that have to be built, with what triggers add left out."""
    lines = [Line(_one(argument.original)) for argument in plan.dockerfile.arguments]
    for number in sorted(plan.wanted):
        stage = plan.stages[number]
        has_base = stage.base_stage is None and stage.base != SCRATCH
        lines.append(Line(_one(stage.stage.start.original), f"{number}.0" if has_base else ""))
        position = 0
        for instruction in stage.stage.instructions:
            is_step = isinstance(instruction, STEPS)
            position += is_step
            lines.append(Line(_one(instruction.original), f"{number}.{position}" if is_step else ""))
    return tuple(lines)


def _one(text: str) -> str:
    return " ".join(text.split())
