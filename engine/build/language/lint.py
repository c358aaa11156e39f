"""What is allowed in a Dockerfile and still likely wrong: BuildKit's checks, as far as the text shows them.

What the text alone doesn't show is given: arguments, platforms, what the base images are, what the context leaves out.
Without a base image's configuration its variables are unknown; then a variable that nobody has named is told only if
its name is nearly that of one which the Dockerfile itself has.
"""

from __future__ import annotations

import itertools
from collections.abc import Collection, Iterator, Mapping, Set
from dataclasses import dataclass, field

from engine.build.language import directives, stage_lint, text_lint
from engine.build.language.expanding import expanded
from engine.build.language.expansion import Expander
from engine.build.language.ignore import IgnoreRules
from engine.build.language.model import Checks, Dockerfile, From, Stage, Warning
from engine.build.language.places import Places
from engine.build.language.rules import is_wanted
from engine.build.language.scope import DEFAULT_PATH, Scope, global_arguments, platform_arguments
from engine.build.language.source import DockerfileError, Location
from engine.build.language.stage_lint import BaseImage, State
from engine.build.language.suggestions import nearest, or_nearest
from engine.build.language.text_lint import Found
from engine.errors import InvalidArgument
from engine.oci.platform import Platform
from engine.oci.reference import Reference

WARNINGS = 1000
"""After so many, nobody reads on."""
_DEFAULT = Platform("linux", "amd64")


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """What is known of a build beside its Dockerfile. `bases`: by the name that FROM has once it is expanded."""

    build_args: Mapping[str, str] = field(default_factory=dict)
    target_platform: Platform = _DEFAULT
    build_platform: Platform = _DEFAULT
    bases: Mapping[str, BaseImage] = field(default_factory=dict)
    ignore: IgnoreRules | None = None


@dataclass(frozen=True, slots=True)
class Findings:
    """`error`: what will keep this Dockerfile from being built, if it was come across."""

    warnings: tuple[Warning, ...]
    error: DockerfileError | None = None


def lint(dockerfile: Dockerfile, known: Known | None = None, *, stages: Collection[int] | None = None) -> Findings:
    """All that the rules find, by line, but for what the Dockerfile itself asks to skip.

    `stages`: the indexes of those that are built; None for all. Never raises for a Dockerfile.
    """
    finder = _Finder(dockerfile, known or Known())
    error: DockerfileError | None = None
    found: list[Found] = []
    try:
        for one in itertools.islice(finder.all(stages), WARNINGS):
            found.append(one)
    except DockerfileError as caught:
        error = caught
    chosen = {
        warning: None
        for warning, comments in found
        if is_wanted(warning.rule, merged(dockerfile.directives.check, comments))
    }
    ordered = sorted(chosen, key=lambda one: (one.location.line, one.location.column, one.rule, one.message))
    return Findings(tuple(ordered), error)


def violation(dockerfile: Dockerfile, findings: Findings) -> DockerfileError | None:
    """What `check=error=true` makes of warnings: an error that shows the first and names all rules."""
    if not dockerfile.directives.check.error or not findings.warnings:
        return None
    rules = sorted({warning.rule for warning in findings.warnings})
    first = findings.warnings[0]
    others = f" (and {len(findings.warnings) - 1} more: {', '.join(rules)})" if len(findings.warnings) > 1 else ""
    return DockerfileError(f"{first.rule}: {first.message}{others}; # check=error=true forbids it", first.location)


def merged(checks: Checks, comments: tuple[str, ...]) -> Checks:
    """`checks`, and what a comment `# check=…` directly above an instruction adds for it."""
    for comment in comments:
        name, value = directives.directive(comment, "")
        if name == "check":
            try:
                more = directives.options(value.partition(" ")[0])
            except DockerfileError:
                return checks
            return Checks(
                skip=checks.skip | more.skip,
                skip_all=checks.skip_all or more.skip_all,
                experimental=checks.experimental | more.experimental,
                experimental_all=checks.experimental_all or more.experimental_all,
                error=checks.error,
            )
    return checks


