"""What the function of a command is given besides the command."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from worker.contract.secrets import RegistrySecrets
from worker.contract.wire import from_wire

ProgressCallback = Callable[[str, Sequence[Any]], None]


@dataclass(frozen=True, slots=True)
class Context:
    """What a command's function needs besides the command. `attempt` above 1 means an earlier worker died.

    `job_id` is the engine's name for what is asked: a start that was done before that death is not done again.
    `known`: what belongs into the job's result even if it fails. `is_handed_on()`: whether a cancel means that this
    worker stops, and the next one does the command again.
    """

    engine: Any
    progress: ProgressCallback
    cancel: threading.Event
    secrets: Mapping[str, Any] | None
    attempt: int = 1
    job_id: str = ""
    known: dict[str, Any] = field(default_factory=dict)
    is_handed_on: Callable[[], bool] = lambda: False

    @property
    def access(self) -> Any:
        """How the command's registry is to be spoken to, `contract.secrets.RegistrySecrets` on the wire."""
        return None if not self.secrets else access_of(from_wire(RegistrySecrets, self.secrets))

    @property
    def accesses(self) -> dict[str, Any]:
        """The same by registry, of a command that may speak to several."""
        return accesses_of((self.secrets or {}).get("registries", {}))


def accesses_of(registries: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """The engine's form of what the site knows of registries, `RegistrySecrets` on the wire by their names."""
    return {name: access_of(from_wire(RegistrySecrets, secrets)) for name, secrets in registries.items()}


def access_of(secrets: RegistrySecrets) -> Any:
    """The engine's form of what the site knows of a registry."""
    from engine.registry.access import Access
    from engine.registry.auth import Credentials

    return Access(
        credentials=Credentials(secrets.username, secrets.password) if secrets.username else None,
        plain_http=secrets.plain_http,
        tls_verify=secrets.tls_verify,
        ca_pem=secrets.ca_pem,
        mirrors=secrets.mirrors,
        of_mirrors={name: access_of(from_wire(RegistrySecrets, own)) for name, own in secrets.of_mirrors.items()},
    )
