from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from django.conf import settings

from tests.webui.cast import container, nobody, outsider, owner, teammate  # noqa: F401
from tests.webui.site_broker import host, site_broker, team  # noqa: F401
from tests.webui.streams.conftest import fake_host  # noqa: F401


@pytest.fixture(autouse=True)
def recordings() -> Iterator[Path]:
    """Where the files are; empty before and after."""
    place = Path(settings.PORTSIDE.home) / "recordings"
    yield place
    for path in place.glob("*"):
        path.unlink()
