"""What goes with a task beside its command, and is written down neither by the site nor by the worker."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class RegistrySecrets:
    """How the registry of the command's reference is to be spoken to: as whom, how safely, through which mirrors.

    Without `username` as nobody. `plain_http`: without TLS; `ca_pem`: certificates to be trusted as well; without
    `tls_verify` any is. `mirrors` are asked first for what is read: as what is stored for their own hosts, which
    `of_mirrors` has by their names here, also as `RegistrySecrets`; without that as nobody.
    """

    username: str = ""
    password: str = field(default="", repr=False)
    plain_http: bool = False
    tls_verify: bool = True
    ca_pem: str | None = None
    mirrors: tuple[str, ...] = ()
    of_mirrors: Mapping[str, Mapping[str, Any]] = field(default_factory=dict, repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class BackupSecrets:
    """The keys of S3-compatible storage."""

    access_key: str = ""
    secret_key: str = field(default="", repr=False)
