from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.engine.runtime.box import make_image
from tests.engine.runtime.oci.bundles import Bundle


@pytest.fixture(scope="session")
def image(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One of their own: a bundle's root is no overlay, so what a container writes stays in it."""
    directory = tmp_path_factory.mktemp("bundle-image")
    directory.chmod(0o755)
    return make_image(directory)


@pytest.fixture
def bundle(tmp_path: Path, image: Path) -> Iterator[Bundle]:
    made = Bundle(tmp_path, image)
    yield made
    made.remove()
