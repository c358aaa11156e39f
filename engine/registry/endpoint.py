"""Where a registry is: host, scheme, and how far it may be trusted without TLS."""

from __future__ import annotations

import ipaddress
import ssl
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from urllib.parse import urlsplit

from engine.errors import InvalidArgument
from engine.oci.reference import DEFAULT_REGISTRY
from engine.registry.access import Access

_DOCKER_HUB = "registry-1.docker.io"


@dataclass(frozen=True, slots=True)
class Endpoint:
    """`host` is `name[:port]` as in a URL. `schemes` are to be tried in order; TLS is checked where `is_secure`.

    `ca_pem` are certificates to be trusted beside the machine's; `prefix` stands before `/v2/`; `namespace` is what a
    mirror is told about whose images are meant (`ns=`), empty for the registry itself.
    """

    host: str
    schemes: tuple[str, ...]
    is_secure: bool
    ca_pem: str | None = field(default=None, repr=False)
    prefix: str = ""
    namespace: str = ""

    @classmethod
    def of(cls, registry: str, insecure_registries: Sequence[str], access: Access | None = None) -> Endpoint:
        """The endpoint of a reference's registry. Plain HTTP is for those that are listed or set so, never for others.

        Listed ones may speak either, and are asked in plain HTTP first. Raises `InvalidArgument` for bad certificates.
        """
        access = access or Access()
        host = _DOCKER_HUB if registry == DEFAULT_REGISTRY else registry
        if access.plain_http:
            return cls(host, ("http",), False)
        if access.ca_pem:
            _check_certificates(access.ca_pem)
            return cls(host, ("https",), access.tls_verify, access.ca_pem)
        if is_insecure(host, insecure_registries):
            return cls(host, ("http", "https"), False)
        return cls(host, ("https",), access.tls_verify)

    @classmethod
    def of_mirror(
        cls, mirror: str, registry: str, insecure_registries: Sequence[str], access: Access | None = None
    ) -> Endpoint:
        """The endpoint of one of `access.mirrors`, which stands in for `registry`. Raises `InvalidArgument`."""
        scheme, separator, rest = mirror.partition("://")
        text = mirror if separator else f"//{mirror}"
        try:
            parts = urlsplit(text)
            host, is_address = parts.netloc.lower(), bool(parts.hostname) and (parts.port is None or parts.port > 0)
        except ValueError:
            host, is_address = "", False
        if (separator and scheme not in ("http", "https")) or not is_address or "@" in host or parts.query:
            shown = (rest or mirror).rpartition("@")[2][:80]  # a password may stand before it
            raise InvalidArgument(
                f"{shown!r} is not a mirror's address: write it as host:port or https://host/path, without a password",
                {"field": "mirrors"},
            )
        own = (access or Access()).for_mirror(mirror)
        if separator:
            own = replace(own, plain_http=scheme == "http")
        found = cls.of(host, insecure_registries, own)
        schemes = (scheme,) if separator else found.schemes
        return replace(found, schemes=schemes, prefix=parts.path.rstrip("/").removesuffix("/v2"), namespace=registry)

    @property
    def allows_plain(self) -> bool:
        """Whether anything of this registry (its token server, its redirects) may be without TLS."""
        return "http" in self.schemes

    def tls_context(self) -> ssl.SSLContext:
        """What its connections are checked by."""
        if not self.is_secure:  # without the machine's certificates, which take 20 ms and more to read
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
            return context
        context = ssl.create_default_context()
        if self.ca_pem:
            context.load_verify_locations(cadata=self.ca_pem)
        return context


def _check_certificates(pem: str) -> None:
    try:
        ssl.create_default_context().load_verify_locations(cadata=pem)
    except (ssl.SSLError, ValueError, TypeError) as error:
        raise InvalidArgument(
            "these are not certificates: paste PEM text, from -----BEGIN CERTIFICATE----- on", {"field": "ca_pem"}
        ) from error


def is_insecure(host: str, insecure_registries: Sequence[str]) -> bool:
    """Whether `host` is listed: by name, by `name:port`, or by a network that holds its literal address.

    Names are not resolved: who controls the DNS must not be able to take TLS away.
    """
    name = host[1:].partition("]")[0] if host.startswith("[") else host.partition(":")[0]
    for listed in insecure_registries:
        if listed.lower() in (host.lower(), name.lower()):
            return True
        if _holds(listed, name):
            return True
    return False


def _holds(network: str, address: str) -> bool:
    try:
        return ipaddress.ip_address(address) in ipaddress.ip_network(network, strict=False)
    except (ValueError, TypeError):
        return False
