"""Which containers are on their host's default network, the one that Docker calls bridge."""

from __future__ import annotations

from collections.abc import Iterable

from engine.options import modes


def is_on_default(on_default: bool | None, network: str) -> bool:
    """Of a Container's columns `on_default` and `spec["network"]`."""
    return modes.usual("network", network) == modes.BRIDGE if on_default is None else on_default


def default_interface(on_default: bool | None, others: Iterable[str]) -> str:
    """What its interface there is called; `others` are those on networks of a name, which came before if it joined."""
    taken = set(others) if on_default else ()
    return next(name for number in range(len(taken) + 1) if (name := f"eth{number}") not in taken)
