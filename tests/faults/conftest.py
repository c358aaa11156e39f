"""A Portside that tests may kill: what dies here must not be missed elsewhere."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.home import Leaks
from tests.support.portside import Portside, running_portside
from tests.support.processes import eventually


@pytest.fixture(scope="module")
def battered() -> Iterator[Portside]:
    """One for a module's tests: each goes on with what the deaths before have left, as a real one would."""
    with running_portside() as portside:
        yield portside


@pytest.fixture
def mortal(battered: Portside) -> Iterator[Portside]:
    """Running and ready; after the test its containers are removed and nothing may be left in the kernel."""
    if battered.program is None or not battered.program.is_running:
        battered.start()
    eventually(battered.is_ready, what="/readyz")
    battered.wait_host()
    yield battered
    battered.remove_containers()
    leaks: list[Leaks] = []

    def is_clean() -> bool:
        leaks.append(battered.home.leaks())
        return not leaks[-1]

    try:
        eventually(is_clean, what="a clean kernel")
    except AssertionError:
        pytest.fail(f"containers are gone, but left behind: {leaks[-1]}")
