"""How pulls and pushes are told: a job's progress becomes Docker's objects, one for each thing that is new.

Source: moby's api/swagger.yaml (CreateImageInfo, PushImageInfo) and what its daemon says while it works.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from engine.oci.reference import Reference

Told = dict[str, Any]
BAR_WIDTH = 50
_RESOLVING = ("", "resolving", "preparing")
_PULL = {
    "waiting": "Pulling fs layer",
    "downloading": "Downloading",
    "unpacking": "Extracting",
    "done": "Pull complete",
    "exists": "Already exists",
}
_PUSH = {
    "waiting": "Preparing",
    "uploading": "Pushing",
    "done": "Pushed",
    "exists": "Layer already exists",
    "mounted": "Mounted from another repository",
}
_COUNTED = ("downloading", "unpacking", "uploading")


class Layers:
    """Remembers what was said of each layer. `take` answers what is to be said now."""

    def __init__(self, words: Mapping[str, str], heading: Told, held: Collection[str] = ()) -> None:
        """`held`: states of which nothing is said before some layer is in another one."""
        self._words = words
        self._heading = heading
        self._held = held
        self._has_begun = False
        self._said: dict[str, tuple[str, int]] = {}

    @classmethod
    def of_pull(cls, reference: Reference) -> Layers:
        """Of an image that is here already, no layers are told."""
        heading = {"status": f"Pulling from {reference.repository}", "id": reference.identifier}
        return cls(_PULL, heading, ("waiting", "exists"))

    @classmethod
    def of_push(cls, reference: Reference) -> Layers:
        return cls(_PUSH, {"status": f"The push refers to repository [{reference.name}]"})

    def take(self, progress: Mapping[str, Any]) -> list[Told]:
        """`progress` as a job has it. Nothing is said before the registry has answered: an error has a status then."""
        if progress.get("phase", "") in _RESOLVING and not progress.get("items"):
            return []
        told, items = self.begin(), progress.get("items") or ()
        if not self._said and all(item.get("status") in self._held for item in items):
            return told
        for item in items:
            told += self._layer(item)
        return told

    def begin(self) -> list[Told]:
        """The first line, once."""
        if self._has_begun:
            return []
        self._has_begun = True
        return [self._heading]

    def _layer(self, item: Mapping[str, Any]) -> list[Told]:
        layer, status = str(item.get("id", "")), str(item.get("status", ""))
        done, total = int(item.get("done_bytes") or 0), int(item.get("total_bytes") or 0)
        before = self._said.get(layer)
        now = (status, done if status in _COUNTED else 0)
        if before == now or status not in self._words:
            return []
        self._said[layer] = now
        told: list[Told] = []
        if before is None and status not in ("waiting", "exists"):
            told.append({"status": self._words["waiting"], "progressDetail": {}, "id": layer})
        if status == "unpacking" and (before is None or before[0] != "unpacking"):
            told.append({"status": "Download complete", "progressDetail": {}, "id": layer})
        if status in _COUNTED:
            detail = {"current": done, "total": total}
            return [
                *told,
                {"status": self._words[status], "progressDetail": detail, "progress": bar(done, total), "id": layer},
            ]
        return [*told, {"status": self._words[status], "progressDetail": {}, "id": layer}]


def pulled(reference: Reference, digest: str, *, is_new: bool) -> list[Told]:
    """The last lines of a pull."""
    told = [{"status": f"Digest: {digest}"}] if digest else []
    how = "Downloaded newer image for" if is_new else "Image is up to date for"
    return [*told, {"status": f"Status: {how} {reference.familiar}"}]


def pushed(tag: str, digest: str, size: int) -> list[Told]:
    """The last lines of a push; `size` of the manifest."""
    return [
        {"status": f"{tag}: digest: {digest} size: {size}"},
        {"progressDetail": {}, "aux": {"Tag": tag, "Digest": digest, "Size": size}},
    ]


def failure(message: str, code: int = 0) -> Told:
    """What has gone wrong after the answer had begun; `code` is what a client should end with."""
    detail = {"code": code, "message": message} if code else {"message": message}
    return {"errorDetail": detail, "error": message}


def bar(done: int, total: int) -> str:
    """`[=====>     ]  1.4MB/1.9MB`."""
    if total <= 0:
        return f"{size_text(done):>8}"
    filled = min(BAR_WIDTH, done * BAR_WIDTH // total)
    blank = " " * (BAR_WIDTH - filled)
    return f"[{'=' * filled}>{blank}] {size_text(done):>8}/{size_text(total)}"


def size_text(count: int) -> str:
    """Four digits and a decimal unit, as docker/go-units HumanSize."""
    value, units = float(count), iter(("B", "kB", "MB", "GB", "TB", "PB"))
    unit = next(units)
    while value >= 1000 and (larger := next(units, None)):
        value, unit = value / 1000, larger
    return f"{value:.4g}{unit}"
