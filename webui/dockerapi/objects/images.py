"""Images as Docker's JSON has them: in lists, one by one, and how they came to be.

Source: moby's api/swagger.yaml (ImageSummary, ImageInspect, HistoryResponseItem), and what its daemon leaves out or
adds for older clients (daemon/server/router/image/image_routes.go).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from django.utils.dateparse import parse_datetime

from webui.dockerapi.objects.words import unix_seconds
from webui.dockerapi.times import rfc3339
from webui.dockerapi.versions import Version
from webui.images.models import Image

UNKNOWN = -1
"""Of a number that nobody has counted."""


def image_summary(
    image: Image, version: Version, *, containers: int = UNKNOWN, shared_bytes: int = UNKNOWN
) -> dict[str, Any]:
    """One line of `GET /images/json`."""
    tags: list[str] | None = list(image.tags)
    digests: list[str] | None = list(image.digests)
    if version < (1, 43):
        if not tags and not digests:
            tags, digests = ["<none>:<none>"], ["<none>@<none>"]
        tags, digests = tags or None, digests or None
    found = {
        "Id": image.image_id,
        "ParentId": "",
        "RepoTags": tags,
        "RepoDigests": digests,
        "Created": unix_seconds(image.built_at),
        "Size": image.size_bytes,
        "SharedSize": shared_bytes,
        "Labels": image.config.get("labels") or None,
        "Containers": containers if version >= (1, 51) else UNKNOWN,
    }
    if version < (1, 44):
        found["VirtualSize"] = image.size_bytes
    return found


def image_inspect(image: Image, document: Mapping[str, Any], parent: str, version: Version) -> dict[str, Any]:
    """`GET /images/NAME/json`; `document` is the image's config as its host has it (image-spec, config.md)."""
    found: dict[str, Any] = {
        "Id": image.image_id,
        "RepoTags": list(image.tags),
        "RepoDigests": list(image.digests),
        "Created": document.get("created") or (rfc3339(None) if version < (1, 44) else ""),
        "Config": _config(document.get("config") or {}, version),
        "Architecture": document.get("architecture", ""),
        "Os": document.get("os", ""),
        "Size": image.size_bytes,
        "GraphDriver": {"Name": "overlay2", "Data": None},
        "RootFS": {"Type": "layers", "Layers": list((document.get("rootfs") or {}).get("diff_ids") or [])},
        "Metadata": {"LastTagTime": rfc3339(image.updated_at)},
    }
    for ours, theirs in (("variant", "Variant"), ("os.version", "OsVersion")):
        if document.get(ours):
            found[theirs] = document[ours]
    history = document.get("history")
    last = history[-1] if isinstance(history, list) and history and isinstance(history[-1], dict) else {}
    said = {
        "Parent": parent,
        "Comment": document.get("comment") or last.get("comment") or "",
        "DockerVersion": document.get("docker_version") or "",
        "Author": document.get("author") or "",
    }
    found |= said if version < (1, 52) else {name: value for name, value in said.items() if value}
    if version < (1, 45):
        found["Container"] = document.get("container") or ""
        found["ContainerConfig"] = _config(document.get("container_config") or {}, version)
    if version < (1, 44):
        found["VirtualSize"] = image.size_bytes
    return found


_OFTEN: dict[str, Any] = {
    "User": "",
    "Env": None,
    "Cmd": None,
    "Volumes": None,
    "WorkingDir": "",
    "Entrypoint": None,
    "OnBuild": None,
    "Labels": None,
}
_ALWAYS: dict[str, Any] = {
    "Hostname": "",
    "Domainname": "",
    "AttachStdin": False,
    "AttachStdout": False,
    "AttachStderr": False,
    "Tty": False,
    "OpenStdin": False,
    "StdinOnce": False,
    "Image": "",
    **_OFTEN,
}
"""What older clients find in every configuration, whether it was set or not."""
_FIRST, _ONCE = (1, 50), (1, 52)


def _config(config: Mapping[str, Any], version: Version) -> dict[str, Any]:
    if version < _FIRST:
        return {**_ALWAYS, **config}
    kept = {name: value for name, value in config.items() if name in _OFTEN or name not in _ALWAYS}
    return {**_OFTEN, **kept} if version < _ONCE else kept


def image_history(entries: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """`GET /images/NAME/history`; `entries` are the host's HistoryEntry, the newest first."""
    return [
        {
            "Id": entry["id"],
            "Created": unix_seconds(_moment(entry.get("created_at"))),
            "CreatedBy": entry.get("created_by", ""),
            "Tags": list(entry.get("tags") or ()) or None,
            "Size": entry.get("size_bytes", 0),
            "Comment": entry.get("comment", ""),
        }
        for entry in entries
    ]


def removal(untagged: Iterable[str], deleted: Iterable[str]) -> list[dict[str, str]]:
    """What went, as `DELETE /images/NAME` and a pruning tell it."""
    return [*({"Untagged": name} for name in untagged), *({"Deleted": image_id} for image_id in deleted)]


def _moment(text: str | None) -> Any:
    try:
        return parse_datetime(text) if text else None
    except ValueError:
        return None
