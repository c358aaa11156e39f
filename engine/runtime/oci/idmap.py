"""Idmapped mounts: files keep their owners on disk and show others in the container (mount_setattr(2)).

The kernel takes the mapping from a user namespace, so a process is made that does nothing but own one.
"""

from __future__ import annotations

import errno
import os

from engine.runtime import kernel
from engine.runtime import users as owners
from engine.runtime.wire import Failure

TYPE_CHECKING = False
if TYPE_CHECKING:
    from engine.oci.runtime_linux import IDMapping


def lines(mappings: tuple[IDMapping, ...]) -> str:
    """user_namespaces(7), uid_map."""
    return "".join(f"{m.container_id} {m.host_id} {m.size}\n" for m in mappings)


def write_maps(pid: int, users: tuple[IDMapping, ...], groups: tuple[IDMapping, ...], field: str) -> None:
    """Give the user namespace of `pid` its mappings; Failure names the field that the kernel refuses."""
    for name, mappings, key in (("gid_map", groups, "gidMappings"), ("uid_map", users, "uidMappings")):
        try:
            fd = os.open(f"/proc/{pid}/{name}", os.O_WRONLY | os.O_CLOEXEC)
            try:
                os.write(fd, lines(mappings).encode())
            finally:
                os.close(fd)
        except OSError as error:
            hint = "; each hostID must be mapped where this caller lives" if error.errno == errno.EPERM else ""
            raise Failure(
                "invalid_argument", f"{field}.{key}: the kernel refuses them: {error.strerror}{hint}"
            ) from None


def namespace(users: tuple[IDMapping, ...], groups: tuple[IDMapping, ...], field: str) -> int:
    """A descriptor of a user namespace with these mappings, in which nobody lives."""
    return owners.namespace(lambda pid: write_maps(pid, users, groups, field))


def outside(mappings: tuple[IDMapping, ...], number: int) -> int:
    """A container's id as the host's; -1, for no change, where it is nobody's or another namespace's own affair."""
    for mapping in mappings:
        if mapping.container_id <= number < mapping.container_id + mapping.size:
            return mapping.host_id + number - mapping.container_id
    return -1


def apply(tree: int, users: int, *, recursive: bool, field: str) -> None:
    """Map the owners in the detached `tree` by what `namespace` returned; a containerID is one on disk here."""
    try:
        kernel.mount_setattr(tree, kernel.MOUNT_ATTR_IDMAP, recursive=recursive, users=users)
    except OSError as error:
        raise Failure(
            "unsupported", f"{field}.uidMappings: this file system can't be mounted with other owners: {error.strerror}"
        ) from None
