"""Commands about builds; `build_id` is 32 hex digits, chosen by the site."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class BuildImage:
    """Build what a Dockerfile says and give it `tags`; done twice, the second finds the first's steps done.

    `context`: the id of a context that the host has received, None for none. `dockerfile`: its path in the context;
    `dockerfile_text` is read instead. `scope`: builds of the same share a cache, others never. `target`: a stage, the
    last if empty. `memory_bytes`, `cpus`: limits of each step that runs something. `source_date_epoch`: Unix time.

    What the task's secrets hold: {"registries": {…}, "build": {id: value}}.
    """

    build_id: str
    scope: str
    tags: tuple[str, ...] = ()
    context: str | None = None
    dockerfile: str = "Dockerfile"
    dockerfile_text: str | None = None
    target: str = ""
    build_args: Mapping[str, str] = field(default_factory=dict)
    labels: Mapping[str, str] = field(default_factory=dict)
    platform: str | None = None
    no_cache: bool = False
    pull: bool = False
    network: str = "default"
    extra_hosts: tuple[str, ...] = ()
    memory_bytes: int | None = None
    cpus: float | None = None
    source_date_epoch: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ForgetBuild:
    """Delete the record of a build and its context; the image and the cache stay."""

    build_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PruneBuildCache:
    """Delete what builds of `scope` have left and none has used for `unused_seconds`, until `keep_bytes` are left."""

    scope: str
    unused_seconds: float = 0.0
    keep_bytes: int = 0


BuildCommand = BuildImage | ForgetBuild | PruneBuildCache

KINDS: dict[str, type[Any]] = {
    "image.build": BuildImage,
    "build.forget": ForgetBuild,
    "build.prune": PruneBuildCache,
}
