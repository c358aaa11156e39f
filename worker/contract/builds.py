"""Commands about builds; `build_id` is 32 hex digits, chosen by the site."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class BuildImage:
    """Build what a Dockerfile says and give it `tags`; done twice, the second finds the first's steps done.

    `context`: the id of a context that the host has received, None for none; `git`: the address of a repository that is
    the context instead (URL#ref:directory), without a password. `dockerfile`: its path in the context;
    `dockerfile_text` is read instead. `scope`: builds of the same share a cache, others never. `target`: a stage, the
    last if empty. `memory_bytes`, `cpus`: limits of each step that runs something. `source_date_epoch`: Unix time.

    `platforms`: several, whose images become one index. `push`: send the image to the registries of its names once it
    is built. `cache_from`: references of caches to look into; `cache_to`: the one to export to, `cache_mode` min (what
    the image has) or max (every step), with `cache_mounts` those that the build has used; `cache_inline`: into the
    image. `sbom`: spdx or cyclonedx, `provenance`: min or max, each attached to the image; `sign`: with the key that
    the secrets hold. `allowed_images`: repositories, or patterns such as docker.io/library/*, of which every image it
    begins with or reads from has to match one, if given; `signed_by`: public keys (PEM) by name, one of which has to
    have signed each of these images.

    `entitlements`: rights of the build, network.host, security.insecure or device; the site has asked for them.

    What the task's secrets hold: {"registries": {…}, "build": {id: value}, "ssh": {id: private keys}, "signing_key":
    PEM, "git": {server: {username, password, ca_pem}}}.
    """

    build_id: str
    scope: str
    tags: tuple[str, ...] = ()
    context: str | None = None
    git: str | None = None
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
    platforms: tuple[str, ...] = ()
    push: bool = False
    cache_from: tuple[str, ...] = ()
    cache_to: str = ""
    cache_mode: str = "min"
    cache_mounts: bool = False
    cache_inline: bool = False
    sbom: str = ""
    provenance: str = ""
    sign: bool = False
    allowed_images: tuple[str, ...] = ()
    entitlements: tuple[str, ...] = ()
    signed_by: Mapping[str, str] = field(default_factory=dict)


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
