"""How an image came to be: the history of its config (image-spec, config.md#properties) beside its layers."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from engine.images.image import Image

_MAX_TEXT = 8192


@dataclass(frozen=True, slots=True, kw_only=True)
class HistoryEntry:
    """One step. `id` and `tags` are the image's for its last step, Docker's `<missing>` and nothing for the others.

    `created_at` in RFC 3339; `size_bytes` of the unpacked files; `digest` of the layer's blob and its `diff_id`, both
    empty for a step without a layer (`is_empty`) and where they aren't known.
    """

    id: str = "<missing>"
    created_at: str | None = None
    created_by: str = ""
    comment: str = ""
    author: str = ""
    size_bytes: int = 0
    tags: tuple[str, ...] = ()
    is_empty: bool = False
    digest: str = ""
    diff_id: str = ""


def steps(image: Image, config: bytes, digests: Sequence[str], sizes: Mapping[str, int]) -> tuple[HistoryEntry, ...]:
    """The steps, the newest first; `digests` of the layers' blobs if they are known, `sizes` by diff id.

    A history says what its writer liked: where it speaks of too few layers, the rest follow without words; where it
    speaks of too many, those steps have none.
    """
    found: list[HistoryEntry] = []
    layers = list(image.diff_ids)
    blobs = [*digests] if len(digests) == len(layers) else [""] * len(layers)
    position = 0
    for step in _steps(config):
        is_empty = step.get("empty_layer") is True or position >= len(layers)
        diff_id, blob = ("", "") if is_empty else (layers[position], blobs[position])
        found.append(_entry(step, is_empty, diff_id, blob, sizes))
        position += not is_empty
    for diff_id, blob in zip(layers[position:], blobs[position:], strict=True):
        found.append(_entry({}, False, diff_id, blob, sizes))
    found.reverse()
    if found:
        found[0] = replace(found[0], id=image.id, tags=image.tags)
    return tuple(found)


def _steps(config: bytes) -> list[dict[str, Any]]:
    steps = json.loads(config).get("history")
    return [step for step in steps if isinstance(step, dict)] if isinstance(steps, list) else []


def _entry(step: Mapping[str, Any], is_empty: bool, diff_id: str, blob: str, sizes: Mapping[str, int]) -> HistoryEntry:
    texts = {key: str(step.get(key) or "")[:_MAX_TEXT] for key in ("created", "created_by", "comment", "author")}
    return HistoryEntry(
        created_at=texts["created"] or None,
        created_by=texts["created_by"],
        comment=texts["comment"],
        author=texts["author"],
        size_bytes=sizes.get(diff_id, 0),
        is_empty=is_empty,
        digest=blob,
        diff_id=diff_id,
    )
