"""What is set inside new namespaces: the loopback and the kernel settings of their own."""

from __future__ import annotations

import fcntl
import socket
import struct

from engine.runtime import procfs
from engine.runtime.wire import Failure


def loopback_up() -> None:
    """In this process's network namespace. netdevice(7): SIOCSIFFLAGS, IFF_UP."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as control:
        fcntl.ioctl(control, 0x8914, struct.pack("16sH14x", b"lo", 1))


def set_sysctls(values: dict[str, str]) -> None:
    """Names as in the specification's `linux.sysctl`, dots between; Failure for one that the kernel refuses."""
    for name, value in values.items():
        try:
            procfs.write(f"sys/{name.replace('.', '/')}", value)
        except OSError as error:
            raise Failure("invalid_argument", f"linux.sysctl: {name} = {value}: {error.strerror}") from None
