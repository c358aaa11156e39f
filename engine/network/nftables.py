"""nftables objects as netlink messages: tables, chains, rules, maps (linux/netfilter/nf_tables.h).

An expression is a function that returns its encoding; a rule is a list of them. Values live in the 32-bit
registers `FIRST`…, so that a concatenation is simply what stands in neighbouring registers.
"""

from __future__ import annotations

import socket
import struct
from collections.abc import Iterable, Sequence

from engine.network.netlink import (
    NLM_F_APPEND,
    NLM_F_CREATE,
    Message,
    Netlink,
    attribute,
    be32,
    nested,
    parse,
    string,
    text,
)
from engine.network.netlink import walk as _walk

IPV4 = socket.AF_INET
PREROUTING, FORWARD, OUTPUT, POSTROUTING = 0, 2, 3, 4
FIRST = 8  # NFT_REG32_00
ACCEPT, DROP = 1, 0
CT_STATE, CT_STATUS = 0, 2
ESTABLISHED_OR_RELATED = 2 | 4
DESTINATION_NAT = 1 << 5  # IPS_DST_NAT
META_IIFNAME, META_OIFNAME, META_L4PROTO = 6, 7, 16

# nft's own numbers for data types; the kernel ignores them, `nft list` needs them to print elements.
TYPE_ADDRESS, TYPE_PROTOCOL, TYPE_SERVICE = 7, 12, 13

_SUBSYSTEM = 10
_BATCH_BEGIN, _BATCH_END = 16, 17
_NEWTABLE, _GETTABLE, _DELTABLE, _NEWCHAIN, _GETCHAIN = 0, 1, 2, 3, 4
_NEWRULE, _NEWSET, _NEWSETELEM, _GETSETELEM, _DELSETELEM = 6, 9, 12, 13, 14
_JUMP, _RETURN = -3, -5
_SET_MAP = 8
_LIST_ELEM = 1
_ELEMENTS_A_MESSAGE = 400  # an attribute's length has 16 bits


def commit(netlink: Netlink, messages: Iterable[Message]) -> None:
    """Carry out all messages as one transaction: all of them or none. Raises NetlinkError."""
    header = struct.pack(">BBH", 0, 0, _SUBSYSTEM)
    netlink.send(
        [Message(_BATCH_BEGIN, 0, header, False), *messages, Message(_BATCH_END, 0, header, False)],
    )


def table(family: int, name: str) -> Message:
    return _message(_NEWTABLE, NLM_F_CREATE, family, text(1, name))


def table_delete(family: int, name: str) -> Message:
    return _message(_DELTABLE, 0, family, text(1, name))


def table_names(netlink: Netlink, family: int) -> list[str]:
    bodies = netlink.dump(_SUBSYSTEM << 8 | _GETTABLE, _header(family))
    return [string(parse(body[4:])[1]) for body in bodies if body[0] == family]


def chain(family: int, table_name: str, name: str, *, kind: str = "", hook: int = 0, priority: int = 0) -> Message:
    """A base chain on `hook` when `kind` (filter, nat) is given, otherwise one to jump to. Policy accept."""
    body = text(1, table_name) + text(3, name)
    if kind:
        body += nested(4, be32(1, hook), be32(2, priority)) + text(7, kind)
    return _message(_NEWCHAIN, NLM_F_CREATE, family, body)


def chain_policy(netlink: Netlink, family: int, table_name: str, name: str) -> int | None:
    """ACCEPT or DROP for a base chain; None when there is no such chain."""
    body = netlink.get(_SUBSYSTEM << 8 | _GETCHAIN, _header(family) + text(1, table_name) + text(3, name))
    policy = parse(body[4:]).get(5) if body else None
    return None if policy is None else int(struct.unpack(">I", policy)[0])


def rule(family: int, table_name: str, chain_name: str, expressions: Sequence[bytes]) -> Message:
    body = text(1, table_name) + text(2, chain_name) + nested(4, *expressions)
    return _message(_NEWRULE, NLM_F_CREATE | NLM_F_APPEND, family, body)


def mapping(family: int, table_name: str, name: str, key: Sequence[int], value: Sequence[int]) -> Message:
    """A hash map between concatenations of TYPE_… fields, each of four bytes."""
    body = (
        text(1, table_name)
        + text(2, name)
        + be32(3, _SET_MAP)
        + be32(4, _concatenated(key))
        + be32(5, 4 * len(key))
        + be32(6, _concatenated(value))
        + be32(7, 4 * len(value))
        + be32(10, 1)
    )
    return _message(_NEWSET, NLM_F_CREATE, family, body)


def elements(family: int, table_name: str, name: str, pairs: Sequence[tuple[bytes, bytes]]) -> list[Message]:
    """Add pairs of key and value to a map; the same pair again is no error."""
    return [
        _message(_NEWSETELEM, NLM_F_CREATE, family, _elements(table_name, name, pairs[at : at + _ELEMENTS_A_MESSAGE]))
        for at in range(0, len(pairs), _ELEMENTS_A_MESSAGE)
    ]


