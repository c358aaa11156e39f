"""nftables objects as netlink messages: tables, chains, rules, maps (linux/netfilter/nf_tables.h).

An expression is a function that returns its encoding; a rule is a list of them. Values live in the 32-bit
registers `FIRST`…, so that a concatenation is simply what stands in neighbouring registers.
"""

from __future__ import annotations

import socket
import struct
from collections.abc import Iterable, Sequence
from enum import IntEnum

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

IPV4, IPV6 = socket.AF_INET, socket.AF_INET6
BRIDGE = 7  # NFPROTO_BRIDGE: frames that pass a bridge
_INET = 1  # NFPROTO_INET: tables for IPv4 and IPv6 together
PREROUTING, INPUT, FORWARD, OUTPUT, POSTROUTING = 0, 1, 2, 3, 4
FIRST = 8  # NFT_REG32_00
ACCEPT, DROP = 1, 0
CT_STATE, CT_STATUS = 0, 2
ESTABLISHED_OR_RELATED = 2 | 4
DESTINATION_NAT = 1 << 5  # IPS_DST_NAT
META_PROTOCOL, META_IIFNAME, META_OIFNAME, META_L4PROTO = 1, 6, 7, 16

# nft's own numbers for data types; the kernel ignores them, `nft list` needs them to print elements.
TYPE_ADDRESS, TYPE_ADDRESS6, TYPE_MAC, TYPE_PROTOCOL, TYPE_SERVICE, TYPE_INTERFACE = 7, 8, 9, 12, 13, 41
_SIZES = {TYPE_ADDRESS6: 16, TYPE_MAC: 8, TYPE_INTERFACE: 16}  # bytes in a concatenation; the others have 4

# Attributes: NFTA_<object>_<name> in the kernel's header.


class _Table(IntEnum):
    NAME = 1


class _Chain(IntEnum):
    TABLE, NAME, HOOK, POLICY, TYPE = 1, 3, 4, 5, 7


class _Hook(IntEnum):
    NUMBER, PRIORITY = 1, 2


class _Rule(IntEnum):
    TABLE, CHAIN, EXPRESSIONS = 1, 2, 4


class _Set(IntEnum):
    TABLE, NAME, FLAGS, KEY_TYPE, KEY_LENGTH, DATA_TYPE, DATA_LENGTH, ID = 1, 2, 3, 4, 5, 6, 7, 10


class _Elements(IntEnum):
    TABLE, SET, ELEMENTS = 1, 2, 3


class _Element(IntEnum):
    KEY, DATA = 1, 2


class _Data(IntEnum):
    VALUE, VERDICT = 1, 2


class _Verdict(IntEnum):
    CODE, CHAIN = 1, 2


class _Expression(IntEnum):
    NAME, DATA = 1, 2


_SUBSYSTEM = 10
_BATCH_BEGIN, _BATCH_END = 16, 17
_NEWTABLE, _GETTABLE, _DELTABLE, _NEWCHAIN, _GETCHAIN = 0, 1, 2, 3, 4
_NEWRULE, _NEWSET, _NEWSETELEM, _GETSETELEM, _DELSETELEM = 6, 9, 12, 13, 14
_JUMP, _RETURN = -3, -5
_SET_MAP = 8
_VERDICT_REGISTER = 0
_LIST_ELEM = 1
_FIB_ADDRESS_TYPE, _FIB_DESTINATION, _RTN_LOCAL = 3, 2, 2
_NAT_DESTINATION = 1
LINK_HEADER, NETWORK_HEADER, TRANSPORT_HEADER = 0, 1, 2
_ELEMENTS_A_MESSAGE = 400  # an attribute's length has 16 bits


def commit(netlink: Netlink, messages: Iterable[Message]) -> None:
    """Carry out all messages as one transaction: all of them or none. Raises NetlinkError."""
    header = struct.pack(">BBH", 0, 0, _SUBSYSTEM)
    netlink.send(
        [Message(_BATCH_BEGIN, 0, header, False), *messages, Message(_BATCH_END, 0, header, False)],
    )


def table(family: int, name: str) -> Message:
    return _message(_NEWTABLE, NLM_F_CREATE, family, text(_Table.NAME, name))


def table_delete(family: int, name: str) -> Message:
    return _message(_DELTABLE, 0, family, text(_Table.NAME, name))


def table_names(netlink: Netlink, family: int) -> list[str]:
    bodies = netlink.dump(_SUBSYSTEM << 8 | _GETTABLE, _header(family))
    return [string(parse(body[4:])[_Table.NAME]) for body in bodies if body[0] == family]


def chain(family: int, table_name: str, name: str, *, kind: str = "", hook: int = 0, priority: int = 0) -> Message:
    """A base chain on `hook` when `kind` (filter, nat) is given, otherwise one to jump to. Policy accept."""
    body = text(_Chain.TABLE, table_name) + text(_Chain.NAME, name)
    if kind:
        body += nested(_Chain.HOOK, be32(_Hook.NUMBER, hook), be32(_Hook.PRIORITY, priority)) + text(_Chain.TYPE, kind)
    return _message(_NEWCHAIN, NLM_F_CREATE, family, body)


