"""A host that is ready, for the tests on the real kernel."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.engine import Host
from tests.support.home import Home, throwaway_home
from tests.support.processes import eventually


@pytest.fixture
def host(home: Home, tiny_image: str) -> Host:
    return Host(home, tiny_image)


@pytest.fixture(scope="module")
def lasting_host(tiny_image: str) -> Iterator[Host]:
    with throwaway_home() as home:
        yield Host(home, tiny_image)


@pytest.fixture
def tidy_host(lasting_host: Host) -> Iterator[Host]:
    """One that a module's tests share, for those that harm nothing; it has no container before and after each."""
    yield lasting_host
    gone = [record.id for record in lasting_host.engine.container_list()]
    for container_id in gone:
        lasting_host.engine.container_remove(container_id, force=True)
    eventually(lambda: not lasting_host.home.leaks(*gone), seconds=60, what="a clean kernel")
