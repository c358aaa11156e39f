"""The build cache as registries keep it: which layer a step gave, in a form that another host can take up.

    manifest  artifactType …build-cache.v1, the layers as an image has them, so that a registry keeps them
      config  {"keys": VERSION, "steps": [{"key", "content", "diff_id", "layer", "size_bytes", "created_at"}, …],
               "mounts": [{"id", "layer"}, …]}
    inline    an image's config has `io.portside.build-cache.v1`: the same steps, of its own layers alone

A key is the digest of what a step is, its content that of what it reads (docs/adr/0026): neither tells what they are.
Descriptions are left out for that reason: they hold build arguments.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from engine.build.keys import VERSION, FarStep, Found
from engine.images.manifests import as_json
from engine.oci import media
from engine.oci.digest import Digest
from engine.oci.document import MAX_CONFIG_BYTES, MAX_MANIFEST_BYTES, InvalidDocument, load, optional, required
from engine.oci.manifest import Descriptor

ARTIFACT_TYPE = "application/vnd.portside.build-cache.v1"
CONFIG_TYPE = f"{ARTIFACT_TYPE}+json"
INLINE = "io.portside.build-cache.v1"
MOUNTS, STEPS = 100, 4000
"""More than one cache holds; a manifest of so many layers is what registries take."""
_HEX = re.compile(r"[0-9a-f]{64}")
_LAST_MOMENT = 253402300799.0
_WHAT = "build cache"


def config_of(
    steps: Sequence[Found], layers: Mapping[str, Descriptor], mounts: Mapping[str, Descriptor] | None = None
) -> tuple[bytes, tuple[Descriptor, ...]]:
    """(the config, the blobs in its order) of steps whose layers are packed as `layers` says, by diff ids; `mounts`:
    packed cache mounts, by their names."""
    blobs = {layers[step.diff_id].digest: layers[step.diff_id] for step in steps}
    blobs |= {blob.digest: blob for blob in (mounts or {}).values()}
    places = {digest: number for number, digest in enumerate(blobs)}
    rows = [_row(step) | {"layer": places[layers[step.diff_id].digest]} for step in steps]
    held = [{"id": name, "layer": places[blob.digest]} for name, blob in sorted((mounts or {}).items())]
    return as_json({"keys": VERSION, "steps": rows, "mounts": held}), tuple(blobs.values())


def manifest_of(config: bytes, layers: Sequence[Descriptor]) -> bytes:
    """The manifest to put under the cache's name."""
    return as_json(
        {
            "schemaVersion": 2,
            "mediaType": media.OCI_MANIFEST,
            "artifactType": ARTIFACT_TYPE,
            "config": Descriptor(CONFIG_TYPE, Digest.of(config), len(config)).as_json(),
            "layers": [layer.as_json() for layer in layers],
        }
    )


def with_inline(config: bytes, steps: Iterable[Found], epoch: int | None) -> bytes:
    """An image's config with the steps that gave its layers. No time is after `epoch`."""
    document = json.loads(config)
    own = set(document["rootfs"]["diff_ids"])
    rows = []
    for step in steps:
        if step.diff_id in own:
            row = _row(step)
            row["created_at"] = row["created_at"] if epoch is None else min(row["created_at"], float(epoch))
            rows.append(row)
    rows.sort(key=lambda row: (row["key"], row["content"]))
    document[INLINE] = {"keys": VERSION, "steps": rows}
    return as_json(document)


def _row(step: Found) -> dict[str, Any]:
    return {
        "key": step.key,
        "content": step.content,
        "diff_id": step.diff_id,
        "size_bytes": step.size_bytes,
        "created_at": step.created_at,
    }


def is_cache(manifest: bytes) -> bool:
    """Whether a manifest is a cache's, and not an image's."""
    document = load(manifest, _WHAT, MAX_MANIFEST_BYTES)
    config = document.get("config")
    return document.get("artifactType") == ARTIFACT_TYPE and isinstance(config, dict)


