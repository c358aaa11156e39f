"""A team's policy, and reading what people write of one."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Mapping, Sequence
from typing import Any

from engine.errors import InvalidArgument
from engine.oci.runtime_process import CAPABILITIES
from webui.accounts.models import Team
from webui.policies.models import LIMITS, NAMESPACES, TeamPolicy
from webui.prepared import Prepared

ENTRIES_MAXIMUM = 50
MEMORY_MINIMUM = 6 << 20
LOOSENING = ("bind_paths", "privileged", "host_namespaces", "capabilities", "devices")
TIGHTENING = (
    *("images", "signed_images", "signing_keys", "port_ranges", "must_limit"),
    *("memory_maximum_bytes", "cpus_maximum", "pids_maximum"),
)
QUOTAS = (
    *("host_memory_bytes", "host_cpus", "host_pids"),
    *("containers_quota", "volumes_quota", "networks_quota", "disk_quota_bytes"),
)
FIELDS = (*LOOSENING, *TIGHTENING, *QUOTAS)
_RANGE = re.compile(r"([0-9]{1,5})(?:-([0-9]{1,5}))?")
_OF_TEAM = Prepared(TeamPolicy.objects.all(), "team_id")
_REPOSITORY = re.compile(r"[a-z0-9][a-z0-9.:_-]*(/[a-z0-9._-]+)*(/\*)?")


def policy_of(team: Team) -> TeamPolicy:
    """The team's policy; one that changes nothing if there is none yet."""
    return _OF_TEAM.first(team.pk) or TeamPolicy(team=team)


def changes_read(given: Mapping[str, Any]) -> dict[str, Any]:
    """The fields as they are kept. Raises InvalidArgument with each field that is wrong."""
    found: dict[str, Any] = {}
    wrong: dict[str, list[str]] = {}
    for name, value in given.items():
        try:
            found[name] = _READERS[name](value)
        except ValueError as error:
            wrong[name] = [str(error)]
    if wrong:
        raise InvalidArgument("the policy can't be like this: correct the marked fields", {"fields": wrong})
    return found


def ports_of(text: str) -> tuple[int, int]:
    """`8080` or `8000-8999`. Raises ValueError."""
    match = _RANGE.fullmatch(text.strip())
    first, last = (0, 0) if match is None else (int(match[1]), int(match[2] or match[1]))
    if not 0 < first <= last < 65536:
        raise ValueError(f"{text[:20]!r} is no range of ports: write 8080 or 8000-8999.")
    return first, last


def _list_of(values: Sequence[str], read: Any) -> list[str]:
    texts = [text for text in (value.strip() for value in values) if text]
    if len(texts) > ENTRIES_MAXIMUM:
        raise ValueError(f"Give at most {ENTRIES_MAXIMUM}.")
    return list(dict.fromkeys(read(text) for text in texts))


def _path(text: str) -> str:
    clean = posixpath.normpath(text)
    if not text.startswith("/") or "\0" in text or len(text) > 1024 or clean.startswith("//"):
        raise ValueError(f"{text[:60]!r} is no absolute path: write one such as /srv/data.")
    if clean == "/":
        raise ValueError("The whole host can't be allowed: name directories.")
    if clean in ("/proc", "/sys", "/dev", "/run", "/var/run") or clean.startswith(("/proc/", "/sys/", "/dev/")):
        raise ValueError(f"{clean} is the kernel's and the host's own: it can't be allowed.")
    return clean


def _device(text: str) -> str:
    clean = posixpath.normpath(text)
    if not clean.startswith("/dev/") or "\0" in text:
        raise ValueError(f"{text[:60]!r} is no device: write one such as /dev/fuse.")
    return clean


def _capability(text: str) -> str:
    name = text.upper().removeprefix("CAP_")
    if name not in CAPABILITIES:
        raise ValueError(f"{text[:40]!r} is no capability: write one such as NET_ADMIN.")
    return name


def _repository(text: str) -> str:
    if not _REPOSITORY.fullmatch(text) or len(text) > 300:
        raise ValueError(f"{text[:60]!r} names no repositories: write docker.io/library/* or registry.example.com/app.")
    return text


def _range(text: str) -> str:
    first, last = ports_of(text)
    return str(first) if first == last else f"{first}-{last}"


def _one_of(choices: Sequence[str]) -> Any:
    def read(text: str) -> str:
        if text not in choices:
            raise ValueError(f"Choose of {', '.join(choices)}.")
        return text

    return read


def _lists(read: Any) -> Any:
    return lambda values: _list_of(values, read)


def _number(least: float) -> Any:
    def read(value: Any) -> Any:
        if value is None:
            return None
        if not least <= value < 1 << 60:
            raise ValueError(f"Give {least:g} or more, or leave it empty for no limit.")
        return value

    return read


_READERS: dict[str, Any] = {
    "bind_paths": _lists(_path),
    "privileged": bool,
    "host_namespaces": _lists(_one_of(NAMESPACES)),
    "capabilities": _lists(_capability),
    "devices": _lists(_device),
    "images": _lists(_repository),
    "signed_images": bool,
    "signing_keys": _lists(str),
    "port_ranges": _lists(_range),
    "must_limit": _lists(_one_of(LIMITS)),
    "memory_maximum_bytes": _number(MEMORY_MINIMUM),
    "cpus_maximum": _number(0.01),
    "pids_maximum": _number(1),
    "host_memory_bytes": _number(16 << 20),
    "host_cpus": _number(0.01),
    "host_pids": _number(16),
    "containers_quota": _number(0),
    "volumes_quota": _number(0),
    "networks_quota": _number(0),
    "disk_quota_bytes": _number(0),
}
