"""The kernel's refusals in the engine's words."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from contextlib import contextmanager

from engine.errors import EngineError, PermissionDenied, Unavailable, Unsupported
from engine.network.netlink import NetlinkError

_FORBIDDEN = (errno.EPERM, errno.EACCES)
_UNKNOWN = (errno.EOPNOTSUPP, errno.EPROTONOSUPPORT, errno.EAFNOSUPPORT)


@contextmanager
def refusals_explained() -> Iterator[None]:
    """Turn a NetlinkError into PermissionDenied, Unsupported or Unavailable, which say what to do."""
    try:
        yield
    except NetlinkError as error:
        raise _explained(error) from error


def _explained(error: NetlinkError) -> EngineError:
    reason = f"{error.strerror} ({errno.errorcode.get(error.errno or 0, error.errno)})"
    if error.errno in _FORBIDDEN:
        return PermissionDenied(
            f"The kernel doesn't let this process configure networks: {reason}; run the worker as root, "
            "in a container with the NET_ADMIN capability"
        )
    if error.errno in _UNKNOWN:
        return Unsupported(
            f"This kernel lacks a part of bridge networks: {reason}; it needs bridge, veth and nf_tables with nat"
        )
    return Unavailable(f"The kernel refused a change of the network: {reason}; try again, or look at `dmesg`")
