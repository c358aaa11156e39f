"""A host that is ready, and short words for copying."""

from __future__ import annotations

import pytest

from tests.support.engine import Host
from tests.support.home import Home


@pytest.fixture
def host(home: Home, tiny_image: str) -> Host:
    return Host(home, tiny_image)
