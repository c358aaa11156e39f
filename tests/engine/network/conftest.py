from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from engine.config import EngineConfig
from engine.network.ports import PortSpec, Published
from engine.network.service import Network
from engine.store.database import Store
from tests.engine.network.spaces import Space


@dataclass
class Host:
    """A namespace that stands for a host, and the network of a home there."""

    space: Space
    config: EngineConfig
    network: Network

    def publish(self, container_id: str, ports: Sequence[PortSpec]) -> list[Published]:
        """For a container on the default network, unless it is on others."""

        def publish() -> list[Published]:
            if not self.network.endpoints(container_id):
                self.network.allocate(container_id)
            return self.network.publish(container_id, ports)

        return self.space.run(publish)

    def __getattr__(self, name: str) -> Callable[..., object]:
        """Network's methods, called inside the host's namespace."""
        method = getattr(self.network, name)
        return lambda *args, **kwargs: self.space.run(lambda: method(*args, **kwargs))


@pytest.fixture
def spaces() -> Iterator[Callable[[], Space]]:
    made: list[Space] = []

    def make() -> Space:
        made.append(Space())
        return made[-1]

    yield make
    for space in made:
        space.close()


@pytest.fixture
def host(spaces: Callable[[], Space], tmp_path: Path) -> Iterator[Host]:
    space = spaces()
    space.run(loopback_up)
    host = second_home(space, tmp_path)
    yield host
    host.network.close()


def second_home(space: Space, home: Path) -> Host:
    config = EngineConfig(home)
    return Host(space, config, Network(config, Store(config.database)))


def loopback_up() -> None:
    from engine.network import rtnetlink as rt
    from engine.network.netlink import NETLINK_ROUTE, Netlink

    with Netlink(NETLINK_ROUTE) as netlink:
        netlink.send([rt.link_up(1)])
