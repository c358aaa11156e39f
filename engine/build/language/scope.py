"""Which variables an instruction sees: ARG, ENV, what the base image brings, what the platform is.

    above the first FROM   ARGs, each seeing those before it, and the platform's; FROM sees these
    in a stage             the base image's ENV, or all that the stage it is FROM has seen; then ENV and ARG in their
                           order, the later one of a name holds

An ARG takes what --build-arg gives, else its default, else what an ARG above the first FROM (or the platform) has of
that name. Only ENV stays in the image. What BuildKit's dockerfile2llb does is what counts here.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field

from engine.build.language.expanding import expanded
from engine.build.language.expansion import Expander
from engine.build.language.model import Arg, Dockerfile, Env, Instruction
from engine.build.language.source import DockerfileError
from engine.oci.platform import Platform

PROXIES = ("HTTP_PROXY", "HTTPS_PROXY", "FTP_PROXY", "NO_PROXY", "ALL_PROXY")
"""Given by --build-arg, RUN sees them without an ARG, in both cases; cache and history do not."""
NOT_FOR_RUN = frozenset(("BUILDKIT_SBOM_SCAN_CONTEXT", "BUILDKIT_SBOM_SCAN_STAGE"))
"""Arguments that steer the build, and are no variables."""
DEFAULT_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
"""What a stage begins with where its base image, or scratch, has no PATH."""


def platform_arguments(build: Platform, target: Platform, stage: str = "") -> dict[str, str]:
    """BUILDPLATFORM, TARGETARCH and so on; `stage`: the name of the stage that is built."""
    found: dict[str, str] = {}
    for word, platform in (("BUILD", build), ("TARGET", target)):
        found |= {
            f"{word}PLATFORM": str(platform),
            f"{word}OS": platform.os,
            f"{word}OSVERSION": "",
            f"{word}ARCH": platform.architecture,
            f"{word}VARIANT": platform.variant,
        }
    return found | {"TARGETSTAGE": stage or "default"}


def proxies(build_args: Mapping[str, str]) -> dict[str, str]:
    """The variables that RUN gets of proxies among `build_args`."""
    found: dict[str, str] = {}
    for name in sorted(build_args):
        if name.upper() in PROXIES:
            found[name.upper()] = found[name.lower()] = build_args[name]
    return found


def global_arguments(
    dockerfile: Dockerfile,
    build_args: Mapping[str, str],
    platform: Mapping[str, str],
    *,
    missing: set[str] | None = None,
) -> dict[str, str]:
    """What FROM sees, and an ARG without a value of its own. `platform`: of `platform_arguments`.

    Names without a value are added to `missing`. Raises `DockerfileError` at an ARG whose default can't be read.
    """
    found = {name: build_args.get(name, value) for name, value in platform.items()}
    for argument in dockerfile.arguments:
        for name, default in argument.pairs:
            value = build_args.get(name)
            if value is None and default is not None:
                value = _value(argument, default, found, dockerfile.directives.escape, missing)
            if value is not None:
                found[name] = value
    return found


def _value(argument: Arg, default: str, variables: Mapping[str, str], escape: str, missing: set[str] | None) -> str:
    expander = Expander(default, variables, escape=escape)
    try:
        value = expander.whole()
    except DockerfileError as error:
        raise error.at(argument.location) from None
    if missing is not None:
        missing |= expander.missing
    return value


@dataclass(slots=True, kw_only=True)
class Scope:
    """One stage's variables, moved on by each instruction that `read` is given.

    `variables`: what expansion and RUN see. `environment`: what the image keeps. `arguments`: those that ARG has named,
    in order, with their values: what RUN's history begins with.
    """

    global_arguments: Mapping[str, str]
    build_args: Mapping[str, str]
    escape: str = "\\"
    variables: dict[str, str] = field(default_factory=dict)
    environment: dict[str, str] = field(default_factory=dict)
    arguments: dict[str, str | None] = field(default_factory=dict)

    @classmethod
    def of_image(
        cls,
        environment: Mapping[str, str],
        *,
        global_arguments: Mapping[str, str],
        build_args: Mapping[str, str],
        escape: str = "\\",
    ) -> Scope:
        """For a stage that begins with an image which has `environment`."""
        return cls(
            global_arguments=global_arguments,
            build_args=build_args,
            escape=escape,
            variables=dict(environment),
            environment=dict(environment),
        )

    def copy(self) -> Scope:
        """For a stage that begins with this one."""
        return dataclasses.replace(
            self,
            variables=dict(self.variables),
            environment=dict(self.environment),
            arguments=dict(self.arguments),
        )

    def read(self, instruction: Instruction, *, missing: set[str] | None = None) -> Instruction:
        """`instruction` with its variables replaced; those after it see what it sets.

        Names that have no value, and that no ARG of this stage has named, are added to `missing`. Raises
        `DockerfileError` at the instruction.
        """
        asked: set[str] = set()
        if isinstance(instruction, Arg):
            return self._argument(instruction, missing)
        made = expanded(instruction, self.variables, escape=self.escape, missing=asked)
        if missing is not None:
            missing |= asked - set(self.arguments) - NOT_FOR_RUN
        if isinstance(made, Env):
            self.variables.update(made.pairs)
            self.environment.update(made.pairs)
        return made

    def _argument(self, argument: Arg, missing: set[str] | None) -> Arg:
        pairs: list[tuple[str, str | None]] = []
        for name, default in argument.pairs:
            asked: set[str] = set()
            value = self.build_args.get(name)
            if value is None and default is None:
                value = self.global_arguments.get(name)
            elif value is None and default is not None:
                value = _value(argument, default, self.variables, self.escape, asked)
            if missing is not None:
                missing |= asked - set(self.arguments) - NOT_FOR_RUN
            if value is not None and name not in NOT_FOR_RUN:
                self.variables[name] = value
            self.arguments[name] = value
            pairs.append((name, value))
        return dataclasses.replace(argument, pairs=tuple(pairs))
