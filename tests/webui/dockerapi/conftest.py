from collections.abc import AsyncIterator

import pytest

from tests.support.valkey import Valkey
from tests.webui.cast import (  # noqa: F401
    build,
    container,
    credential,
    image,
    job,
    network,
    nobody,
    outsider,
    owner,
    teammate,
)
from tests.webui.live import live_site  # noqa: F401
from tests.webui.site_broker import host, site_broker, team  # noqa: F401
from tests.webui.streams.fake_host import FakeHost


@pytest.fixture
async def fake_host(site_broker: Valkey) -> AsyncIterator[FakeHost]:  # noqa: F811
    fake = FakeHost(site_broker.url)
    yield fake
    await fake.close()
