"""Commands about networks of a name; `network_id` is 64 hex digits, chosen by the site."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class CreateNetwork:
    """Make a network; the same id again is no error.

    `subnet` and `ip_range`: IPv4 in CIDR form, None lets the host choose. `gateway`: the host's own address on it,
    None for the first; `mtu` in bytes. `internal`: no way out or in; `icc` off: its containers reach one another by
    published ports alone. `ipv6`: with IPv6 too, and then `subnet6`, `gateway6`, `ip_range6` as for IPv4.

    `driver` is bridge, or macvlan or ipvlan: on the wire of the host's device `parent`, in the driver's `mode` (bridge,
    private, vepa; l2, l3, l3s), where `gateway` is a router.

    `attachable` and `options` (of a driver elsewhere) change nothing: they are kept for who asks what was said.
    """

    network_id: str
    name: str
    driver: str = "bridge"
    parent: str | None = None
    mode: str | None = None
    subnet: str | None = None
    gateway: str | None = None
    ip_range: str | None = None
    ipv6: bool = False
    subnet6: str | None = None
    gateway6: str | None = None
    ip_range6: str | None = None
    mtu: int | None = None
    internal: bool = False
    icc: bool = True
    labels: Mapping[str, str] = field(default_factory=dict)
    attachable: bool = False
    options: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class RemoveNetwork:
    """Remove a network that no container is on; with `from_stopped`, none that runs."""

    network_id: str
    from_stopped: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class PruneNetworks:
    """Remove networks that no container is on, made before `until` (Unix seconds).

    Only those with all of `labels` (KEY or KEY=VALUE), not with all of `not_labels`.
    """

    until: float | None = None
    labels: tuple[str, ...] = ()
    not_labels: tuple[str, ...] = ()


DEFAULT_NETWORK = "bridge"


@dataclass(frozen=True, slots=True, kw_only=True)
class ConnectNetwork:
    """Let a container join, at once if it runs: with addresses, MAC and further names, if any are chosen.

    `network_id` is `DEFAULT_NETWORK` for the default network, where none of them can be.
    """

    network_id: str
    container_id: str
    ip: str | None = None
    ip6: str | None = None
    mac_address: str | None = None
    aliases: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class DisconnectNetwork:
    """Let a container leave, at once if it runs; also a network that was removed while it was on it.

    `network_id` is `DEFAULT_NETWORK` for the default network.
    """

    network_id: str
    container_id: str


NetworkCommand = CreateNetwork | RemoveNetwork | PruneNetworks | ConnectNetwork | DisconnectNetwork

KINDS: dict[str, type[Any]] = {
    "network.create": CreateNetwork,
    "network.remove": RemoveNetwork,
    "network.prune": PruneNetworks,
    "network.connect": ConnectNetwork,
    "network.disconnect": DisconnectNetwork,
}
