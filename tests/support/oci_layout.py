"""Write OCI image layouts by hand: any layers, any config, hostile ones included.

    layout = Layout(directory)
    layer = layout.layer(tar_of({"etc/": None, "etc/hello": b"hi"}), compression="zstd")
    layout.image([layer], config={"Cmd": ["cat", "/etc/hello"]})

Source: OCI image specification 1.1, image-layout.md, manifest.md, config.md.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import platform
import tarfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import zstandard

ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}
ARCHITECTURE = ARCHITECTURES.get(platform.machine(), platform.machine())
PATH = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
MEDIA_TYPES = {"none": "", "gzip": "+gzip", "zstd": "+zstd"}


@dataclass(frozen=True, slots=True)
class Layer:
    descriptor: dict[str, Any]
    diff_id: str


class Layout:
    """An image layout in `directory` that holds one image, or one index with an image for each platform."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.blobs = directory / "blobs/sha256"
        self.blobs.mkdir(parents=True, exist_ok=True)
        (directory / "oci-layout").write_text('{"imageLayoutVersion": "1.0.0"}')

    def blob(self, data: bytes, media_type: str) -> dict[str, Any]:
        digest = hashlib.sha256(data).hexdigest()
        (self.blobs / digest).write_bytes(data)
        return {"mediaType": media_type, "digest": f"sha256:{digest}", "size": len(data)}

    def layer(self, tar: bytes, *, compression: str = "gzip", level: int = 1) -> Layer:
        if compression == "gzip":
            data = gzip.compress(tar, level, mtime=0)
        elif compression == "zstd":
            data = zstandard.ZstdCompressor(level=level).compress(tar)
        else:
            data = tar
        media_type = "application/vnd.oci.image.layer.v1.tar" + MEDIA_TYPES[compression]
        return Layer(self.blob(data, media_type), "sha256:" + hashlib.sha256(tar).hexdigest())

    def manifest(
        self,
        layers: Sequence[Layer],
        *,
        config: Mapping[str, Any] | None = None,
        architecture: str = ARCHITECTURE,
        diff_ids: Sequence[str] | None = None,
    ) -> dict[str, Any]:
        """The descriptor of a manifest with these layers; `diff_ids` other than the layers' own make a lying image."""
        document = {
            "created": "2026-01-01T00:00:00Z",
            "architecture": architecture,
            "os": "linux",
            "config": {"Env": [PATH], **(config or {})},
            "rootfs": {"type": "layers", "diff_ids": list(diff_ids or [layer.diff_id for layer in layers])},
            "history": [{"created": "2026-01-01T00:00:00Z", "created_by": f"layer {n}"} for n in range(len(layers))],
        }
        manifest = {
            "schemaVersion": 2,
            "mediaType": "application/vnd.oci.image.manifest.v1+json",
            "config": self.blob(json.dumps(document).encode(), "application/vnd.oci.image.config.v1+json"),
            "layers": [layer.descriptor for layer in layers],
        }
        return self.blob(json.dumps(manifest).encode(), manifest["mediaType"]) | {
            "platform": {"architecture": architecture, "os": "linux"}
        }

    def image(self, layers: Sequence[Layer], *, config: Mapping[str, Any] | None = None, **options: Any) -> Path:
        """Make this layout's one image; gives the directory back."""
        self._index([self.manifest(layers, config=config, **options)])
        return self.directory

    def index(self, manifests: Sequence[dict[str, Any]]) -> Path:
        """Make this layout's one image a multi-platform index of these manifests' descriptors."""
        document = {
            "schemaVersion": 2,
            "mediaType": "application/vnd.oci.image.index.v1+json",
            "manifests": list(manifests),
        }
        self._index([self.blob(json.dumps(document).encode(), document["mediaType"])])  # type: ignore[arg-type]
        return self.directory

    def _index(self, manifests: list[dict[str, Any]]) -> None:
        index = {"schemaVersion": 2, "manifests": manifests}
        (self.directory / "index.json").write_text(json.dumps(index))


def member(name: str, data: bytes = b"", **attributes: Any) -> tuple[tarfile.TarInfo, bytes]:
    """One tar entry; `attributes` are TarInfo's (type, linkname, mode, uid, gid, devmajor, pax_headers …)."""
    info = tarfile.TarInfo(name)
    info.size = len(data)
    info.mode = 0o644
    for key, value in attributes.items():
        setattr(info, key, value)
    return info, data


def directory(name: str, mode: int = 0o755, **attributes: Any) -> tuple[tarfile.TarInfo, bytes]:
    return member(name, type=tarfile.DIRTYPE, mode=mode, **attributes)


def symlink(name: str, target: str) -> tuple[tarfile.TarInfo, bytes]:
    return member(name, type=tarfile.SYMTYPE, linkname=target, mode=0o777)


def tar_of(members: Iterable[tuple[tarfile.TarInfo, bytes]] | Mapping[str, bytes | None]) -> bytes:
    """A tar stream of `member`s, or of a mapping: name → content, None for a directory."""
    if isinstance(members, Mapping):
        members = [directory(name) if data is None else member(name, data) for name, data in members.items()]
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for info, data in members:
            archive.addfile(info, io.BytesIO(data))
    return stream.getvalue()
