"""What is likely wrong in a Dockerfile that is built, told with the result; an error where `# check=error=true` is."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from typing import Any

from engine.build.language import BaseImage, Known, lint, violation
from engine.build.language.model import Arg, Dockerfile
from engine.build.language.scope import PROXIES
from engine.build.planning import SCRATCH, Plan
from engine.build.spec import BuildWarning
from engine.errors import EngineError
from engine.images.records import Records
from engine.oci.platform import Platform


def warnings(
    dockerfile: Dockerfile,
    build_args: Mapping[str, str],
    *,
    platform: Platform,
    host: Platform,
    stages: Collection[int],
    bases: Mapping[str, BaseImage] | None = None,
) -> tuple[BuildWarning, ...]:
    """Of the `stages` that are built; `bases`: what is known of base images, by name.

    Raises `DockerfileError`, before anything is built, where warnings are errors.
    """
    findings = lint(
        dockerfile,
        Known(build_args=build_args, target_platform=platform, build_platform=host, bases=bases or {}),
        stages=stages,
    )
    forbidden = violation(dockerfile, findings)
    if forbidden is not None:
        raise forbidden
    return tuple(BuildWarning(rule=one.rule, message=one.message, line=one.location.line) for one in findings.warnings)


def bases_here(plan: Plan, records: Records) -> dict[str, BaseImage]:
    """What the configurations of base images say that are on this host; no registry is asked for the others."""
    found = {}
    for one in plan.stages:
        if one.base_stage is not None or one.base == SCRATCH or one.base in found:
            continue
        try:
            image = records.find(one.base)
            config: dict[str, Any] = json.loads(records.documents(image.id)[0])
        except (EngineError, ValueError):
            continue
        settings: dict[str, Any] = config.get("config") or {}
        found[one.base] = BaseImage(
            environment=dict(text.partition("=")[::2] for text in settings.get("Env") or ()),
            shell=tuple(settings.get("Shell") or ()),
            triggers=tuple(settings.get("OnBuild") or ()),
            platform=image.config.platform if image.architecture else None,
        )
    return found


def unconsumed(dockerfile: Dockerfile, build_args: Mapping[str, str], plan: Plan, records: Records) -> tuple[str, ...]:
    """The build arguments that no ARG up to the target has asked for, nor one that a base image leaves to its heirs.

    What steers the build, or is for every RUN, needs no ARG.
    """
    asked = {name for argument in dockerfile.arguments for name, _ in argument.pairs}
    for one in plan.stages[: plan.target + 1]:
        for instruction in one.stage.instructions:
            if isinstance(instruction, Arg):
                asked |= {name for name, _ in instruction.pairs}
    left = {name for name in build_args if name not in asked and not _is_for_all(name)}
    if left:
        for base in bases_here(plan, records).values():
            words = [trigger.split() for trigger in base.triggers]
            left -= {word.partition("=")[0] for each in words if each[:1] == ["ARG"] for word in each[1:]}
    return tuple(sorted(left))


def _is_for_all(name: str) -> bool:
    return name.upper() in PROXIES or name.startswith("BUILDKIT_") or name == "SOURCE_DATE_EPOCH"
