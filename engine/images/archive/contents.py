"""Which images an archive holds, read from what has been received of it.

`docker save` writes manifest.json (with `repositories`, which is older and says less), and since version 25 an OCI
image layout around it; others write only one of the two. Names are manifest.json's, or annotations of index.json:
containerd's full name, or the layout's own `ref.name` where that is a whole name.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from engine.errors import DataCorrupt, InvalidArgument
from engine.images.archive.receiving import Archive, Blob
from engine.images.pull import MAX_DEPTH, Resolved, check_image
from engine.oci import media
from engine.oci.digest import Digest
from engine.oci.document import InvalidDocument
from engine.oci.image_config import ImageConfig
from engine.oci.manifest import MAX_LAYERS, Descriptor, Index, Manifest, PlatformMissing, parse
from engine.oci.platform import Platform
from engine.oci.reference import InvalidReference, Reference
from engine.registry.client import FetchedManifest

FULL_NAME, REF_NAME = "io.containerd.image.name", "org.opencontainers.image.ref.name"
_ATTESTATION = "vnd.docker.reference.type"
_IMAGES = 1000


@dataclass(frozen=True, slots=True)
class Held:
    """One image of an archive, with the names it is to get."""

    names: tuple[Reference, ...]
    resolved: Resolved


def images_of(archive: Archive, platform: Platform) -> list[Held]:
    """The archive's images, those for `platform` where there are several.

    Raises `InvalidArgument` for what is no archive of images, `InvalidReference`, `DataCorrupt` where something of an
    image is missing or wrong, `PlatformMissing`, `Unsupported`.
    """
    listed, index = archive.document("manifest.json"), archive.document("index.json")
    if listed is not None:
        manifests = {} if index is None else _by_config(archive, index, platform)
        found = [_docker_image(archive, item, manifests, platform) for item in _items(listed)]
    elif index is not None:
        found = list(_layout_images(archive, index, platform))
    else:
        raise InvalidArgument(
            "this is no archive of images: it has neither manifest.json nor index.json. A root file system is imported"
        )
    if not found:
        raise InvalidArgument("the archive holds no image")
    return found


def _items(data: bytes) -> list[Mapping[str, Any]]:
    try:
        items = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise InvalidDocument("the archive's manifest.json is not JSON") from error
    if not isinstance(items, list) or len(items) > _IMAGES or not all(isinstance(item, dict) for item in items):
        raise InvalidDocument("the archive's manifest.json is not a list of images")
    return items


def _docker_image(
    archive: Archive, item: Mapping[str, Any], manifests: Mapping[Digest, FetchedManifest], platform: Platform
) -> Held:
    config_name, layers, tags = item.get("Config"), item.get("Layers") or [], item.get("RepoTags") or []
    if not isinstance(config_name, str) or not _are_texts(layers) or not _are_texts(tags) or len(layers) > MAX_LAYERS:
        raise InvalidDocument("the archive's manifest.json has an image whose Config, Layers or RepoTags are wrong")
    data = archive.document(config_name)
    if data is None:
        raise DataCorrupt(f"the archive lacks {config_name!r}, an image's config: it was cut, make it again")
    blobs = [_layer(archive.blob(name), name) for name in layers]
    fetched = manifests.get(Digest.of(data)) or _made(data, blobs)
    return Held(tuple(_tag(tag) for tag in tags), _resolved(archive, [fetched], data, platform))


def _are_texts(values: object) -> bool:
    return isinstance(values, list) and all(isinstance(value, str) for value in values)


def _layer(blob: Blob | None, name: str) -> Blob:
    if blob is None:
        raise DataCorrupt(f"the archive lacks {name!r}, a layer: it was cut, make it again")
    return blob


def _tag(text: str) -> Reference:
    reference = Reference.parse(text)
    if reference.digest is not None:
        raise InvalidReference(f"the archive names an image {text[:80]!r}: a digest can't be given as a name")
    return reference


def _made(config: bytes, layers: list[Blob]) -> FetchedManifest:
    """A manifest for an image of manifest.json, which has none."""
    document = {
        "schemaVersion": 2,
        "mediaType": media.OCI_MANIFEST,
        "config": Descriptor(media.OCI_CONFIG, Digest.of(config), len(config)).as_json(),
        "layers": [Descriptor(blob.media_type, blob.digest, blob.size).as_json() for blob in layers],
    }
    data = json.dumps(document, separators=(",", ":")).encode()
    return FetchedManifest(data, media.OCI_MANIFEST, Digest.of(data))


def _by_config(archive: Archive, index: bytes, platform: Platform) -> dict[Digest, FetchedManifest]:
    """The image layout's own manifests, whose digests are worth keeping, by their configs' digests."""
    found: dict[Digest, FetchedManifest] = {}
    try:
        for held in _layout_images(archive, index, platform):
            found[held.resolved.manifest.config.digest] = held.resolved.documents[-1]
    except (DataCorrupt, InvalidArgument, PlatformMissing):
        return {}  # manifest.json is enough
    return found


def _layout_images(archive: Archive, index: bytes, platform: Platform) -> Iterator[Held]:
    parsed = parse(index, media.OCI_INDEX)
    if not isinstance(parsed, Index):
        raise InvalidDocument("the archive's index.json is no index")
    if len(parsed.manifests) > _IMAGES:
        raise InvalidDocument(f"the archive's index.json has {len(parsed.manifests)} images")
    pairs = list(zip(parsed.manifests, json.loads(index)["manifests"], strict=True))
    chosen = [pair for pair in pairs if _suits(*pair, platform)] or [pair for pair in pairs if not _is_extra(pair[1])]
    for descriptor, entry in chosen:
        documents = [_fetched(archive, descriptor)]
        found = parse(documents[-1].data, descriptor.media_type)
        while isinstance(found, Index):
            if len(documents) >= MAX_DEPTH:
                raise InvalidDocument("the archive's indexes are nested too deeply")
            child = found.select(platform)
            documents.append(_fetched(archive, child))
            found = parse(documents[-1].data, child.media_type)
        config = archive.by_digest(found.config.digest)
        if not isinstance(config, bytes):
            raise DataCorrupt(f"the archive lacks an image's config, {found.config.digest}: it was cut, make it again")
        yield Held(_names(entry), _resolved(archive, documents, config, platform))


def _is_extra(entry: Mapping[str, Any]) -> bool:
    """Whether it says something about another image, as BuildKit's attestations do."""
    return _ATTESTATION in (entry.get("annotations") or {})


