"""How one registry is to be spoken to: as whom, how safely, and through which mirrors."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from engine.registry.auth import Credentials


@dataclass(frozen=True, slots=True)
class Access:
    """What an administrator has set for a registry; everything else is the safe default.

    `credentials` go to the registry (and its token server) alone, never to a mirror: `of_mirrors` has what is set for
    theirs, by the name in `mirrors`. `plain_http` speaks HTTP without
    TLS; `tls_verify=False` takes any certificate; `ca_pem` are certificates (PEM) to be trusted beside the machine's.
    `mirrors` are asked first for what is read, in order: `host[:port]`, or `https://…` or `http://…` with a path.
    """

    credentials: Credentials | None = None
    plain_http: bool = False
    tls_verify: bool = True
    ca_pem: str | None = field(default=None, repr=False)
    mirrors: tuple[str, ...] = ()
    of_mirrors: Mapping[str, Access] = field(default_factory=dict)

    def for_mirror(self, mirror: str) -> Access:
        """How one of `mirrors` is spoken to: by what is set for it, else as nobody, with the same certificates."""
        return self.of_mirrors.get(mirror) or replace(self, credentials=None, plain_http=False)


ANONYMOUS = Access()
