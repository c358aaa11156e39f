"""What the worker's tests share."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.valkey import Valkey


@pytest.fixture
def valkey() -> Iterator[Valkey]:
    with tempfile.TemporaryDirectory(prefix="ps") as directory:  # tmp_path is too long for a Unix socket
        server = Valkey(Path(directory))
        server.start()
        yield server
        server.stop()
