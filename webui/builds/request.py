"""What a person may ask of a build, checked field by field before anything is written.

Pure: one InvalidArgument names every field that is wrong (`detail["fields"]`: field → sentences).
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from engine.build.entitlements import ENTITLEMENTS
from engine.build.language import git_source
from engine.build.ssh_keys import KEYS_MAXIMUM, blocks
from engine.build.ssh_keys import read as read_ssh_keys
from engine.errors import InvalidArgument
from engine.oci.platform import Platform
from engine.oci.reference import Reference
from webui.containers.request import MEMORY_MINIMUM, FieldErrors

NETWORKS = ("default", "none", "host")
CHOICES = {"cache_mode": ("min", "max"), "sbom": ("", "spdx", "cyclonedx"), "provenance": ("", "min", "max")}
PLATFORMS_MAXIMUM = 10
DOCKERFILE_MAXIMUM = 1 << 20
"""Characters of a Dockerfile that is sent with the request."""
TAGS_MAXIMUM, WORDS_MAXIMUM, TEXT_MAXIMUM = 20, 200, 32 << 10
SECRETS_MAXIMUM, SECRET_MAXIMUM = 50, 512 << 10
SSH_MAXIMUM = 10
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,254}")
_SECRET = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}")
_STAGE = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,127}")
_HOST = re.compile(r"[^\s:=]{1,253}[:=][0-9A-Fa-f:.\[\]]{2,48}|[^\s:=]{1,253}[:=]host-gateway")
EPOCH_MAXIMUM = 253402300799
"""The last second of the year 9999: beyond it no format of times that images use goes on."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BuildRequest:
    """Fields as in the contract's BuildImage. `dockerfile`: a path in the context; `dockerfile_text` goes before it.

    `secrets`: id → value, for `RUN --mount=type=secret`; `ssh`: id → private keys, for `RUN --mount=type=ssh`;
    `ssh_keys`: id → the name of one of the team's. `signing_key`: the name of one of the team's. `git`: a repository to
    build from, URL#ref:directory. `entitlements`: rights that the build shall have.
    """

    tags: Sequence[str] = ()
    git: str | None = None
    dockerfile: str = "Dockerfile"
    dockerfile_text: str | None = None
    target: str = ""
    build_args: Mapping[str, str] = field(default_factory=dict)
    labels: Mapping[str, str] = field(default_factory=dict)
    secrets: Mapping[str, str] = field(default_factory=dict)
    platform: str | None = None
    no_cache: bool = False
    pull: bool = False
    network: str = "default"
    extra_hosts: Sequence[str] = ()
    memory_bytes: int | None = None
    cpus: float | None = None
    source_date_epoch: int | None = None
    platforms: Sequence[str] = ()
    push: bool = False
    cache_from: Sequence[str] = ()
    cache_to: str = ""
    cache_mode: str = "min"
    cache_mounts: bool = False
    cache_inline: bool = False
    sbom: str = ""
    provenance: str = ""
    signing_key: str = ""
    ssh: Mapping[str, str] = field(default_factory=dict)
    ssh_keys: Mapping[str, str] = field(default_factory=dict)
    entitlements: Sequence[str] = ()


def request_check(request: BuildRequest, *, has_context: bool) -> tuple[str, ...]:
    """Check everything; return the tags in their canonical form. Raises InvalidArgument."""
    errors = FieldErrors()
    tags = tuple(dict.fromkeys(_tag(text, errors) for text in request.tags))
    errors.check(len(request.tags) <= TAGS_MAXIMUM, "tags", f"Give at most {TAGS_MAXIMUM} tags.")
    text = request.dockerfile_text
    errors.check(
        has_context or bool(request.git) or bool(text and text.strip()),
        "dockerfile_text",
        "Type a Dockerfile, or send a folder that has one, or name a repository.",
    )
    _repository(request.git, errors, has_context=has_context)
    errors.check(
        len(text or "") <= DOCKERFILE_MAXIMUM, "dockerfile_text", f"Give at most {DOCKERFILE_MAXIMUM} characters."
    )
    errors.check(_is_inside(request.dockerfile), "dockerfile", "Give a path in the folder, such as docker/Dockerfile.")
    errors.check(
        not request.target or bool(_STAGE.fullmatch(request.target)), "target", "Give a stage's name or number."
    )
    _variables(request.build_args, "build_args", _NAME, errors)
    _variables(request.labels, "labels", None, errors)
    _secrets(request.secrets, errors)
    _ssh(request, errors)
    unknown = sorted(set(request.entitlements) - set(ENTITLEMENTS))
    errors.check(not unknown, "entitlements", f"Choose of {', '.join(ENTITLEMENTS)}.")
    errors.check(request.network in NETWORKS, "network", f"Choose one of {', '.join(NETWORKS)}.")
    errors.check(
        len(request.extra_hosts) <= WORDS_MAXIMUM and all(_HOST.fullmatch(host) for host in request.extra_hosts),
        "extra_hosts",
        "Write each as NAME:ADDRESS, such as db:10.0.0.2.",
    )
    _limits(request, errors)
    _results(request, errors)
    errors.raise_any("the image can't be built")
    return tags


def _repository(address: str | None, errors: FieldErrors, *, has_context: bool) -> None:
    if not address:
        return
    errors.check(not has_context, "git", "Build from a folder or from a repository, not from both.")
    problem = git_problem(address)
    errors.check(problem is None, "git", problem or "")


