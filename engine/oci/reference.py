"""References: what people type to name an image, `[registry[:port]/]repository[:tag][@digest]`.

The grammar and the defaults are Docker's (github.com/distribution/reference): `alpine` means
`docker.io/library/alpine:latest`. A reference is parsed once, at the edge.
"""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass

from engine.errors import InvalidArgument, Unsupported
from engine.oci.digest import Digest, InvalidDigest

DEFAULT_REGISTRY = "docker.io"
DEFAULT_TAG = "latest"
_OFFICIAL = "library/"
_MAX_TEXT = 1024
_MAX_NAME = 255

_COMPONENT = re.compile(r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*\Z")
_TAG = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}\Z")
_LABEL = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?\Z")
_PORT = re.compile(r"[0-9]{1,5}\Z")
_IDENTIFIER = re.compile(r"[0-9a-f]{64}\Z")


class InvalidReference(InvalidArgument):
    """The text does not name an image."""


@dataclass(frozen=True, slots=True)
class Reference:
    """A parsed reference; `tag` and `digest` may both be set, at least one of them always is."""

    registry: str
    repository: str
    tag: str | None = None
    digest: Digest | None = None

    @classmethod
    def parse(cls, text: str) -> Reference:
        """Parse what a person or a file said. Raises `InvalidReference` with what is wrong and how to say it."""
        if not isinstance(text, str) or not text:
            raise InvalidReference("an image name is needed, for example alpine or registry.example.com/team/app:1.0")
        if len(text) > _MAX_TEXT:
            raise InvalidReference(f"an image name has at most {_MAX_TEXT} characters, this one has {len(text)}")
        _refuse_odd_characters(text)
        rest, at, digest_text = text.partition("@")
        digest = _digest(text, digest_text) if at else None
        rest, tag = _split_tag(text, rest)
        registry, repository = _split_registry(text, rest)
        _check_repository(text, registry, repository)
        if tag is None and digest is None:
            tag = DEFAULT_TAG
        return cls(registry, repository, tag, digest)

    @property
    def name(self) -> str:
        """Registry and repository, without tag and digest."""
        return f"{self.registry}/{self.repository}"

    @property
    def identifier(self) -> str:
        """What to ask the registry for: the digest if there is one, else the tag."""
        return self.digest or self.tag or DEFAULT_TAG

    @property
    def familiar(self) -> str:
        """As people write it: without Docker's defaults for registry and namespace."""
        return self._suffixed(self.familiar_name)

    @property
    def familiar_name(self) -> str:
        """`familiar` without tag and digest."""
        if self.registry != DEFAULT_REGISTRY:
            return self.name
        official = self.repository.removeprefix(_OFFICIAL)
        name = self.repository if "/" in official else official
        # What looks like a registry of its own would be taken for one: Docker Hub's localhost/app.
        return self.name if _names_registry(name) else name

    def tagged(self) -> Reference:
        """The same without its digest (with the default tag if it has none)."""
        return Reference(self.registry, self.repository, self.tag or DEFAULT_TAG)

    def pinned(self, digest: Digest) -> Reference:
        """The same repository at `digest`, without a tag."""
        return Reference(self.registry, self.repository, None, digest)

    def _suffixed(self, name: str) -> str:
        return name + (f":{self.tag}" if self.tag else "") + (f"@{self.digest}" if self.digest else "")

    def __str__(self) -> str:
        return self._suffixed(self.name)


def repository_matches(pattern: str, repository: str) -> bool:
    """`registry/team/*` means all that begins with `registry/team/`, anything else itself alone."""
    return repository.startswith(pattern[:-1]) if pattern.endswith("/*") else repository == pattern


def _refuse_odd_characters(text: str) -> None:
    for character in text:
        if not ("!" <= character <= "~"):
            shown = "a space" if character == " " else repr(character)
            raise InvalidReference(f"{_shown(text)} is not an image name: it contains {shown}")
    if "://" in text:
        raise InvalidReference(
            f"{_shown(text)} is not an image name: leave out {text.partition('://')[0][:20]}:// and start with the host"
        )


def _digest(text: str, digest: str) -> Digest:
    try:
        return Digest.parse(digest)
    except (InvalidDigest, Unsupported) as error:
        raise InvalidReference(f"{_shown(text)} is not an image name: {error.message}") from error


def _split_tag(text: str, rest: str) -> tuple[str, str | None]:
    colon = rest.rfind(":")
    if colon < 0 or "/" in rest[colon:] or (rest.startswith("[") and "/" not in rest):
        return rest, None
    tag = rest[colon + 1 :]
    if not _TAG.match(tag):
        raise InvalidReference(
            f"{_shown(text)} is not an image name: a tag has 1 to 128 letters, digits, _ . - and starts with no . or -"
        )
    return rest[:colon], tag


def _split_registry(text: str, rest: str) -> tuple[str, str]:
    first, slash, path = rest.partition("/")
    if not _names_registry(rest):
        return DEFAULT_REGISTRY, rest if slash else _OFFICIAL + rest
    _check_host(text, first)
    registry = first.lower()
    if registry in ("index.docker.io", "registry-1.docker.io"):
        registry = DEFAULT_REGISTRY
    if registry == DEFAULT_REGISTRY and "/" not in path:
        path = _OFFICIAL + path
    return registry, path


def _names_registry(name: str) -> bool:
    first, slash, _ = name.partition("/")
    return bool(slash) and (first == "localhost" or any(c in first for c in ".:["))


def _check_host(text: str, host: str) -> None:
    name, port = host, None
    if host.startswith("["):
        name, bracket, port_text = host[1:].partition("]")
        port = port_text.removeprefix(":") if port_text else None
        if not bracket or (port_text and not port_text.startswith(":")) or not _is_ipv6(name):
            raise InvalidReference(f"{_shown(text)} is not an image name: {host[:80]!r} is not an IPv6 address")
    else:
        name, colon, port_text = host.partition(":")
        port = port_text if colon else None
        if len(name) > 253 or not all(_LABEL.match(label) for label in name.split(".")):
            raise InvalidReference(f"{_shown(text)} is not an image name: {host[:80]!r} is not a registry's host name")
    if port is not None and not (_PORT.match(port) and 0 < int(port) < 65536):
        raise InvalidReference(f"{_shown(text)} is not an image name: {port[:20]!r} is not a port")


def _is_ipv6(text: str) -> bool:
    try:
        return "%" not in text and ipaddress.ip_address(text).version == 6
    except ValueError:
        return False


def _check_repository(text: str, registry: str, repository: str) -> None:
    path = repository.removeprefix(_OFFICIAL) if registry == DEFAULT_REGISTRY else repository
    if repository != repository.lower():
        raise InvalidReference(f"{_shown(text)} is not an image name: it must be in lower case, as {path.lower()[:80]}")
    if not all(_COMPONENT.match(part) for part in repository.split("/")):
        raise InvalidReference(
            f"{_shown(text)} is not an image name: use a-z and 0-9, single . or _ or - between them, / between parts"
        )
    if len(registry) + 1 + len(repository) > _MAX_NAME:
        raise InvalidReference(
            f"{_shown(text)} is too long: registry and repository have at most {_MAX_NAME} characters"
        )
    if registry == DEFAULT_REGISTRY and _IDENTIFIER.match(path):
        raise InvalidReference(f"{_shown(text)} looks like an image id: an id is known only on the host that has it")


def _shown(text: str) -> str:
    return ascii(text if len(text) <= 80 else text[:77] + "...")