class _Finder:
    def __init__(self, dockerfile: Dockerfile, known: Known) -> None:
        self._dockerfile, self._known = dockerfile, known
        self._escape = dockerfile.directives.escape
        self._places = Places(dockerfile.source)
        last = dockerfile.stages[-1].name or ""
        self._platform = platform_arguments(known.build_platform, known.target_platform, last)

    def all(self, stages: Collection[int] | None) -> Iterator[Found]:
        """Raises `DockerfileError` where the build would."""
        for warning in self._dockerfile.warnings:
            yield Found(warning, ())
        yield from text_lint.all_of(self._dockerfile, self._places)
        yield from self._default_bases()
        arguments = global_arguments(self._dockerfile, self._known.build_args, self._platform)
        declared = {name for one in self._dockerfile.arguments for name, _ in one.pairs}
        states: dict[str, State] = {}
        for stage in self._dockerfile.stages:
            yield from self._start(stage.start, arguments, declared)
            state = self._state(stage, arguments, states)
            if stages is None or stage.index in stages:
                yield from stage_lint.all_of(stage, state, self._places, self._known.ignore)
            if stage.name is not None:
                states[stage.name] = state

    def _default_bases(self) -> Iterator[Found]:
        try:
            arguments = global_arguments(self._dockerfile, {}, self._platform)
            for stage in self._dockerfile.stages:
                base = Expander(stage.base, arguments, escape=self._escape).whole()
                if not _is_reference(base):
                    place = self._places.word(stage.location, stage.base)
                    text = f"without any --build-arg, {stage.base} names no image"
                    yield self._found("InvalidDefaultArgInFrom", text, stage.start, place)
        except DockerfileError:
            return  # told where it is used

    def _found(self, rule: str, text: str, start: From, place: Location | None = None) -> Found:
        return text_lint.found(rule, text, start, place)

    def _start(self, start: From, arguments: Mapping[str, str], declared: Set[str]) -> Iterator[Found]:
        """Variables and platform of a FROM."""
        known = declared | set(arguments)
        for word in (start.base, start.platform):
            if word is None:
                continue
            expander = Expander(word, arguments, escape=self._escape)
            try:
                value = expander.whole()
            except DockerfileError as error:
                raise error.at(start.location) from None
            for name in sorted(expander.missing - known):
                hint = nearest(name, known)
                text = f"no ARG above the first FROM has the name {name}" + (f" (did you mean {hint}?)" if hint else "")
                yield self._found("UndefinedArgInFrom", text, start, self._places.variable(start.location, name))
            if word is start.platform:
                yield from self._platform_flag(start, value, expander, arguments)

    def _platform_flag(
        self, start: From, value: str, expander: Expander, arguments: Mapping[str, str]
    ) -> Iterator[Found]:
        place = self._places.word(start.location, "--platform")
        if not expander.found and not expander.missing:
            try:
                platform = Platform.parse(value)
            except InvalidArgument:
                return
            name = start.stage or ""
            if platform.os not in name and platform.architecture not in name:
                text = f"the platform {value} is written down: use a variable, or say it in the stage's name"
                yield self._found("FromPlatformFlagConstDisallowed", text, start, place)
        elif expander.found == {"TARGETPLATFORM"} and not expander.missing and value == arguments["TARGETPLATFORM"]:
            text = f"--platform={start.platform} is what a stage has anyway: leave it out"
            yield self._found("RedundantTargetPlatform", text, start, place)

    def _state(self, stage: Stage, arguments: Mapping[str, str], states: Mapping[str, State]) -> State:
        """What a stage begins with. Raises `DockerfileError`."""
        start = expanded(stage.start, arguments, escape=self._escape)
        assert isinstance(start, From)
        before = states.get(start.base)
        if before is not None:
            return before.continued()
        if start.base != "scratch":
            try:
                Reference.parse(start.base)
            except InvalidArgument as error:
                hint = or_nearest(start.base, states)
                raise DockerfileError(f"{error.message}{hint}", self._places.word(start.location, stage.base)) from None
        base = BaseImage() if start.base == "scratch" else self._known.bases.get(start.base)
        wanted = self._known.target_platform
        if start.platform is not None:
            try:
                wanted = Platform.parse(start.platform)
            except InvalidArgument as error:
                raise DockerfileError(error.message, start.location) from None
        scope = Scope.of_image(
            {"PATH": DEFAULT_PATH, **(base.environment if base else {})},
            global_arguments=arguments,
            build_args=self._known.build_args,
            escape=self._escape,
        )
        return State(scope=scope, base=base, platform=wanted)


def _is_reference(text: str) -> bool:
    try:
        return bool(Reference.parse(text))
    except InvalidArgument:
        return False
