"""`linux.netDevices`: devices of the host that move into the container's network namespace.

Name, addresses of global scope and being up go with them (config-linux.md "Network Devices"). Raw netlink:
rtnetlink(7), linux/if_link.h, linux/if_addr.h.
"""

from __future__ import annotations

import os

from engine.bare import socket, struct
from engine.runtime import kernel
from engine.runtime.oci import namespaces
from engine.runtime.wire import Failure

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from engine.oci.runtime_linux import NetDevice

_RTM_NEWLINK, _RTM_NEWADDR, _RTM_GETADDR = 16, 20, 22
_REQUEST, _ACK, _DUMP, _CREATE, _EXCL = 0x1, 0x4, 0x300, 0x400, 0x200
_IFLA_IFNAME, _IFLA_NET_NS_FD = 3, 28
_PERMANENT, _UP = 0x80, 1
_DONE, _ERROR = 3, 2


def move(devices: dict[str, NetDevice], pid: int) -> None:
    """Move each device of the caller's namespace into that of `pid`. Failure names the one that can't be."""
    home = os.open(f"/proc/{pid}/ns/net", os.O_RDONLY | os.O_CLOEXEC)
    try:
        for name, device in devices.items():
            try:
                _move(name, device.name or name, home)
            except OSError as error:
                raise Failure("unsupported", f"linux.netDevices[{name!r}]: {error.strerror}") from None
    finally:
        os.close(home)


def _move(name: str, new_name: str, home: int) -> None:
    index = socket.if_nametoindex(name)
    with open(f"/sys/class/net/{name}/flags") as file:
        was_up = int(file.read(), 16) & _UP
    with _netlink() as link:
        addresses = list(_addresses(link, index))
        body = struct.pack("=BxHiII", 0, 0, index, 0, _UP)  # down, so that it can be renamed
        body += _attribute(_IFLA_NET_NS_FD, struct.pack("=I", home))
        body += _attribute(_IFLA_IFNAME, new_name.encode() + b"\0")
        _ask(link, _RTM_NEWLINK, _REQUEST | _ACK, body)

    def settle() -> None:
        kernel.setns(home, namespaces.FLAGS["network"])
        with _netlink() as inside:
            there = socket.if_nametoindex(new_name)
            for family, prefix, scope, attributes in addresses:
                head = struct.pack("=BBBBI", family, prefix, _PERMANENT, scope, there)
                _ask(inside, _RTM_NEWADDR, _REQUEST | _ACK | _CREATE | _EXCL, head + attributes)
            if was_up:
                _ask(inside, _RTM_NEWLINK, _REQUEST | _ACK, struct.pack("=BxHiII", 0, 0, there, _UP, _UP))

    namespaces.through_helper(settle, lambda *_: 1)


def _netlink() -> socket.socket:
    link = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, 0)
    link.bind((0, 0))
    return link


def _attribute(kind: int, data: bytes) -> bytes:
    return (struct.pack("=HH", len(data) + 4, kind) + data).ljust((len(data) + 7) & ~3, b"\0")


def _send(link: socket.socket, kind: int, flags: int, body: bytes) -> None:
    link.send(struct.pack("=IHHII", 16 + len(body), kind, flags, 1, 0) + body)


def _messages(data: bytes) -> Iterator[tuple[int, bytes]]:
    while len(data) >= 16:
        length, kind = struct.unpack_from("=IH", data)
        yield kind, data[16:length]
        data = data[(length + 3) & ~3 :]


def _ask(link: socket.socket, kind: int, flags: int, body: bytes) -> None:
    _send(link, kind, flags, body)
    for answer, content in _messages(link.recv(65536)):
        if answer == _ERROR:
            number = -struct.unpack_from("=i", content)[0]
            if number:
                raise OSError(number, os.strerror(number))


def _addresses(link: socket.socket, index: int) -> Iterator[tuple[int, int, int, bytes]]:
    """(family, prefix length, scope, raw attributes) of the lasting addresses of global scope."""
    _send(link, _RTM_GETADDR, _REQUEST | _DUMP, struct.pack("=BBBBI", 0, 0, 0, 0, 0))
    while True:
        for kind, content in _messages(link.recv(65536)):
            if kind == _DONE:
                return
            if kind != _RTM_NEWADDR:
                continue
            family, prefix, flags, scope, owner = struct.unpack_from("=BBBBI", content)
            if owner == index and scope == 0 and flags & _PERMANENT:
                yield family, prefix, scope, _kept(content[8:])


def _kept(attributes: bytes) -> bytes:
    """IFA_ADDRESS, IFA_LOCAL, IFA_BROADCAST; a label would name the old device."""
    kept = b""
    while len(attributes) >= 4:
        length, kind = struct.unpack_from("=HH", attributes)
        if kind in (1, 2, 4):
            kept += _attribute(kind, attributes[4:length])
        attributes = attributes[max((length + 3) & ~3, 4) :]
    return kept
