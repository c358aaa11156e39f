"""What of a Dockerfile has to be built: the target, the stages it needs, and what each of them begins with.

Names are looked up as BuildKit does: an earlier stage, then a context of that name, then an image.
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from engine.build.language import model
from engine.build.language.expansion import expand
from engine.build.language.scope import global_arguments, platform_arguments
from engine.build.language.source import DockerfileError, Location
from engine.errors import InvalidArgument, NotFound
from engine.oci.platform import Platform

SCRATCH = "scratch"
STAGES = 400
"""That one build may need: each takes a thread of this process."""


@dataclass(frozen=True, slots=True)
class StagePlan:
    """`base` with its variables replaced; `base_stage`: the stage that it is, if it is one; `called`: as events say.

    `needs`: stages that its instructions read.
    """

    stage: model.Stage
    base: str
    base_stage: int | None
    platform: Platform | None
    called: str
    needs: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Plan:
    """`stages`: all, by number; `target`: the last to build; `wanted`: those that have to be built; `arguments`: values
    of ARG above the first FROM, and those that every build has."""

    dockerfile: model.Dockerfile
    stages: tuple[StagePlan, ...]
    target: int
    wanted: tuple[int, ...]
    arguments: Mapping[str, str]

    def stage_of(self, name: str, before: int) -> int | None:
        """The stage that a --from or a FROM in stage `before` means; None if it means no stage.

        Raises `InvalidArgument` for one that is not before it.
        """
        return find_stage([plan.stage for plan in self.stages], name, before)


def find_stage(stages: Sequence[model.Stage], name: str, before: int) -> int | None:
    if name.isascii() and name.isdigit():
        number = int(name)
        if number >= len(stages):
            raise InvalidArgument(f"there is no stage {number}: stages are counted from 0 to {len(stages) - 1}")
        if number >= before:
            raise InvalidArgument(f"stage {number} is not built before this one, so nothing can be taken from it")
        return number
    found = [stage.index for stage in stages if stage.name is not None and stage.name == name.lower()]
    earlier = [number for number in found if number < before]
    if found and not earlier:
        raise InvalidArgument(f"stage {name} is not built before this one, so nothing can be taken from it")
    return earlier[-1] if earlier else None


def make(
    dockerfile: model.Dockerfile, *, target: str | None, given: Mapping[str, str], platform: Platform, host: Platform
) -> Plan:
    """Raises `DockerfileError`, `NotFound` for a target that isn't there."""
    if not dockerfile.stages:
        raise DockerfileError("the Dockerfile has no FROM, so there is nothing to build")
    name = target or dockerfile.stages[-1].name or ""
    arguments = global_arguments(dockerfile, given, platform_arguments(host, platform, name))
    plans = tuple(_stage(dockerfile, stage, arguments) for stage in dockerfile.stages)
    last = _target(dockerfile.stages, target)
    wanted = _reachable(plans, last)
    if len(wanted) > STAGES:
        problem = f"{len(wanted)} stages have to be built, and {STAGES} are the most: build some as images of their own"
        raise DockerfileError(problem, dockerfile.stages[last].location)
    return Plan(dockerfile, plans, last, wanted, arguments)


def _stage(dockerfile: model.Dockerfile, stage: model.Stage, arguments: Mapping[str, str]) -> StagePlan:
    base = _expanded(stage.base, arguments, dockerfile, stage.location)
    if not base:
        raise DockerfileError(f"{stage.base} has no value here: give its ARG one, above the first FROM", stage.location)
    platform = None
    if stage.platform is not None:
        text = _expanded(stage.platform, arguments, dockerfile, stage.location)
        try:
            platform = Platform.parse(text)
        except InvalidArgument as error:
            raise DockerfileError(error.message, stage.location) from error
    earlier = dockerfile.stages[: stage.index]
    base_stage = next((one.index for one in reversed(earlier) if one.name == base.lower()), None)
    called = stage.name or (f"stage-{stage.index}" if len(dockerfile.stages) > 1 else "")
    needs = []
    for instruction in stage.instructions:
        for name in sources_of(instruction):
            try:
                found = find_stage(dockerfile.stages, name, stage.index)
            except InvalidArgument as error:
                raise DockerfileError(error.message, instruction.location) from error
            if found is not None:
                needs.append(found)
    return StagePlan(stage, base, base_stage, platform, called, tuple(dict.fromkeys(needs)))


def sources_of(instruction: model.Instruction) -> list[str]:
    """What an instruction reads by `from`: names of stages, contexts, images."""
    if isinstance(instruction, model.Copy) and instruction.from_:
        return [instruction.from_]
    if isinstance(instruction, model.Run):
        return [mount.from_ for mount in instruction.mounts if mount.from_]
    return []


def _target(stages: Sequence[model.Stage], target: str | None) -> int:
    if not target:
        return len(stages) - 1
    for stage in reversed(stages):
        if stage.name == target.lower():
            return stage.index
    if target.isascii() and target.isdigit() and int(target) < len(stages):
        return int(target)
    names = [stage.name for stage in stages if stage.name]
    near = difflib.get_close_matches(target.lower(), names, 1)
    hint = f": did you mean {near[0]}?" if near else (f"; there are {', '.join(names)}" if names else "")
    raise NotFound(f"there is no stage {target[:60]}{hint}", {"field": "target", "stages": names})


def _reachable(plans: Sequence[StagePlan], target: int) -> tuple[int, ...]:
    wanted: set[int] = set()
    waiting = [target]
    while waiting:
        number = waiting.pop()
        if number not in wanted:
            wanted.add(number)
            plan = plans[number]
            waiting += [*plan.needs, *([plan.base_stage] if plan.base_stage is not None else [])]
    return tuple(sorted(wanted))


def _expanded(word: str, variables: Mapping[str, str], dockerfile: model.Dockerfile, location: Location) -> str:
    try:
        return expand(word, variables, escape=dockerfile.directives.escape)
    except DockerfileError as error:
        raise error.at(location) from error
