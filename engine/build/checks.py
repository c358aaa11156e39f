"""What is likely wrong in a Dockerfile that is built, told with the result; an error where `# check=error=true` is."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from engine.build.language import Known, lint, violation
from engine.build.language.model import Dockerfile
from engine.build.spec import BuildWarning
from engine.oci.platform import Platform


def warnings(
    dockerfile: Dockerfile,
    build_args: Mapping[str, str],
    *,
    platform: Platform,
    host: Platform,
    stages: Collection[int],
) -> tuple[BuildWarning, ...]:
    """Of the `stages` that are built. Raises `DockerfileError`, before anything is built, where warnings are errors."""
    findings = lint(
        dockerfile, Known(build_args=build_args, target_platform=platform, build_platform=host), stages=stages
    )
    forbidden = violation(dockerfile, findings)
    if forbidden is not None:
        raise forbidden
    return tuple(BuildWarning(rule=one.rule, message=one.message, line=one.location.line) for one in findings.warnings)
