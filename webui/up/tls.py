"""The site by TLS, on an address of its own: who has a certificate of the site's own authority may show it."""

from __future__ import annotations

import ssl
from collections.abc import Sequence
from pathlib import Path

from webui.certificates.authority import Authority

ALWAYS = ("localhost", "127.0.0.1", "::1")
_ANY = ("", "0.0.0.0", "::")  # noqa: S104 - told apart from addresses that a certificate can name


def context(home: Path, names: Sequence[str], host: str) -> ssl.SSLContext:
    """TLS 1.2 and later, with a certificate for `names`, `host` and this machine itself. Raises OSError, SSLError."""
    authority = Authority(home)
    wanted = tuple(dict.fromkeys((*names, *(() if host in _ANY else (host,)), *ALWAYS)))
    certificate, key = authority.server(wanted)
    found = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cadata=authority.ca_pem.decode())
    found.load_cert_chain(certificate, key)
    found.verify_mode = ssl.CERT_OPTIONAL  # a token will do as well
    found.minimum_version = ssl.TLSVersion.TLSv1_2
    found.set_alpn_protocols(["http/1.1"])
    return found
