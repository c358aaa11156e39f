"""Errors as Docker answers them: one table from a family to a status, and `{"message": …}`.

Clients look for some sentences ("No such container: web"): those are made here.
"""

from __future__ import annotations

from collections.abc import Sequence

from engine.errors import AlreadyExists, EngineError, InvalidArgument, NotFound

STATUSES = {
    "not_found": 404,
    "already_exists": 409,
    "conflict": 409,
    "invalid_argument": 400,
    "permission_denied": 403,
    "unavailable": 503,
    "resource_exhausted": 409,
    "data_corrupt": 500,
    "unsupported": 501,
    "cancelled": 500,
    "internal": 500,
}


UNNAMED = "correct the marked fields"
"""How the site's messages end where forms mark the fields."""
_OPTIONS = {
    "annotations": "annotation",
    "device_cgroup_rules": "device-cgroup-rule",
    "devices": "device",
    "dns_options": "dns-option",
    "extra_hosts": "add-host",
    "healthcheck": "health-cmd, health-interval …",
    "labels": "label",
    "memory_bytes": "memory",
    "mounts": "mount",
    "networks": "network",
    "ports": "publish",
    "restart_limit": "restart",
    "sysctls": "sysctl",
    "ulimits": "ulimit",
    "volumes": "volume",
}
"""Fields whose option is another word; of others it is the same one with dashes."""


class Refusal(Exception):
    """An answer with this status and message, where no family says it."""

    def __init__(self, status: int, message: str, headers: Sequence[tuple[str, str]] = ()) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.headers = headers


def message_of(error: EngineError) -> str:
    """The text of the answer, which is all that clients show: it names wrong fields, as options of `docker run`."""
    fields = error.detail.get("fields")
    if not isinstance(fields, dict) or not fields:
        return error.message
    found = [(name, text) for name, texts in fields.items() for text in texts]
    what = error.message.removesuffix(UNNAMED)
    if what == error.message and found:  # the first of them is what the message says
        what = error.message.removesuffix(found[0][1])
    is_whole = what == "" and not isinstance(error, InvalidArgument)  # it says of itself what is in the way
    if what == error.message or is_whole:
        return error.message
    return what + "; ".join(f"{_option(name)}: {text.removesuffix('.')}" for name, text in found)


def _option(field: str) -> str:
    """A part of a field, as ports.0.address, is said by the whole option."""
    name = field.partition(".")[0]
    return _OPTIONS.get(name, name.replace("_", "-"))


def status_of(error: EngineError) -> int:
    return STATUSES.get(error.family, 500)


def no_such_container(name: str) -> NotFound:
    return NotFound(f"No such container: {name}")


def no_such_image(reference: str) -> NotFound:
    return NotFound(f"No such image: {reference}")


def no_such_network(name: str) -> NotFound:
    return NotFound(f"network {name} not found")


def no_such_volume(name: str) -> NotFound:
    return NotFound(f"get {name}: no such volume")


def no_such_exec(exec_id: str) -> NotFound:
    return NotFound(f"No such exec instance: {exec_id}")


def ambiguous(prefix: str) -> InvalidArgument:
    return InvalidArgument(f"Multiple IDs found with provided prefix: {prefix}")


def name_in_use(name: str, container_id: str) -> AlreadyExists:
    return AlreadyExists(
        f'Conflict. The container name "/{name}" is already in use by container "{container_id}". '
        "You have to remove (or rename) that container to be able to reuse that name."
    )
