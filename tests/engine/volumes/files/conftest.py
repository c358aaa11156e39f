"""A volume with files in it, and what is done to them."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from engine.volumes.files.reading import WHOLE, Part
from engine.volumes.files.service import VolumeFiles
from engine.volumes.files.writing import ANYHOW, Terms
from engine.volumes.volume import VolumeSpec
from tests.engine.volumes.place import Place


class Box:
    """`data` is the volume's directory on the disk; beside it, `secret` is what nobody may ever reach."""

    def __init__(self, home: Path) -> None:
        self.volumes = Place(home).volumes
        self.data = Path(self.volumes.create(VolumeSpec(name="box")).mountpoint)
        self.secret = home / "secret"
        self.secret.mkdir()
        (self.secret / "key").write_text("hands off")

    @property
    def files(self) -> VolumeFiles:
        return self.volumes.files

    def names(self, path: str = "/", **options: object) -> list[str]:
        return [entry.name for entry in self.files.list("box", path, **options).entries]  # type: ignore[arg-type]

    def read(self, path: str, part: Part = WHOLE) -> bytes:
        download = self.files.read("box", path, part)
        try:
            with os.fdopen(os.dup(download.stream), "rb") as stream:
                content = stream.read()
            download.wait()
            return content
        finally:
            download.close()

    def write(self, path: str, content: bytes, terms: Terms = ANYHOW) -> str:
        """The new file's etag."""
        upload = self.files.write("box", path, terms)
        try:
            with os.fdopen(os.dup(upload.stream), "wb") as stream:
                stream.write(content)
            upload.finish()
            return upload.wait().etag
        finally:
            upload.close()

    def is_untouched(self) -> bool:
        """Whether nothing outside was changed."""
        return os.listdir(self.secret) == ["key"] and (self.secret / "key").read_text() == "hands off"


@pytest.fixture
def box(tmp_path: Path) -> Box:
    return Box(tmp_path)
