"""What a policy allows of what else needs the right to loosen."""

from __future__ import annotations

import posixpath
from collections.abc import Sequence
from dataclasses import MISSING, fields, replace
from typing import Any, TypeVar

from engine.errors import InvalidArgument
from engine.options import mounts
from webui.policies.models import TeamPolicy

W = TypeVar("W")


def without_allowed(policy: TeamPolicy, wishes: W) -> W:
    """The same wishes (a dataclass of `ContainerOptions`) without what the policy allows: the rest needs the right."""
    found: Any = wishes
    changes: dict[str, Any] = {
        "volumes": [text for text in found.volumes if not _is_lent(policy, mounts.volume, text)],
        "mounts": [text for text in found.mounts if not _is_lent(policy, mounts.mount, text)],
        "devices": [text for text in found.devices if device_of(text) not in policy.devices],
        "cap_add": [name for name in found.cap_add if name.upper().removeprefix("CAP_") not in policy.capabilities],
    }
    if policy.privileged:
        changes["privileged"] = False
    for kind in policy.host_namespaces:
        if getattr(found, kind) == "host":
            changes[kind] = _usual(found, kind)
    return replace(found, **changes)


def lent_paths(policy: TeamPolicy, wishes: Any) -> bool:
    """Whether some of the mounts are of directories that the policy lends."""
    return any(_is_lent(policy, mounts.volume, text) for text in wishes.volumes) or any(
        _is_lent(policy, mounts.mount, text) for text in wishes.mounts
    )


def is_below(path: str, roots: Sequence[str]) -> bool:
    """Whether a clean path is one of the directories or below one."""
    clean = posixpath.normpath(path)
    return any(clean == root or clean.startswith(f"{root}/") for root in roots)


def device_of(text: str) -> str:
    """The host's path in `/dev/fuse:/dev/inside:rwm`."""
    return posixpath.normpath(text.partition(":")[0])


def _is_lent(policy: TeamPolicy, read: Any, text: str) -> bool:
    try:
        found = read(text)
    except InvalidArgument:
        return False  # that is told elsewhere
    # A shared mount would let what is mounted inside appear on the host.
    is_private = found.propagation in ("private", "rprivate", "slave", "rslave")
    return found.kind == mounts.BIND and is_private and is_below(found.source, policy.bind_paths)


def _usual(wishes: Any, name: str) -> Any:
    field = next(one for one in fields(wishes) if one.name == name)
    return field.default if field.default is not MISSING else None
