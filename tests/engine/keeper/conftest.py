"""A host that is ready, for the tests on the real kernel."""

from __future__ import annotations

import pytest

from tests.support.engine import Host
from tests.support.home import Home


@pytest.fixture
def host(home: Home, tiny_image: str) -> Host:
    return Host(home, tiny_image)
