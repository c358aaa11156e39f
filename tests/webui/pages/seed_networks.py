"""Networks for the pages, and who is on them."""

from __future__ import annotations

from typing import Any

from tests.webui.pages.seed import NASTY, hex_id
from webui.networks.models import Endpoint, Network


def networks(team: Any, host: Any, containers: dict[str, Any]) -> None:
    """One with containers on it, one that is empty with all that can be said."""

    front, back = (
        Network.objects.create(team=team, host=host, network_id=hex_id(name), name=name, **more)
        for name, more in (
            ("front", {"subnet": "10.20.0.0/24", "gateway": "10.20.0.1"}),
            ("back-of-the-harbour", {"subnet": "10.21.0.0/22", "gateway": "10.21.0.254", "ip_range": "10.21.1.0/24",
                                     "mtu": 1400, "internal": True, "icc": False}),
        )
    )  # fmt: skip
    for number, (network, name) in enumerate(((front, "web"), (front, NASTY), (back, "hog"))):
        ip = f"10.20.0.{number + 2}" if network == front else "10.21.1.4"
        Endpoint.objects.create(
            network=network, container=containers[name], ip=ip, mac=f"02:42:0a:14:00:0{number}",
            interface=f"eth{int(name == 'web')}", aliases=["db", NASTY],
        )  # fmt: skip
    Network.objects.create(
        team=team, host=host, network_id=hex_id("lone"), name="lone", subnet="10.22.0.0/24", gateway="10.22.0.1"
    )
