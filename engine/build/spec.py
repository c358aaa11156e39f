"""What is asked of a build, and what comes of it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from engine.build.git.request import Credential
from engine.build.outputs import DOCKER, TAR, Output
from engine.errors import EngineError, InvalidArgument
from engine.oci import signing
from engine.oci.reference import Reference

SECRET_BYTES = 500 << 10
_SECRET_ID = re.compile(r"[A-Za-z0-9_.-]{1,128}")


@dataclass(frozen=True, slots=True, kw_only=True)
class BuildLimits:
    """Of each RUN: bytes, processors (1.5 = one and a half), processes; `shm_bytes`: of /dev/shm. None: no limit.

    `ulimits` in the words of `docker run --ulimit`.
    """

    memory_bytes: int | None = None
    memory_swap: int | None = None
    cpus: float | None = None
    cpu_shares: int | None = None
    cpuset_cpus: str | None = None
    pids: int | None = 4096
    shm_bytes: int | None = None
    ulimits: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class CacheExport:
    """Push the build's steps under `reference`. `mode`: min (those whose layers the image has) or max (all).
    `mounts`: with the cache mounts that the build has used. `may_fail`: the build succeeds all the same if that can't
    be done."""

    reference: str
    mode: str = "min"
    mounts: bool = False
    may_fail: bool = False

    def check(self) -> None:
        """Raises `InvalidReference`, `InvalidArgument`."""
        if Reference.parse(self.reference).digest is not None:
            raise InvalidArgument("a cache is exported under a tag, not a digest", {"field": "cache_to"})
        if self.mode not in ("min", "max"):
            raise InvalidArgument(f"a cache's mode is min or max, not {self.mode[:40]!r}", {"field": "cache_to"})


@dataclass(frozen=True, slots=True, kw_only=True)
class BuildSpec:
    """`dockerfile`: its path in the context, unless `dockerfile_text` is it. `tags`: the image's names.

    `build_args`: values of ARGs. `labels`: of the image, beside its own. `platform`: as linux/amd64. `no_cache`: no
    step is taken from the cache; `no_cache_stages`: none of these stages. `pull`: look for newer base images.
    `network`: what RUN has without a flag of its own (default, none or host). `add_hosts`: "name:address".
    `secrets`: by id, never kept; `ssh`: private keys by the id of the agent that signs with them. `keep_failed`:
    the tag that an image failed-step has of what a RUN has left that failed. `git`: who to be at servers of
    repositories, by their names. `named_contexts`: name → docker-image://reference, target:stage, or a directory's
    path. `source_date_epoch`: Unix seconds that no time in the image is after. `team`: whose cache it is.
    `entitlements`: rights it has, of ENTITLEMENTS. `platforms`: several, whose images become one index; `push`:
    send the image to the registries of its names once it is built; `outputs`: what else is to be written.
    `cache_from`: references of caches, and of images that have one inside, to look into; `cache_to`: where to
    export the cache; `cache_inline`: write it into the image. `sbom`: attach a list of its software (spdx,
    cyclonedx); `provenance`: how it came to be (min, max); `signing_key`: sign it with this (PEM, P-256);
    `invocation`: what whoever asks calls the build. `allowed_images`: repositories (`repository_matches`) that every
    image it begins with or reads from has to match, if there are any; `signed_by`: public keys (PEM) by name, one of
    which has to have signed each of these images.
    """

    dockerfile: str = "Dockerfile"
    dockerfile_text: str | None = None
    target: str | None = None
    tags: tuple[str, ...] = ()
    build_args: Mapping[str, str] = field(default_factory=dict)
    labels: Mapping[str, str] = field(default_factory=dict)
    platform: str | None = None
    no_cache: bool = False
    no_cache_stages: tuple[str, ...] = ()
    pull: bool = False
    network: str = "default"
    add_hosts: tuple[str, ...] = ()
    keep_failed: str = ""
    secrets: Mapping[str, bytes] = field(default_factory=dict, repr=False)
    ssh: Mapping[str, str] = field(default_factory=dict, repr=False)
    git: Mapping[str, Credential] = field(default_factory=dict, repr=False)
    limits: BuildLimits = BuildLimits()
    named_contexts: Mapping[str, str] = field(default_factory=dict)
    source_date_epoch: int | None = None
    team: str = ""
    entitlements: frozenset[str] = frozenset()
    platforms: tuple[str, ...] = ()
    push: bool = False
    outputs: tuple[Output, ...] = ()
    cache_from: tuple[str, ...] = ()
    cache_to: tuple[CacheExport, ...] = ()
    cache_inline: bool = False
    sbom: str = ""
    provenance: str = ""
    signing_key: str = field(default="", repr=False)
    invocation: str = ""
    allowed_images: tuple[str, ...] = ()
    signed_by: Mapping[str, str] = field(default_factory=dict)

    def check(self) -> None:
        """Raises `InvalidArgument` with the field's name."""
        if self.network not in ("default", "none", "host"):
            raise InvalidArgument(f"network is default, none or host, not {self.network[:40]!r}", {"field": "network"})
        for name, value in self.secrets.items():
            if not _SECRET_ID.fullmatch(name):
                raise InvalidArgument(
                    f"a secret's id has letters, digits, '_', '.' and '-', not {name[:40]!r}", {"field": "secrets"}
                )
            if len(value) > SECRET_BYTES:
                raise InvalidArgument(f"secret {name} has more than {SECRET_BYTES >> 10} KiB", {"field": "secrets"})
        for name, text in self.ssh.items():
            if not _SECRET_ID.fullmatch(name):
                raise InvalidArgument(
                    f"an SSH agent's id has letters, digits, '_', '.' and '-', not {name[:40]!r}", {"field": "ssh"}
                )
            if len(text) > SECRET_BYTES:
                raise InvalidArgument(f"the SSH keys {name} have more than {SECRET_BYTES >> 10} KiB", {"field": "ssh"})
        self._check_results()
        for name in self.build_args:
            if not name or "=" in name or "\0" in name:
                raise InvalidArgument(f"{name[:40]!r} is no name of a build argument", {"field": "build_args"})
        for host in self.add_hosts:
            if not host.partition(":")[0] or not host.partition(":")[2]:
                raise InvalidArgument(f"add_hosts: {host[:60]!r} is not name:address", {"field": "add_hosts"})

    def _check_results(self) -> None:
        if self.signing_key:
            signing.public_of(self.signing_key)
        for name, words in (("sbom", ("", "spdx", "cyclonedx")), ("provenance", ("", "min", "max"))):
            if getattr(self, name) not in words:
                raise InvalidArgument(f"{name} is {' or '.join(words[1:])}", {"field": name})
        for export in self.cache_to:
            export.check()
        for text in self.cache_from:
            Reference.parse(text)
        for output in self.outputs:
            output.check()
        if len(self.platforms) > 1 and any(output.kind in (TAR, DOCKER) for output in self.outputs):
            raise InvalidArgument(
                "outputs of type tar and docker hold one platform: write type=oci or type=local, or build one alone",
                {"field": "outputs"},
            )
        if self.push and not self.tags:
            raise InvalidArgument("give the image a name (tags): it says where to push it", {"field": "tags"})


UNCONSUMED = "UnconsumedBuildArgs"
"""The rule of the warning that build arguments were given which no ARG has asked for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BuildWarning:
    """`rule` is BuildKit's name of it, or `UNCONSUMED`; `line` counts from 1, 0 for what is of no line."""

    rule: str
    message: str
    line: int


@dataclass(frozen=True, slots=True, kw_only=True)
class BuildResult:
    """`image_id` with its `tags` as people write them; how many steps there were, and how many the cache had.

    `digest`: of its manifest or index, if it was packed; `pushed`: names under which registries have it now.
    """

    image_id: str
    tags: tuple[str, ...]
    size_bytes: int
    steps: int
    cached: int
    seconds: float
    warnings: tuple[BuildWarning, ...] = ()
    digest: str = ""
    pushed: tuple[str, ...] = ()


class StepFailed(InvalidArgument):
    """A step ended with an error of its own: a command's exit code, a file that isn't there.

    `detail`: `step` (the vertex), `exit_code` of a `command`, `log` (its last lines), and the place in the Dockerfile
    as `DockerfileError` has it.
    """


def describe(error: BaseException) -> str:
    """In a line, for a step that failed."""
    return error.message if isinstance(error, EngineError) else f"{type(error).__name__}: {error}"
