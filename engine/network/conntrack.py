"""The kernel's memory of UDP flows, which outlives what it was made for (linux/netfilter/nfnetlink_conntrack.h).

A flow keeps the translation it began with for as long as packets come. A client that goes on sending from the
same port would reach a container that is gone, or never one that came later: such flows must be forgotten.
"""

from __future__ import annotations

import errno
import socket
import struct
from collections.abc import Collection
from ipaddress import IPv4Address, IPv6Address

from engine.network.netlink import Message, Netlink, NetlinkError, nested, parse

_SUBSYSTEM = 1
_GET, _DELETE = 1, 2
_TUPLE_ORIGINAL, _TUPLE_REPLY = 1, 2
_TUPLE_ADDRESSES, _TUPLE_PROTOCOL = 1, 2
_SOURCE, _DESTINATION = {4: 1, 6: 3}, {4: 2, 6: 4}
_PROTOCOL_NUMBER, _DESTINATION_PORT = 1, 3
_UDP = 17


def forget_udp_flows(netlink: Netlink, ports: Collection[int], target: IPv4Address | IPv6Address) -> int:
    """Forget UDP flows to `ports` of this host that lead to `target` or are not translated at all.

    `netlink` is an nfnetlink socket. Returns how many there were.
    """
    header = struct.pack(">BBH", socket.AF_INET if target.version == 4 else socket.AF_INET6, 0, 0)
    stale = []
    for body in netlink.dump(_SUBSYSTEM << 8 | _GET, header):
        flow = parse(body[4:])
        original = flow[_TUPLE_ORIGINAL]
        if _leads_to(original, flow[_TUPLE_REPLY], ports, target):
            stale.append(Message(_SUBSYSTEM << 8 | _DELETE, 0, header + nested(_TUPLE_ORIGINAL, original)))
    for message in stale:
        try:
            netlink.send([message])
        except NetlinkError as error:
            if error.errno != errno.ENOENT:  # it ended by itself meanwhile
                raise
    return len(stale)


def _leads_to(original: bytes, reply: bytes, ports: Collection[int], target: IPv4Address | IPv6Address) -> bool:
    parts = parse(original)
    protocol = parse(parts[_TUPLE_PROTOCOL])
    if protocol[_PROTOCOL_NUMBER][0] != _UDP or struct.unpack(">H", protocol[_DESTINATION_PORT])[0] not in ports:
        return False
    asked = parse(parts[_TUPLE_ADDRESSES])[_DESTINATION[target.version]]
    answers = parse(parse(reply)[_TUPLE_ADDRESSES])[_SOURCE[target.version]]
    return answers in (asked, target.packed)
