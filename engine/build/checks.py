"""What is likely wrong in a Dockerfile that is built, told with the result; an error where `# check=error=true` is."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from typing import Any

from engine.build.language import BaseImage, Known, lint, violation
from engine.build.language.model import Dockerfile
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