def chain_policy(netlink: Netlink, family: int, table_name: str, name: str) -> int | None:
    """ACCEPT or DROP for a base chain; None when there is no such chain."""
    asked = _header(family) + text(_Chain.TABLE, table_name) + text(_Chain.NAME, name)
    body = netlink.get(_SUBSYSTEM << 8 | _GETCHAIN, asked)
    policy = parse(body[4:]).get(_Chain.POLICY) if body else None
    return None if policy is None else int(struct.unpack(">I", policy)[0])


def dropping_chains(netlink: Netlink, family: int, hook: int) -> list[tuple[str, str]]:
    """Table and chain of every base chain on `hook`, of tables for `family`, that drops what no rule accepts."""
    found = []
    for body in netlink.dump(_SUBSYSTEM << 8 | _GETCHAIN, _header(socket.AF_UNSPEC)):
        chain_attributes = parse(body[4:])
        if body[0] not in (family, _INET) or _Chain.HOOK not in chain_attributes:
            continue
        number = struct.unpack(">I", parse(chain_attributes[_Chain.HOOK])[_Hook.NUMBER])[0]
        policy = struct.unpack(">I", chain_attributes.get(_Chain.POLICY, b"\0\0\0\1"))[0]
        if (number, policy) == (hook, DROP):
            found.append((string(chain_attributes[_Chain.TABLE]), string(chain_attributes[_Chain.NAME])))
    return found


def rule(family: int, table_name: str, chain_name: str, expressions: Sequence[bytes]) -> Message:
    body = text(_Rule.TABLE, table_name) + text(_Rule.CHAIN, chain_name) + nested(_Rule.EXPRESSIONS, *expressions)
    return _message(_NEWRULE, NLM_F_CREATE | NLM_F_APPEND, family, body)


def mapping(family: int, table_name: str, name: str, key: Sequence[int], value: Sequence[int]) -> Message:
    """A hash map between concatenations of TYPE_… fields, each padded to four bytes."""
    body = (
        text(_Set.TABLE, table_name)
        + text(_Set.NAME, name)
        + be32(_Set.FLAGS, _SET_MAP)
        + be32(_Set.KEY_TYPE, _concatenated(key))
        + be32(_Set.KEY_LENGTH, _length(key))
        + be32(_Set.DATA_TYPE, _concatenated(value))
        + be32(_Set.DATA_LENGTH, _length(value))
        + be32(_Set.ID, 1)
    )
    return _message(_NEWSET, NLM_F_CREATE, family, body)


def collection(family: int, table_name: str, name: str, key: Sequence[int]) -> Message:
    """A hash set of concatenations of TYPE_… fields, each padded to four bytes."""
    body = (
        text(_Set.TABLE, table_name)
        + text(_Set.NAME, name)
        + be32(_Set.FLAGS, 0)
        + be32(_Set.KEY_TYPE, _concatenated(key))
        + be32(_Set.KEY_LENGTH, _length(key))
        + be32(_Set.ID, 1)
    )
    return _message(_NEWSET, NLM_F_CREATE, family, body)


def members(family: int, table_name: str, name: str, keys: Sequence[bytes]) -> list[Message]:
    """Add keys to a set; the same key again is no error."""
    return [
        _message(_NEWSETELEM, NLM_F_CREATE, family, _keys(table_name, name, keys[at : at + _ELEMENTS_A_MESSAGE]))
        for at in range(0, len(keys), _ELEMENTS_A_MESSAGE)
    ]


def member_delete(family: int, table_name: str, name: str, key: bytes) -> Message:
    return _message(_DELSETELEM, 0, family, _keys(table_name, name, [key]))


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
    asked = _header(family) + text(_Elements.TABLE, table_name) + text(_Elements.SET, name)
    for body in netlink.dump(_SUBSYSTEM << 8 | _GETSETELEM, asked):
        for _, element in _walk(parse(body[4:]).get(_Elements.ELEMENTS, b"")):
            fields = parse(element)
            pairs.append((parse(fields[_Element.KEY])[_Data.VALUE], parse(fields[_Element.DATA])[_Data.VALUE]))
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


def _length(types: Sequence[int]) -> int:
    return sum(_SIZES.get(kind, 4) for kind in types)


def _elements(table_name: str, name: str, pairs: Sequence[tuple[bytes, bytes]]) -> bytes:
    items = (nested(_LIST_ELEM, _data(_Element.KEY, key), _data(_Element.DATA, value)) for key, value in pairs)
    return text(_Elements.TABLE, table_name) + text(_Elements.SET, name) + nested(_Elements.ELEMENTS, *items)


