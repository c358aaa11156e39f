"""--cap-add and --cap-drop: names as people write them → the capabilities that a container keeps."""

from __future__ import annotations

from collections.abc import Sequence

from engine.errors import InvalidArgument
from engine.oci.runtime_process import CAPABILITIES

ALL = "ALL"
DEFAULT = (
    "CHOWN", "DAC_OVERRIDE", "FOWNER", "FSETID", "KILL", "NET_BIND_SERVICE", "SETFCAP", "SETGID", "SETPCAP", "SETUID",
    "SYS_CHROOT",
)  # fmt: skip
"""What ours keep: Podman's eleven."""
DOCKER_DEFAULT = frozenset((*DEFAULT, "MKNOD", "NET_RAW", "AUDIT_WRITE"))
"""What Docker's keep (moby daemon/pkg/oci/caps/defaults.go): asking for these is nothing out of the ordinary."""


def name_of(text: str) -> str:
    """`cap_net_admin`, `NET_ADMIN` → NET_ADMIN; `all` → ALL. Raises InvalidArgument for what is none."""
    name = text.strip().upper().removeprefix("CAP_")
    if name != ALL and name not in CAPABILITIES:
        raise InvalidArgument(f"{text[:40]!r} is not a capability: give a name such as NET_ADMIN, or ALL")
    return name


def kept(add: Sequence[str], drop: Sequence[str], *, privileged: bool = False) -> tuple[str, ...]:
    """The names a container keeps, without CAP_, in the kernel's order. As moby's caps.TweakCapabilities:

    ALL added keeps all but those dropped; ALL dropped keeps only those added; else added wins over dropped.
    """
    added, dropped = {name_of(text) for text in add}, {name_of(text) for text in drop}
    if privileged:
        return CAPABILITIES
    if ALL in added:
        wanted = set(CAPABILITIES) - dropped
    elif ALL in dropped:
        wanted = added
    else:
        wanted = set(DEFAULT) - dropped | added
    return tuple(name for name in CAPABILITIES if name in wanted)