def git_problem(address: str) -> str | None:
    """Why no repository can be fetched from there, None if it may be. Nothing is asked of any server."""
    try:
        source = git_source.read(address, is_context=True)
        parts = urlsplit("" if source is None else source.remote)
    except (InvalidArgument, ValueError) as error:
        return str(getattr(error, "message", error))
    if source is None or parts.scheme not in ("https", "http", "git") or not parts.hostname:
        return "Give an address such as https://git.example.com/team/app.git#main:directory."
    if parts.username or parts.password:
        return "An address is seen by everybody in the team: store the user and the password for the server instead."
    return None


def _tag(text: str, errors: FieldErrors) -> str:
    try:
        parsed = Reference.parse(text.strip())
    except InvalidArgument as error:
        errors.check(False, "tags", error.message)
        return ""
    errors.check(parsed.digest is None, "tags", "A name has a tag, such as :1.0, and no digest.")
    return str(parsed)


def _is_inside(path: str) -> bool:
    clean = posixpath.normpath(path) if path else ""
    return bool(path) and len(path) <= 1024 and "\0" not in path and not clean.startswith(("/", "..")) and clean != "."


def _variables(pairs: Mapping[str, str], name: str, pattern: re.Pattern[str] | None, errors: FieldErrors) -> None:
    errors.check(len(pairs) <= WORDS_MAXIMUM, name, f"Give at most {WORDS_MAXIMUM}.")
    for key, value in pairs.items():
        if pattern is not None and not pattern.fullmatch(key):
            errors.check(False, name, f"{key[:80]!r} is no name: use letters, digits and _, not a digit first.")
        elif not key or "\0" in key + value or len(key) + len(value) > TEXT_MAXIMUM:
            errors.check(False, name, f"{key[:80]!r} is empty, or it is longer than {TEXT_MAXIMUM} characters.")


def _secrets(secrets: Mapping[str, str], errors: FieldErrors) -> None:
    errors.check(len(secrets) <= SECRETS_MAXIMUM, "secrets", f"Give at most {SECRETS_MAXIMUM} secrets.")
    for key, value in secrets.items():
        errors.check(bool(_SECRET.fullmatch(key)), "secrets", f"{key[:80]!r} is no id: use letters, digits, _ . and -.")
        errors.check(len(value) <= SECRET_MAXIMUM, "secrets", f"{key[:80]} is longer than {SECRET_MAXIMUM} characters.")


def _ssh(request: BuildRequest, errors: FieldErrors) -> None:
    for name, given in (("ssh", request.ssh), ("ssh_keys", request.ssh_keys)):
        errors.check(len(given) <= SSH_MAXIMUM, name, f"Give at most {SSH_MAXIMUM} agents.")
        for key in given:
            is_id = bool(_SECRET.fullmatch(key))
            errors.check(is_id, name, f"{key[:80]!r} is no id: use letters, digits, _ . and -, such as default.")
    too_long = next((key for key, text in request.ssh.items() if len(text) > SECRET_MAXIMUM // 2), None)
    errors.check(too_long is None, "ssh", f"{(too_long or '')[:80]} is longer than {SECRET_MAXIMUM // 2} characters.")
    if not request.ssh or len(request.ssh) > SSH_MAXIMUM or too_long is not None:
        return
    try:
        given = sum(len(blocks(text, key)) for key, text in request.ssh.items())
        if given + len(request.ssh_keys) > KEYS_MAXIMUM:
            errors.check(False, "ssh", f"Give at most {KEYS_MAXIMUM} keys, all agents together.")
            return
        for key, text in request.ssh.items():
            read_ssh_keys(text, key)
    except InvalidArgument as error:
        errors.check(False, "ssh", f"{error.message[0].upper()}{error.message[1:]}.")


def _results(request: BuildRequest, errors: FieldErrors) -> None:
    errors.check(not request.push or bool(request.tags), "tags", "Give a name: it says where the image is pushed to.")
    errors.check(len(request.platforms) <= PLATFORMS_MAXIMUM, "platforms", f"Give at most {PLATFORMS_MAXIMUM}.")
    errors.check(not (request.platform and request.platforms), "platforms", "Give either one platform or several.")
    for text in request.platforms:
        try:
            Platform.parse(text)
        except InvalidArgument as error:
            errors.check(False, "platforms", error.message)
    errors.check(len(request.cache_from) <= TAGS_MAXIMUM, "cache_from", f"Give at most {TAGS_MAXIMUM} caches.")
    for text in request.cache_from:
        _reference(text, "cache_from", errors)
    if request.cache_to:
        parsed = _reference(request.cache_to, "cache_to", errors)
        is_tag = parsed is None or parsed.digest is None
        errors.check(is_tag, "cache_to", "A cache is exported under a tag, and no digest.")
    for name, words in CHOICES.items():
        errors.check(getattr(request, name) in words, name, f"Choose one of {', '.join(filter(None, words))}.")


def _reference(text: str, name: str, errors: FieldErrors) -> Reference | None:
    try:
        return Reference.parse(text.strip())
    except InvalidArgument as error:
        errors.check(False, name, error.message)
        return None


def _limits(request: BuildRequest, errors: FieldErrors) -> None:
    if request.platform:
        try:
            Platform.parse(request.platform)
        except InvalidArgument as error:
            errors.check(False, "platform", error.message)
    errors.check(
        request.memory_bytes is None or MEMORY_MINIMUM <= request.memory_bytes < 1 << 60,
        "memory_bytes",
        f"Give at least {MEMORY_MINIMUM} bytes.",
    )
    errors.check(request.cpus is None or 0.01 <= request.cpus <= 4096, "cpus", "Give a number from 0.01 to 4096.")
    epoch = request.source_date_epoch
    errors.check(
        epoch is None or 0 <= epoch <= EPOCH_MAXIMUM,
        "source_date_epoch",
        "Give seconds since 1970 (Unix time), such as 1700000000.",
    )