def _keys(table_name: str, name: str, keys: Sequence[bytes]) -> bytes:
    items = (nested(_LIST_ELEM, _data(_Element.KEY, key)) for key in keys)
    return text(_Elements.TABLE, table_name) + text(_Elements.SET, name) + nested(_Elements.ELEMENTS, *items)


def _data(kind: int, value: bytes) -> bytes:
    return nested(kind, attribute(_Data.VALUE, value))


# Expressions. Each has a numbering of its own for its few attributes; they stand in the header's order.


def _expression(name: str, *parts: bytes) -> bytes:
    return nested(_LIST_ELEM, text(_Expression.NAME, name), nested(_Expression.DATA, *parts))


def meta(key: int, register: int = FIRST) -> bytes:
    return _expression("meta", be32(1, register), be32(2, key))


def payload(base: int, offset: int, length: int, register: int = FIRST) -> bytes:
    """Load `length` bytes at `offset` of the header `base`: LINK_HEADER and so on."""
    return _expression("payload", be32(1, register), be32(2, base), be32(3, offset), be32(4, length))


def payload_write(base: int, offset: int, length: int, checksum_offset: int) -> bytes:
    """Store the first register there; the internet checksum at `checksum_offset` of that header is kept right."""
    return _expression(
        "payload",
        be32(5, FIRST),
        be32(2, base),
        be32(3, offset),
        be32(4, length),
        be32(6, 1),  # NFT_PAYLOAD_CSUM_INET
        be32(7, checksum_offset),
    )


def immediate(value: bytes, register: int = FIRST) -> bytes:
    """Load a value."""
    return _expression("immediate", be32(1, register), _data(2, value))


def destination_address(family: int, register: int = FIRST) -> bytes:
    offset, length = (24, 16) if family == IPV6 else (16, 4)
    return payload(NETWORK_HEADER, offset, length, register)


def source_address(family: int, register: int = FIRST) -> bytes:
    offset, length = (8, 16) if family == IPV6 else (12, 4)
    return payload(NETWORK_HEADER, offset, length, register)


def destination_port(register: int = FIRST) -> bytes:
    return payload(TRANSPORT_HEADER, 2, 2, register)


def equals(value: bytes, *, negate: bool = False) -> bytes:
    return _expression("cmp", be32(1, FIRST), be32(2, int(negate)), _data(3, value))


def masked(mask: bytes) -> bytes:
    """AND the first register with `mask`."""
    size = len(mask)
    return _expression(
        "bitwise",
        be32(1, FIRST),
        be32(2, FIRST),
        be32(3, size),
        _data(4, mask),
        _data(5, bytes(size)),  # XOR with nothing
    )


def interface(key: int, name: str, *, negate: bool = False) -> list[bytes]:
    """Compare the name of the device by which a packet came (META_IIFNAME) or goes (META_OIFNAME)."""
    return [meta(key), equals(name.encode().ljust(16, b"\0"), negate=negate)]


def interface_begins(key: int, prefix: str, *, negate: bool = False) -> list[bytes]:
    """Compare the beginning of the device's name only."""
    return [meta(key), equals(prefix.encode(), negate=negate)]


def conntrack_has(key: int, bits: int) -> list[bytes]:
    """Any of `bits` is set in the connection's CT_STATE or CT_STATUS."""
    load = _expression("ct", be32(1, FIRST), be32(2, key))
    return [load, masked(struct.pack("=I", bits)), equals(bytes(4), negate=True)]


def destination_is_local() -> list[bytes]:
    """The packet is for an address of this host (`fib daddr type local`)."""
    fib = _expression("fib", be32(1, FIRST), be32(2, _FIB_ADDRESS_TYPE), be32(3, _FIB_DESTINATION))
    return [fib, equals(struct.pack("=I", _RTN_LOCAL))]


def lookup(map_name: str, register: int) -> bytes:
    """Take the value for the key that starts in the first register; without one, the rule ends here."""
    return _expression("lookup", text(1, map_name), be32(2, FIRST), be32(3, register))


def is_in(set_name: str) -> bytes:
    """Go on with the rule if the set has the key that starts in the first register."""
    return _expression("lookup", text(1, set_name), be32(2, FIRST))


def destination_nat(family: int, address_register: int, port_register: int) -> bytes:
    return _expression(
        "nat", be32(1, _NAT_DESTINATION), be32(2, family), be32(3, address_register), be32(5, port_register)
    )


def masquerade() -> bytes:
    return _expression("masq")


def verdict(code: int) -> bytes:
    """ACCEPT or DROP."""
    return _verdict(be32(_Verdict.CODE, code))


def leave() -> bytes:
    """Return to the calling chain, or to the policy."""
    return _verdict(be32(_Verdict.CODE, _RETURN))


def jump(chain_name: str) -> bytes:
    return _verdict(be32(_Verdict.CODE, _JUMP) + text(_Verdict.CHAIN, chain_name))


def _verdict(parts: bytes) -> bytes:
    return _expression("immediate", be32(1, _VERDICT_REGISTER), nested(2, nested(_Data.VERDICT, parts)))
