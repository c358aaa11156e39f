"""At which addresses of a host a team publishes ports: at the host's own loopback, and where an administrator allows.

What is published at 0.0.0.0 is open to everybody who reaches the host; that is not for each member to decide. Who may
loosen may publish anywhere.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from typing import Any

from engine.errors import InvalidArgument, PermissionDenied
from webui.accounts.models import Team, User
from webui.accounts.roles import LOOSEN, actions_of, require_loosening

LOOPBACK = "127.0.0.1"
EVERYWHERE = ("0.0.0.0/0", "::/0")
MOST = 50
_ALWAYS = (IPv4Network("127.0.0.0/8"), IPv6Network("::1/128"))


def publishing_allows(team: Team, address: str) -> bool:
    """Whether members may publish at `address`; all there are (0.0.0.0, ::) only where the whole family is allowed."""
    try:
        wanted = ip_address(address)
    except ValueError:
        return True  # which is no address at all: that is told elsewhere
    allowed = [*_ALWAYS, *map(ip_network, team.publish_addresses)]
    if wanted.is_unspecified:
        return any(one.version == wanted.version and one.prefixlen == 0 for one in allowed)
    return any(wanted in one for one in allowed)


def ports_at_default(team: Team, ports: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """The same ports; those without an address have the team's usual one."""
    return [{**port, "address": port.get("address") or team.publish_default} for port in ports]


def publishing_check(
    user: User,
    team: Team,
    ports: Sequence[Mapping[str, Any]],
    *,
    host: Any,
    field: str = "ports",
    had: Sequence[Any] = (),
) -> None:
    """Return if `user` may publish all of `ports` of the host (or its id). What the container `had` already, it may
    keep: that port of the host's at that address, not others there.

    Raises PermissionDenied that says what is allowed, with the fields (`ports.0.address`).
    """
    kept = {_place(port) for port in had}
    asked = {
        f"{field}.{index}.address": str(port.get("address") or LOOPBACK)
        for index, port in enumerate(ports)
        if _place(port) not in kept
    }
    addresses_check(user, team, asked, host=host)


def addresses_check(user: User, team: Team, asked: Mapping[str, str], *, host: Any) -> None:
    """As `publishing_check` of addresses, by the field of each."""
    refused = {name: address for name, address in asked.items() if not publishing_allows(team, address)}
    if not refused or LOOSEN in actions_of(user, team, host=host):
        return
    words = f"The team {team.name} publishes at {said(team)}"
    fields = {name: [f"{words}: choose that, or ask an administrator to allow {at}."] for name, at in refused.items()}
    message = f"{words}, not at {', '.join(dict.fromkeys(refused.values()))}: publish there, or ask an administrator"
    raise PermissionDenied(f"{message} to allow it under Settings", {"action": LOOSEN, "fields": fields})


def _place(port: Mapping[str, Any]) -> tuple[Any, ...]:
    """Where it is open; a free port (None) is as good as another."""
    return port.get("address") or LOOPBACK, port.get("host"), port.get("host_last"), port.get("protocol") or "tcp"


def said(team: Team) -> str:
    """`127.0.0.1 alone`, `127.0.0.1 and 10.0.0.0/8`, `any address`."""
    if set(EVERYWHERE) <= set(team.publish_addresses):
        return "any address"
    if not team.publish_addresses:
        return f"{LOOPBACK} alone"
    return " and ".join([LOOPBACK, *team.publish_addresses])


def team_publish(*, user: User, team: Team, addresses: Sequence[str] | None = None, default: str | None = None) -> None:
    """Say at which addresses besides loopback the team may publish (addresses or networks), and where it usually does.

    Raises PermissionDenied (it is for administrators), InvalidArgument with the fields.
    """
    require_loosening(user, team, [("publish_addresses", "publishing beyond the host itself")])
    fields: dict[str, list[str]] = {}
    if addresses is not None:
        team.publish_addresses = _networks(addresses, fields)
    if default is not None:
        team.publish_default = default.strip() or LOOPBACK
    if not fields and not _is_address(team.publish_default):
        fields["publish_default"] = [f"{default!s:.60} is no address: give one such as {LOOPBACK} or 0.0.0.0."]
    elif not fields and not publishing_allows(team, team.publish_default):
        fields["publish_default"] = [f"{team.publish_default} is not allowed: allow it as well, or choose {LOOPBACK}."]
    if fields:
        raise InvalidArgument("the team can't publish like this: correct the marked fields", {"fields": fields})
    team.save(update_fields=["publish_addresses", "publish_default"])


def _networks(texts: Sequence[str], fields: dict[str, list[str]]) -> list[str]:
    if len(texts) > MOST:
        fields["publish_addresses"] = [f"Give at most {MOST}."]
        return []
    found = []
    for text in filter(None, (one.strip() for one in texts)):
        try:
            network = ip_network(text)
            is_all = network.network_address.is_unspecified and network.prefixlen == network.max_prefixlen
            found.append(EVERYWHERE[network.version == 6] if is_all else _short(network))
        except ValueError:
            example = "10.0.0.5, 10.0.0.0/8 or 0.0.0.0/0"
            fields.setdefault("publish_addresses", []).append(f"{text[:60]} is no address or network: give {example}.")
    return list(dict.fromkeys(found))


def _short(network: IPv4Network | IPv6Network) -> str:
    """One address as such."""
    return str(network.network_address) if network.prefixlen == network.max_prefixlen else str(network)


def _is_address(text: str) -> bool:
    try:
        return bool(ip_address(text))
    except ValueError:
        return False