def parts_of(manifest: bytes) -> tuple[Descriptor, tuple[Descriptor, ...]]:
    """(config, layers) of a cache's manifest. Raises `InvalidDocument`."""
    document = load(manifest, _WHAT, MAX_MANIFEST_BYTES)
    config = Descriptor.from_json(document.get("config"), f"{_WHAT}'s config")
    layers = optional(document, "layers", list, [], _WHAT)
    if len(layers) > STEPS or config.media_type != CONFIG_TYPE or config.size > MAX_CONFIG_BYTES:
        raise InvalidDocument("this is no build cache as Portside writes it")
    return config, tuple(Descriptor.from_json(layer, f"{_WHAT}'s layer") for layer in layers)


def steps_of(config: bytes, layers: Sequence[Descriptor]) -> dict[tuple[str, str], FarStep]:
    """By key and content, out of a cache's config. Nothing from another version. Raises `InvalidDocument`."""
    document = load(config, _WHAT, MAX_CONFIG_BYTES)
    found = {}
    for row in _rows(document):
        found[_key(row)] = FarStep(_diff_id(row), layers[_number(row, layers)], _time(row))
    return found


def _number(row: dict[str, Any], layers: Sequence[Descriptor]) -> int:
    number = required(row, "layer", int, _WHAT)
    if not 0 <= number < len(layers) or not media.is_layer(layers[number].media_type):
        raise InvalidDocument(f"the {_WHAT} names a layer that it hasn't")
    return number


def mounts_of(config: bytes, layers: Sequence[Descriptor]) -> dict[str, Descriptor]:
    """Packed cache mounts by their names, out of a cache's config. Raises `InvalidDocument`."""
    rows = optional(load(config, _WHAT, MAX_CONFIG_BYTES), "mounts", list, [], _WHAT)
    if len(rows) > MOUNTS or not all(isinstance(row, dict) for row in rows):
        raise InvalidDocument(f"the {_WHAT} has more than {MOUNTS} cache mounts, or what is none")
    return {required(row, "id", str, _WHAT): layers[_number(row, layers)] for row in rows}


def inline_steps(config: bytes, layers: Sequence[Descriptor]) -> dict[tuple[str, str], FarStep]:
    """By key and content, out of an image's config and the layers of its manifest. Raises `InvalidDocument`."""
    document = load(config, _WHAT, MAX_CONFIG_BYTES)
    rootfs = optional(document, "rootfs", dict, {}, _WHAT)
    diff_ids = optional(rootfs, "diff_ids", list, [], _WHAT)
    blobs = dict(zip(diff_ids, layers, strict=False))
    held = optional(document, INLINE, dict, {}, _WHAT)
    return {
        _key(row): FarStep(diff_id, blobs[diff_id], _time(row))
        for row in _rows(held)
        if (diff_id := _diff_id(row)) in blobs
    }


def _rows(document: Mapping[str, Any]) -> list[dict[str, Any]]:
    if document.get("keys") != VERSION:
        return []
    rows = document.get("steps")
    if not isinstance(rows, list) or len(rows) > STEPS or not all(isinstance(row, dict) for row in rows):
        raise InvalidDocument(f"the {_WHAT} has no list of steps, or more than {STEPS}")
    return rows


def _key(row: dict[str, Any]) -> tuple[str, str]:
    key, content = required(row, "key", str, _WHAT), optional(row, "content", str, "", _WHAT)
    if not _HEX.fullmatch(key) or len(content) > 200 or not content.isascii():
        raise InvalidDocument(f"the {_WHAT} has a key that is no digest")
    return key, content


def _diff_id(row: dict[str, Any]) -> Digest:
    return Digest.parse(required(row, "diff_id", str, _WHAT))


def _time(row: dict[str, Any]) -> float:
    value = row.get("created_at")
    is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
    if not is_number or not 0 <= value <= _LAST_MOMENT:  # type: ignore[operator]
        raise InvalidDocument(f"the {_WHAT} has a time that is none")
    return float(value)  # type: ignore[arg-type]
