"""The rules that `lint` holds a Dockerfile against: BuildKit's names, our own words.

https://docs.docker.com/reference/build-checks/ explains each at length, by its name.
"""

from __future__ import annotations

from dataclasses import dataclass

from engine.build.language.model import Checks


@dataclass(frozen=True, slots=True)
class Rule:
    """`is_experimental`: looked at only where `check=experimental=…` asks for it."""

    name: str
    description: str
    is_experimental: bool = False


_ALL = (
    Rule("ConsistentInstructionCasing", "All instructions are written in capitals, or all in small letters"),
    Rule("CopyIgnoredFile", "What .dockerignore leaves out can't be copied"),
    Rule("DuplicateStageName", "Each stage has a name of its own"),
    Rule("ExposeInvalidFormat", "EXPOSE takes ports of the container alone, no address and no port of the host"),
    Rule("ExposeProtoCasing", "The protocol of a port is written in small letters"),
    Rule("FromAsCasing", "AS is written as FROM is: both in capitals, or both in small letters"),
    Rule(
        "FromPlatformFlagConstDisallowed", "A platform that is written down keeps a stage from being built for others"
    ),
    Rule("InvalidBaseImagePlatform", "The base image is for the platform that is built for"),
    Rule("InvalidDefaultArgInFrom", "The image that FROM names is one without any --build-arg"),
    Rule("InvalidDefinitionDescription", "A comment above ARG or FROM begins with the name it describes", True),
    Rule("JSONArgsRecommended", "In shell form the shell gets the signals, and the program may never see them"),
    Rule("LegacyKeyValueFormat", "Names and values are written with = between them"),
    Rule("MaintainerDeprecated", "MAINTAINER is out of date: a label says the same"),
    Rule("MultipleInstructionsDisallowed", "Of several of these in a stage only the last counts"),
    Rule("NoEmptyContinuation", "An empty line inside an instruction that goes on will be an error some day"),
    Rule("RedundantTargetPlatform", "A stage is for $TARGETPLATFORM anyway"),
    Rule("ReservedStageName", "The names context and scratch mean something already"),
    Rule("SecretsUsedInArgOrEnv", "What ARG and ENV hold can be read by everybody who has the image"),
    Rule("StageNameCasing", "Names of stages are written in small letters"),
    Rule("UndefinedArgInFrom", "A variable in FROM is named by an ARG above the first FROM"),
    Rule("UndefinedVar", "A variable has a value before it is used"),
    Rule("WorkdirRelativePath", "The first WORKDIR of a stage doesn't hang on that of the base image"),
)
RULES: dict[str, Rule] = {rule.name: rule for rule in _ALL}


def is_wanted(name: str, checks: Checks) -> bool:
    """Whether a rule is looked at where `checks` holds."""
    if RULES[name].is_experimental:
        return checks.experimental_all or name in checks.experimental
    return not checks.skip_all and name not in checks.skip
