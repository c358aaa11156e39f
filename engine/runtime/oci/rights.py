"""What a caller without the host's rights can have, and what is refused to it by its field before anything is made.

Three callers: the host's root; root of a user namespace of its own, as rootless podman and `unshare --map-root-user
--mount` make it; anybody else, who can't mount and therefore has no container. --rootless chooses nothing: rights are
what the kernel says, so a caller that calls itself root (`--rootless false`) gets no exceptions, and that is all.
"""

from __future__ import annotations

import os

from engine.runtime.capabilities import NUMBERS
from engine.runtime.wire import Failure

TYPE_CHECKING = False
if TYPE_CHECKING:
    from engine.oci.runtime_spec import Spec
    from engine.runtime.oci.groups.tree import Tree

_ALL_IDS = ["0", "0", "4294967295"]


def is_guest() -> bool:
    """Whether the caller's user namespace is not the host's: user_namespaces(7)."""
    with open("/proc/self/uid_map") as file:
        return file.read().split() != _ALL_IDS


def check(spec: Spec) -> None:
    """Raise Failure (family permission_denied) for what this caller can't have, whatever the machine is like."""
    if not may_mount():
        raise _no(
            "root.path",
            "mounting takes CAP_SYS_ADMIN, which this caller has not; run it as root, or as root of a user namespace "
            "of your own: unshare --user --map-root-user --mount",
        )
    if is_guest() and spec.linux.resources.devices:
        raise _no("linux.resources.devices", "a list of devices takes the host's rights; leave it out: in a user "
                  "namespace nobody makes device nodes")  # fmt: skip


def check_groups(tree: Tree) -> None:
    """Raise Failure if a guest may not make the container's groups, each where the last directory above is."""
    if not is_guest():
        return
    for directory in tree.directories():
        above = directory
        while not os.path.isdir(above):
            above = os.path.dirname(above)
        if not os.access(above, os.W_OK | os.X_OK):
            raise _no(
                "linux.cgroupsPath",
                f"{directory}: this caller makes no groups in {above}; name a group that is delegated to it",
            )


def may_mount() -> bool:
    """Whether this caller has CAP_SYS_ADMIN: the host's root, or root of a user namespace."""
    with open("/proc/self/status") as file:
        effective = next(int(line.split()[1], 16) for line in file if line.startswith("CapEff:"))
    return bool(effective >> NUMBERS["CAP_SYS_ADMIN"] & 1)


def _no(field: str, why: str) -> Failure:
    return Failure("permission_denied", f"{field}: {why}")
