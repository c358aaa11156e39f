"""What tests of the client share."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from client import Portside
from tests.client.fake_site import FakeSite, running

TOKEN = "a-token-that-nobody-may-see"


@pytest.fixture
def fake_site() -> Iterator[FakeSite]:
    with running() as site:
        yield site


@pytest.fixture
def site(fake_site: FakeSite) -> Iterator[Portside]:
    """The client of `fake_site`."""
    with Portside(fake_site.url, TOKEN) as made:
        yield made
