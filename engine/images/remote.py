"""Questions to registries that fetch nothing: what a name stands for now, and whether a registry lets one in."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import dataclass, replace

from engine.config import EngineConfig
from engine.errors import Cancelled, EngineError, InvalidArgument, NotFound
from engine.images.pull import resolve
from engine.oci.digest import Digest
from engine.oci.image_config import ImageConfig
from engine.oci.manifest import Index, parse
from engine.oci.platform import Platform
from engine.oci.reference import DEFAULT_REGISTRY, InvalidReference, Reference
from engine.registry import searching
from engine.registry.access import Access
from engine.registry.client import RegistryClient
from engine.registry.endpoint import Endpoint
from engine.registry.limits import RateLimit
from engine.registry.listing import Referrer
from engine.registry.searching import Repository
from engine.registry.transport import Call, Transport

_HUB_SEARCH = "index.docker.io"
# What Docker's documentation names for looking at the limit without using any of it up.
_LIMIT_PROBE = ("/v2/ratelimitpreview/test/manifests/latest", "repository:ratelimitpreview/test:pull")


@dataclass(frozen=True, slots=True)
class RemoteImage:
    """`digest` of the manifest or index that a name stands for; `rate_limit` as the registry told it with that."""

    digest: Digest
    rate_limit: RateLimit | None


@dataclass(frozen=True, slots=True, kw_only=True)
class RemoteManifest:
    """A manifest or index at its registry. `platforms`: os, architecture, variant (or "") of its images."""

    media_type: str
    digest: str
    size: int
    platforms: tuple[Mapping[str, str], ...]


@dataclass(frozen=True, slots=True)
class RegistryAnswer:
    """`ok`: one may pull and push as `user` (None: as nobody in particular). `message` says it in words."""

    ok: bool
    message: str
    user: str | None
    rate_limit: RateLimit | None


def remote(config: EngineConfig, reference: str, access: Access | None) -> RemoteImage:
    """Ask with HEAD, which registries don't count as a pull. Raises as `RegistryClient.digest`, `InvalidReference`."""
    name = Reference.parse(reference)
    with RegistryClient(config, name, access) as client:
        return RemoteImage(client.digest(name.identifier), client.rate_limit)


def platform_digest(
    config: EngineConfig, reference: str, access: Access | None, platform: Platform, stop: threading.Event
) -> Digest:
    """Of the manifest that a name stands for on this platform. Raises as `remote`, and `PlatformMissing`."""
    name = Reference.parse(reference)
    with RegistryClient(config, name, access, stop) as client:
        return resolve(client, None, name, platform).documents[-1].digest


def manifest(config: EngineConfig, reference: str, access: Access | None) -> RemoteManifest:
    """What a name stands for, looked at. Raises as `remote`, `InvalidDocument`, `Unsupported`."""
    name = Reference.parse(reference)
    with RegistryClient(config, name, access) as client:
        found = client.manifest(name.identifier)
        parsed = parse(found.data, found.content_type)
        if isinstance(parsed, Index):
            named = [one.platform for one in parsed.manifests if one.platform is not None]
        else:
            named = [ImageConfig.parse(client.config(parsed.config)).platform]
    return RemoteManifest(
        media_type=parsed.media_type or found.content_type,
        digest=str(found.digest),
        size=len(found.data),
        platforms=tuple({"os": one.os, "architecture": one.architecture, "variant": one.variant} for one in named),
    )


def tags(config: EngineConfig, reference: str, access: Access | None) -> list[str]:
    """All tags of a repository. Raises as `RegistryClient.tags`, `InvalidReference`."""
    with RegistryClient(config, Reference.parse(reference), access) as client:
        return client.tags()


def referrers(config: EngineConfig, reference: str, access: Access | None, artifact_type: str = "") -> list[Referrer]:
    """What refers to the manifest or index that a name stands for. Raises as `remote`, and `InvalidDocument`."""
    name = Reference.parse(reference)
    with RegistryClient(config, name, access) as client:
        return client.referrers(name.digest or client.digest(name.identifier), artifact_type)


def search(config: EngineConfig, term: str, access: Access | None, limit: int) -> list[Repository]:
    """Repositories whose names contain `term`, which may begin with a registry: `registry.example.com/app`.

    Raises as `searching.search`, `InvalidArgument`.
    """
    host, _, rest = term.partition("/")
    is_named = bool(rest) and (host == "localhost" or any(sign in host for sign in ".:"))
    registry = _registry(host) if is_named else DEFAULT_REGISTRY
    access = access or Access()
    # Docker Hub is searched by another name than the one that it serves images under.
    place = _HUB_SEARCH if registry == DEFAULT_REGISTRY else registry
    transport = Transport(Endpoint.of(place, config.insecure_registries, access), access.credentials, attempts=2)
    try:
        found = searching.search(transport, rest if is_named else term, limit)
    finally:
        transport.close()
    return [replace(one, name=f"{host}/{one.name}") for one in found] if is_named else found


def try_registry(config: EngineConfig, registry: str, access: Access | None) -> RegistryAnswer:
    """Sign in and ask for nothing. Raises `InvalidArgument` when `registry` is no `host[:port]`, or `access` wrong."""
    access = access or Access()
    host = _registry(registry)
    endpoints = [Endpoint.of_mirror(mirror, host, config.insecure_registries, access) for mirror in access.mirrors]
    found = _try(Endpoint.of(host, config.insecure_registries, access), access, host == DEFAULT_REGISTRY)
    for name, mirror in zip(access.mirrors, endpoints, strict=True):
        answer = _try(mirror, access.for_mirror(name), False)
        if not answer.ok:
            found = replace(found, ok=False, message=f"{found.message}; mirror {mirror.host}: {answer.message}")
    return found


def _registry(text: str) -> str:
    try:
        name = Reference.parse(f"{text.strip()}/name/of")
    except InvalidReference as error:
        raise InvalidArgument(
            f"{text[:80]!r} is not a registry: write it as host or host:port", {"field": "registry"}
        ) from error
    if name.repository != "name/of":
        raise InvalidArgument(
            f"{text[:80]!r} is not a registry: write it as host or host:port, with a dot or a port in it",
            {"field": "registry"},
        )
    return name.registry


def _try(endpoint: Endpoint, access: Access, has_limit: bool) -> RegistryAnswer:
    transport = Transport(endpoint, access.credentials, attempts=2)
    try:
        transport.answer(Call("GET", "/v2/"))
        if has_limit:
            path, scope = _LIMIT_PROBE
            transport.answer(Call("HEAD", path, (scope,), {"Accept": "*/*"}))
    except Cancelled:
        raise
    except NotFound:
        return RegistryAnswer(False, f"{endpoint.host} answers, but is no registry", None, None)
    except EngineError as error:
        return RegistryAnswer(False, error.message, None, transport.rate_limit)
    finally:
        transport.close()
    user = access.credentials.username if access.credentials and transport.was_challenged else None
    return RegistryAnswer(True, _in_words(endpoint.host, user, access, transport), user, transport.rate_limit)


def _in_words(host: str, user: str | None, access: Access, transport: Transport) -> str:
    if user is not None:
        return f"{host} knows {user}"
    if access.credentials is not None:
        return f"{host} answers and asks nobody who they are: user name and password were not checked"
    return f"{host} answers" + (", also to anonymous users" if transport.was_challenged else "")