def _suits(descriptor: Descriptor, entry: Mapping[str, Any], platform: Platform) -> bool:
    is_for_here = descriptor.platform is None or platform.rank(descriptor.platform) is not None
    return is_for_here and not _is_extra(entry)


def _names(entry: Mapping[str, Any]) -> tuple[Reference, ...]:
    """A text that is no name of an image is only a remark, for which the specification leaves room."""
    annotations = entry.get("annotations") or {}
    text = annotations.get(FULL_NAME) or annotations.get(REF_NAME)
    if not isinstance(text, str) or not (annotations.get(FULL_NAME) or "/" in text or ":" in text):
        return ()
    try:
        return (_tag(text),)
    except InvalidReference:
        return ()


def _fetched(archive: Archive, descriptor: Descriptor) -> FetchedManifest:
    data = archive.by_digest(descriptor.digest)
    if not isinstance(data, bytes):
        raise DataCorrupt(f"the archive lacks the manifest {descriptor.digest}: it was cut, make it again")
    return FetchedManifest(data, descriptor.media_type, descriptor.digest)


def _resolved(archive: Archive, documents: list[FetchedManifest], config: bytes, platform: Platform) -> Resolved:
    manifest = parse(documents[-1].data, documents[-1].content_type)
    assert isinstance(manifest, Manifest)
    parsed = ImageConfig.parse(config)
    check_image(manifest, parsed, platform)
    there = {blob.digest: blob.size for blob in archive.blobs.values()}
    for layer in manifest.layers:
        if there.get(layer.digest) != layer.size:
            raise DataCorrupt(f"the archive lacks the layer {layer.digest}: it was cut, make it again")
    return Resolved(manifest, parsed, config, tuple(documents))
