"""What a Dockerfile says, as immutable values. Words are as written until `expanding.expanded` replaces variables.

https://docs.docker.com/reference/dockerfile/ names every instruction and flag; defaults here are those of that page.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar

from engine.build.language.source import Location, Source


@dataclass(frozen=True, slots=True)
class Warning:
    """`rule` is BuildKit's name of it; `message` says what is wrong here, `description` what the rule is about."""

    rule: str
    message: str
    description: str
    location: Location


@dataclass(frozen=True, slots=True)
class Checks:
    """The directive `check`, and a comment of that form above an instruction: which rules are left out or added."""

    skip: frozenset[str] = frozenset()
    skip_all: bool = False
    experimental: frozenset[str] = frozenset()
    experimental_all: bool = False
    error: bool = False


@dataclass(frozen=True, slots=True)
class Directives:
    """`syntax` is accepted and means nothing here; `escape` is one character."""

    syntax: str | None = None
    escape: str = "\\"
    check: Checks = Checks()


@dataclass(frozen=True, slots=True)
class HereDocument:
    """`text` as written, tabs and all; `expands`: its name was not quoted; `strips_tabs`: it was written `<<-`."""

    name: str
    text: str
    expands: bool
    strips_tabs: bool

    @property
    def content(self) -> str:
        """The text without the tabs that `<<-` takes away."""
        if not self.strips_tabs:
            return self.text
        return "".join(line.lstrip("\t") for line in self.text.splitlines(keepends=True))


@dataclass(frozen=True, slots=True)
class Command:
    """Exec form: the program and its arguments. Shell form (`is_shell`): one text for the shell, or none."""

    argv: tuple[str, ...]
    is_shell: bool


@dataclass(frozen=True, slots=True)
class Mount:
    """`RUN --mount`. `size` in bytes; `env` "" stands for "named as the secret is"; None is "not given"."""

    type: str
    source: str | None = None
    target: str | None = None
    from_: str | None = None
    id: str | None = None
    sharing: str | None = None
    mode: int | None = None
    uid: int | None = None
    gid: int | None = None
    size: int | None = None
    required: bool = False
    readonly: bool = True
    env: str | None = None


@dataclass(frozen=True, slots=True)
class Device:
    """`RUN --device`: a device of the Container Device Interface."""

    name: str
    required: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Instruction:
    """`word` is its name in capitals; `keyword` and `original` as written, lines joined; `comments` stood above."""

    word: ClassVar[str] = ""
    keyword: str
    original: str
    location: Location
    comments: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Arg(Instruction):
    """`ARG`; a value of None means "no default"."""

    word: ClassVar[str] = "ARG"
    pairs: tuple[tuple[str, str | None], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Env(Instruction):
    """`ENV`; `is_legacy`: written `ENV name value`, without `=`."""

    word: ClassVar[str] = "ENV"
    pairs: tuple[tuple[str, str], ...]
    is_legacy: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Label(Instruction):
    word: ClassVar[str] = "LABEL"
    pairs: tuple[tuple[str, str], ...]
    is_legacy: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Run(Instruction):
    """`mounts` of which a part is still a variable are exact only after expansion; `mount_words` are as written."""

    word: ClassVar[str] = "RUN"
    command: Command
    mounts: tuple[Mount, ...] = ()
    network: str = "default"
    security: str = "sandbox"
    devices: tuple[Device, ...] = ()
    files: tuple[HereDocument, ...] = ()
    mount_words: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Cmd(Instruction):
    word: ClassVar[str] = "CMD"
    command: Command


@dataclass(frozen=True, slots=True, kw_only=True)
class Entrypoint(Instruction):
    word: ClassVar[str] = "ENTRYPOINT"
    command: Command


@dataclass(frozen=True, slots=True, kw_only=True)
class Shell(Instruction):
    word: ClassVar[str] = "SHELL"
    argv: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Transfer(Instruction):
    """What COPY and ADD have in common. `documents` are sources too: files of the documents' names."""

    sources: tuple[str, ...]
    destination: str
    documents: tuple[HereDocument, ...] = ()
    chown: str | None = None
    chmod: str | None = None
    link: bool = False
    exclude: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Copy(Transfer):
    word: ClassVar[str] = "COPY"
    from_: str | None = None
    parents: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Add(Transfer):
    """`keep_git_dir` and `unpack`: None where the flag is not given."""

    word: ClassVar[str] = "ADD"
    checksum: str | None = None
    keep_git_dir: bool | None = None
    unpack: bool | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Expose(Instruction):
    """As written; after expansion `80/tcp` each."""

    word: ClassVar[str] = "EXPOSE"
    ports: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Volume(Instruction):
    word: ClassVar[str] = "VOLUME"
    paths: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class User(Instruction):
    word: ClassVar[str] = "USER"
    user: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Workdir(Instruction):
    word: ClassVar[str] = "WORKDIR"
    path: str


@dataclass(frozen=True, slots=True, kw_only=True)
class StopSignal(Instruction):
    word: ClassVar[str] = "STOPSIGNAL"
    signal: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Healthcheck(Instruction):
    """`command` None is `HEALTHCHECK NONE`. Times in seconds, None (and no `retries`) where nothing or 0 is given."""

    word: ClassVar[str] = "HEALTHCHECK"
    command: Command | None
    interval: float | None = None
    timeout: float | None = None
    start_period: float | None = None
    start_interval: float | None = None
    retries: int | None = None

    @property
    def disabled(self) -> bool:
        return self.command is None


@dataclass(frozen=True, slots=True, kw_only=True)
class Onbuild(Instruction):
    """`trigger` is the text that the image keeps; `onbuild` makes an instruction of it."""

    word: ClassVar[str] = "ONBUILD"
    trigger: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Maintainer(Instruction):
    word: ClassVar[str] = "MAINTAINER"
    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class From(Instruction):
    """The line that begins a stage; `stage` is in lower case, `stage_written` and `as_written` as they stand there."""

    word: ClassVar[str] = "FROM"
    base: str
    platform: str | None = None
    stage: str | None = None
    stage_written: str | None = None
    as_written: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """`name` in lower case or None; `base` and `platform` unexpanded; `start` is its FROM, where `location` is too."""

    index: int
    name: str | None
    base: str
    platform: str | None
    instructions: tuple[Instruction, ...]
    location: Location
    start: From


@dataclass(frozen=True, slots=True, kw_only=True)
class Dockerfile:
    """`arguments`: each ARG above the first FROM. `warnings`: what the reading itself found; `lint` finds the rest."""

    directives: Directives
    arguments: tuple[Arg, ...]
    stages: tuple[Stage, ...]
    warnings: tuple[Warning, ...]
    source: Source = field(repr=False, compare=False)
