from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.engine.runtime.oci.bundles import Bundle


@pytest.fixture
def bundle(tmp_path: Path, image: Path) -> Iterator[Bundle]:
    made = Bundle(tmp_path, image)
    yield made
    made.remove()
