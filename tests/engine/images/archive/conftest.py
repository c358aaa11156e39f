"""Archives as bytes, out of a host and into it."""

from __future__ import annotations

import io
import os
import tarfile
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import pytest

from engine.images.image import Image
from tests.engine.images.conftest import Host, open_host


def saved(host: Host, *names: str, format: str = "docker") -> bytes:
    """The whole archive."""
    with host.images.save(names, format=format) as saving:
        assert saving.stream is not None
        with os.fdopen(os.dup(saving.stream), "rb") as stream:
            data = stream.read()
        saving.wait()
    return data


def loaded(host: Host, data: bytes, named: Callable[[str, Sequence[str]], None] | None = None) -> tuple[Image, ...]:
    with tempfile.TemporaryFile() as file:
        file.write(data)
        file.seek(0)
        return host.images.load(file.fileno(), named=named)


def layout_tar(directory: Path) -> bytes:
    """An image layout's directory as a tar, with its files in an order that tells nothing."""
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as archive:
        archive.add(directory, arcname=".")
    return stream.getvalue()


def members(data: bytes) -> Mapping[str, bytes]:
    """Every file by its name."""
    found = {}
    with tarfile.open(fileobj=io.BytesIO(data)) as archive:
        for info in archive:
            if info.isfile():
                file = archive.extractfile(info)
                assert file is not None and info.name not in found
                found[info.name] = file.read()
    return found


@pytest.fixture
def second(tmp_path: Path) -> Callable[[], Host]:
    """Another host with nothing on it; each call gives one more."""
    count = 0

    def opened() -> Host:
        nonlocal count
        count += 1
        return open_host(tmp_path / f"other-{count}")

    return opened
