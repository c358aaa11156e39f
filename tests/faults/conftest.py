"""A Portside of its own for each test: what is killed here must not be missed elsewhere."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.home import Leaks
from tests.support.portside import Portside, running_portside
from tests.support.processes import eventually


@pytest.fixture
def mortal() -> Iterator[Portside]:
    """Running; after the test its containers are removed and nothing may be left in the kernel."""
    with running_portside() as portside:
        yield portside
        portside.remove_containers()
        leaks: list[Leaks] = []

        def is_clean() -> bool:
            leaks.append(portside.home.leaks())
            return not leaks[-1]

        try:
            eventually(is_clean, seconds=10, what="a clean kernel")
        except AssertionError:
            pytest.fail(f"containers are gone, but left behind: {leaks[-1]}")
