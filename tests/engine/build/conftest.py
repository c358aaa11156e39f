"""An engine that builds, for the tests on the real kernel."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.builds import Workbench
from tests.support.engine import Host
from tests.support.home import throwaway_home


@pytest.fixture(scope="package")
def lasting_bench(tiny_image: str) -> Iterator[Workbench]:
    with throwaway_home() as home:
        yield Workbench(Host(home, tiny_image).engine, tiny_image)


@pytest.fixture
def bench(lasting_bench: Workbench) -> Workbench:
    """One home for all tests that do it no harm: each names a team of its own where the cache matters."""
    return lasting_bench