def element_delete(family: int, table_name: str, name: str, pair: tuple[bytes, bytes]) -> Message:
    return _message(_DELSETELEM, 0, family, _elements(table_name, name, [pair]))


def element_pairs(netlink: Netlink, family: int, table_name: str, name: str) -> list[tuple[bytes, bytes]]:
    """All pairs of a map; raises NetlinkError with ENOENT when table or map are not there."""
    pairs = []
    for body in netlink.dump(_SUBSYSTEM << 8 | _GETSETELEM, _header(family) + text(1, table_name) + text(2, name)):
        for _, element in _walk(parse(body[4:]).get(3, b"")):
            fields = parse(element)
            pairs.append((parse(fields[1])[1], parse(fields[2])[1]))
    return pairs


def _message(kind: int, flags: int, family: int, body: bytes) -> Message:
    return Message(_SUBSYSTEM << 8 | kind, flags, _header(family) + body)


def _header(family: int) -> bytes:
    return struct.pack(">BBH", family, 0, 0)


def _concatenated(types: Sequence[int]) -> int:
    number = 0
    for kind in types:
        number = number << 6 | kind
    return number


def _elements(table_name: str, name: str, pairs: Sequence[tuple[bytes, bytes]]) -> bytes:
    items = (nested(_LIST_ELEM, nested(1, attribute(1, key)), nested(2, attribute(1, value))) for key, value in pairs)
    return text(1, table_name) + text(2, name) + nested(3, *items)


# --- Expressions -----------------------------------------------------------------------------------------


def _expression(name: str, *parts: bytes) -> bytes:
    return nested(_LIST_ELEM, text(1, name), nested(2, *parts))


def meta(key: int, register: int = FIRST) -> bytes:
    return _expression("meta", be32(1, register), be32(2, key))


def payload(base: int, offset: int, length: int, register: int = FIRST) -> bytes:
    """Load bytes of the network (1) or transport (2) header."""
    return _expression("payload", be32(1, register), be32(2, base), be32(3, offset), be32(4, length))


def destination_address(register: int = FIRST) -> bytes:
    return payload(1, 16, 4, register)


def source_address(register: int = FIRST) -> bytes:
    return payload(1, 12, 4, register)


def destination_port(register: int = FIRST) -> bytes:
    return payload(2, 2, 2, register)


def equals(value: bytes, *, negate: bool = False) -> bytes:
    return _expression("cmp", be32(1, FIRST), be32(2, int(negate)), nested(3, attribute(1, value)))


def masked(mask: bytes) -> bytes:
    """AND the first register with `mask`."""
    size = len(mask)
    return _expression(
        "bitwise",
        be32(1, FIRST),
        be32(2, FIRST),
        be32(3, size),
        nested(4, attribute(1, mask)),
        nested(5, attribute(1, bytes(size))),
    )


def interface(key: int, name: str, *, negate: bool = False) -> list[bytes]:
    """Compare the name of the device by which a packet came (META_IIFNAME) or goes (META_OIFNAME)."""
    return [meta(key), equals(name.encode().ljust(16, b"\0"), negate=negate)]


def conntrack_has(key: int, bits: int) -> list[bytes]:
    """Any of `bits` is set in the connection's CT_STATE or CT_STATUS."""
    load = _expression("ct", be32(1, FIRST), be32(2, key))
    return [load, masked(struct.pack("=I", bits)), equals(bytes(4), negate=True)]


def destination_is_local() -> list[bytes]:
    """The packet is for an address of this host (`fib daddr type local`)."""
    return [_expression("fib", be32(1, FIRST), be32(2, 3), be32(3, 2)), equals(struct.pack("=I", 2))]


def lookup(map_name: str, register: int) -> bytes:
    """Take the value for the key that starts in the first register; without one, the rule ends here."""
    return _expression("lookup", text(1, map_name), be32(2, FIRST), be32(3, register))


def destination_nat(address_register: int, port_register: int) -> bytes:
    return _expression("nat", be32(1, 1), be32(2, IPV4), be32(3, address_register), be32(5, port_register))


def masquerade() -> bytes:
    return _expression("masq")


def verdict(code: int) -> bytes:
    """ACCEPT or DROP."""
    return _verdict(be32(1, code))


def leave() -> bytes:
    """Return to the calling chain, or to the policy."""
    return _verdict(be32(1, _RETURN))


def jump(chain_name: str) -> bytes:
    return _verdict(be32(1, _JUMP) + text(2, chain_name))


def _verdict(parts: bytes) -> bytes:
    return _expression("immediate", be32(1, 0), nested(2, nested(2, parts)))
