"""Descriptors, manifests and indexes (image-spec descriptor.md, manifest.md, image-index.md)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from engine.errors import NotFound, Unsupported
from engine.oci import media
from engine.oci.artifacts import artifact
from engine.oci.digest import Digest, InvalidDigest
from engine.oci.document import MAX_MANIFEST_BYTES, InvalidDocument, load, optional, required
from engine.oci.platform import Platform

MAX_LAYERS = 500  # the kernel's OVL_MAX_STACK
MAX_BLOB_BYTES = 1 << 50


class PlatformMissing(NotFound):
    """The image exists, but not for this platform."""


@dataclass(frozen=True, slots=True)
class Descriptor:
    """What a document says of a blob: its type, digest and size in bytes."""

    media_type: str
    digest: Digest
    size: int
    platform: Platform | None = None

    @classmethod
    def from_json(cls, data: Any, what: str) -> Descriptor:
        """Check one descriptor object. Raises `InvalidDocument`."""
        if not isinstance(data, dict):
            raise InvalidDocument(f"the {what} is not an object")
        try:
            digest = Digest.parse(required(data, "digest", str, what))
        except InvalidDigest as error:
            raise InvalidDocument(f"the {what}'s digest is wrong: {error.message}") from error
        size = required(data, "size", int, what)
        if not 0 <= size <= MAX_BLOB_BYTES:
            raise InvalidDocument(f"the {what} claims {size} bytes")
        return cls(optional(data, "mediaType", str, "", what), digest, size, _platform(data, what))

    def as_json(self) -> dict[str, object]:
        return {"mediaType": self.media_type, "digest": self.digest, "size": self.size}


@dataclass(frozen=True, slots=True)
class Manifest:
    """One image for one platform: its config and its layers, the lowest first."""

    media_type: str
    config: Descriptor
    layers: tuple[Descriptor, ...]


@dataclass(frozen=True, slots=True)
class Index:
    """One name for the images of several platforms."""

    media_type: str
    manifests: tuple[Descriptor, ...]

    def select(self, platform: Platform) -> Descriptor:
        """The image that suits `platform` best, the first of equals. Raises `PlatformMissing` naming what there is."""
        ranked = [
            (rank, position, descriptor)
            for position, descriptor in enumerate(self.manifests)
            if descriptor.platform is not None
            and (rank := platform.rank(descriptor.platform)) is not None
            and descriptor.media_type in media.MANIFESTS | media.INDEXES
        ]
        if ranked:
            return min(ranked)[2]
        unnamed = [d for d in self.manifests if d.platform is None and d.media_type in media.MANIFESTS]
        if len(unnamed) == 1 and len(self.manifests) == 1:
            return unnamed[0]
        there = sorted({str(d.platform) for d in self.manifests if d.platform and d.platform.os != "unknown"})
        raise PlatformMissing(
            f"there is no image for {platform}; there are {', '.join(there[:20]) or 'none for any named platform'}",
            {"platform": str(platform), "available": there[:50]},
        )


def parse(data: bytes, content_type: str = "") -> Manifest | Index:
    """Read a manifest or an index; `content_type` is what the registry called it (used where it says nothing itself).

    Raises `InvalidDocument`, or `Unsupported` for artifacts, schema 1 and unknown layer types.
    """
    document = load(data, "manifest", MAX_MANIFEST_BYTES)
    if document.get("schemaVersion") == 1 or content_type in media.DOCKER_SCHEMA1:
        raise Unsupported("this image has Docker's schema 1 format of before 2017: push it again with a current tool")
    media_type = optional(document, "mediaType", str, "", "manifest") or content_type
    # A document that can be read both ways would mean different images to different readers (CVE-2021-41190).
    if "manifests" in document and ("layers" in document or "config" in document):
        raise InvalidDocument("the manifest is a manifest and an index at once")
    if "manifests" not in document and (what := artifact(document, media_type)) is not None:
        raise Unsupported(what)
    if media_type not in media.MANIFESTS | media.INDEXES:
        media_type = media.OCI_INDEX if "manifests" in document else media.OCI_MANIFEST
    return _index(document, media_type) if media_type in media.INDEXES else _manifest(document, media_type)


def _manifest(document: dict[str, Any], media_type: str) -> Manifest:
    config = Descriptor.from_json(document.get("config"), "manifest's config")
    if config.media_type not in media.CONFIGS:
        raise Unsupported(f"this is an artifact of type {config.media_type[:120]!r}, not an image that can run")
    layers = optional(document, "layers", list, [], "manifest")
    if len(layers) > MAX_LAYERS:
        raise InvalidDocument(f"the manifest has {len(layers)} layers; overlayfs stacks at most {MAX_LAYERS}")
    descriptors = tuple(Descriptor.from_json(layer, "manifest's layer") for layer in layers)
    for layer in descriptors:
        if not media.is_layer(layer.media_type):
            raise Unsupported(f"layers of type {layer.media_type[:120]!r} can't be unpacked here")
    return Manifest(media_type, config, descriptors)


def _index(document: dict[str, Any], media_type: str) -> Index:
    entries = required(document, "manifests", list, "index")
    return Index(media_type, tuple(Descriptor.from_json(entry, "index's entry") for entry in entries))


def _platform(data: dict[str, Any], what: str) -> Platform | None:
    platform = optional(data, "platform", dict, {}, what)
    if not platform:
        return None
    return Platform(
        optional(platform, "os", str, "", what),
        optional(platform, "architecture", str, "", what),
        optional(platform, "variant", str, "", what),
    )
