"""What a container's network namespace has for its names: two sockets on 127.0.0.11, and a rule that leads to them.

The sockets have a port that the kernel chose, so port 53 stays free for a container that is a name server itself, even
on all addresses. Four rules of an nftables table there rewrite 53 to that port and back, packet by packet: without
connection tracking, which would cost memory and time for everything else that the container does.
"""

from __future__ import annotations

import ctypes
import errno
import os
import socket
import struct
from collections.abc import Callable
from typing import TypeVar

from engine.network import nftables as nft
from engine.network.netlink import NETLINK_NETFILTER, Message, Netlink, NetlinkError

ADDRESS = "127.0.0.11"
"""As in Docker: configurations of nginx and others name it."""
PORT = 53
_TABLE, _CHAIN = "portside_dns", "output"
_PRIORITY = -150
_BACKLOG = 64
_CLONE_NEWNET = 0x40000000
_CHECKSUM_OFFSETS = {socket.IPPROTO_UDP: 6, socket.IPPROTO_TCP: 16}
_ATTEMPTS = 16
T = TypeVar("T")


def sockets(namespace: int) -> tuple[socket.socket, socket.socket]:
    """Make both in the namespace of this descriptor, for UDP and TCP, and let port 53 lead to them from now on.

    What was there of a resolver before is replaced at once. Raises OSError.
    """
    return within(namespace, _make)


def within(namespace: int, work: Callable[[], T]) -> T:
    """Do `work` in another network namespace, and come back: for a process with a single thread, setns(2)."""
    own = os.open("/proc/self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
    try:
        _enter(namespace)
        try:
            return work()
        finally:
            _enter(own)
    finally:
        os.close(own)


def _enter(namespace: int) -> None:
    # os.setns came with Python 3.12.
    if ctypes.CDLL(None, use_errno=True).setns(namespace, _CLONE_NEWNET) != 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))


def _make() -> tuple[socket.socket, socket.socket]:
    udp, tcp = _pair()
    try:
        with Netlink(NETLINK_NETFILTER) as netlink:
            nft.commit(netlink, _table(udp.getsockname()[1]))
    except BaseException:
        udp.close()
        tcp.close()
        raise
    return udp, tcp


def _pair() -> tuple[socket.socket, socket.socket]:
    """A socket of each kind with the same port."""
    for _ in range(_ATTEMPTS):
        udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC)
        tcp = socket.socket(socket.AF_INET, socket.SOCK_STREAM | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC)
        try:
            udp.bind((ADDRESS, 0))
            tcp.bind((ADDRESS, udp.getsockname()[1]))
            tcp.listen(_BACKLOG)
        except OSError as error:
            udp.close()
            tcp.close()
            if error.errno != errno.EADDRINUSE:
                raise
        else:
            return udp, tcp
    raise OSError(errno.EADDRINUSE, "the container uses too many ports")


def _table(port: int) -> list[Message]:
    family = nft.IPV4
    there, here = struct.pack(">H", PORT), struct.pack(">H", port)
    rules = []
    for protocol, checksum in _CHECKSUM_OFFSETS.items():
        kind = [nft.meta(nft.META_L4PROTO), nft.equals(bytes([protocol]))]
        asked = [*_by_loopback(), nft.destination_address(nft.IPV4), nft.equals(socket.inet_aton(ADDRESS)), *kind]
        answered = [*_by_loopback(), nft.source_address(nft.IPV4), nft.equals(socket.inet_aton(ADDRESS)), *kind]
        for way, offset, before, after in ((asked, 2, there, here), (answered, 0, here, there)):
            found = nft.payload(nft.TRANSPORT_HEADER, offset, 2)
            written = nft.payload_write(nft.TRANSPORT_HEADER, offset, 2, checksum)
            rules.append(
                nft.rule(family, _TABLE, _CHAIN, [*way, found, nft.equals(before), nft.immediate(after), written])
            )
    return [
        nft.table(family, _TABLE),
        nft.table_delete(family, _TABLE),
        nft.table(family, _TABLE),
        nft.chain(family, _TABLE, _CHAIN, kind="filter", hook=nft.OUTPUT, priority=_PRIORITY),
        *rules,
    ]


def _by_loopback() -> list[bytes]:
    return nft.interface(nft.META_OIFNAME, "lo")


def is_there(namespace: int) -> bool:
    """Whether the rule still is: a container with the right to may have flushed it."""

    def look() -> bool:
        with Netlink(NETLINK_NETFILTER) as netlink:
            return nft.chain_policy(netlink, nft.IPV4, _TABLE, _CHAIN) is not None

    try:
        return within(namespace, look)
    except NetlinkError:
        return False
