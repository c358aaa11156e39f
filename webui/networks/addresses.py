"""How much of a network's addresses is taken: as numbers, and as a picture of the whole subnet."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network

CELLS = 256
"""Of the picture at most: in a larger subnet each stands for several addresses."""


@dataclass(frozen=True, slots=True)
class Cell:
    """`taken` of the addresses from `first` to `last`. `kind`: edge, gateway, taken, free or outside (of the range)."""

    first: str
    last: str
    kind: str
    taken: int
    share: float
    who: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Use:
    """`size`: what containers can be given, `taken` of it, `free` the rest."""

    size: int
    taken: int

    @property
    def free(self) -> int:
        return max(0, self.size - self.taken)

    @property
    def percent(self) -> float:
        return 100 * self.taken / self.size if self.size else 0.0


def use_of(subnet: str, gateway: str, ip_range: str, taken: Iterable[str]) -> Use:
    """Counted as the host counts: network, broadcast and the gateway are nobody's, a range narrows what is given."""
    if not subnet:
        return Use(0, 0)
    whole, part = IPv4Network(subnet), IPv4Network(ip_range or subnet)
    nobodys = {whole.network_address, whole.broadcast_address, IPv4Address(gateway or whole.network_address)}
    size = part.num_addresses - sum(address in part for address in nobodys)
    return Use(size, len({one for one in map(IPv4Address, filter(None, taken)) if one in part}))


def cells_of(subnet: str, gateway: str, ip_range: str, taken: dict[str, str]) -> list[Cell]:
    """The subnet from its first address to its last, in at most `CELLS` equal steps; `taken`: address → who has it."""
    if not subnet:
        return []
    whole, part = IPv4Network(subnet), IPv4Network(ip_range or subnet)
    step = max(1, whole.num_addresses // CELLS)
    first = int(whole.network_address)
    found: dict[int, list[str]] = {}
    for address, who in taken.items():
        if address and (at := IPv4Address(address)) in whole:
            found.setdefault((int(at) - first) // step, []).append(who)
    doors = {(int(IPv4Address(gateway)) - first) // step} if gateway else set()
    made = []
    for index in range(whole.num_addresses // step):
        start = first + index * step
        ends = (IPv4Address(start), IPv4Address(start + step - 1))
        who = tuple(sorted(found.get(index, ())))
        kind = "taken" if who else "gateway" if index in doors else "free" if ends[0] in part else "outside"
        if step == 1 and ends[0] in (whole.network_address, whole.broadcast_address):
            kind = "edge"
        made.append(Cell(str(ends[0]), str(ends[1]), kind, len(who), len(who) / step, who))
    return made
