"""How files of a volume look in REST: names of any bytes as text, and addresses that lead back to them."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote_from_bytes

from webui.accounts.representation import time_as_json
from webui.volumes.models import Volume


def raw(text: str) -> bytes:
    """The bytes of a name or path of the contract's."""
    return text.encode("utf-8", "surrogateescape")


def readable(text: str) -> str:
    """For people; bytes that are no UTF-8 as `\\xff`."""
    return raw(text).decode("utf-8", "backslashreplace")


def entry_as_json(volume: Volume, entry: Mapping[str, Any], path: str) -> dict[str, Any]:
    """`path` is where it is, as the contract has it. `path` of the answer is null where no text can be it; `url` always
    leads to it."""
    clean = "/" + "/".join(name for name in path.split("/") if name not in ("", "."))
    is_text = not any("\ud800" <= one <= "\udfff" for one in clean)
    return {
        "name": readable(entry["name"]),
        "path": clean if is_text else None,
        "type": entry["kind"],
        "size_bytes": entry["size"],
        "mode": f"{entry['mode']:04o}",
        "uid": entry["uid"],
        "gid": entry["gid"],
        "modified_at": time_as_json(moment(entry["modified"])),
        "links": entry["links"],
        "etag": entry["etag"],
        "target": None if entry.get("target") is None else readable(entry["target"]),
        "leads_to": entry.get("leads_to"),
        "url": f"/api/v1/volumes/{volume.pk}/files/?path={quote_from_bytes(raw(clean), safe='/')}",
    }


def moment(seconds: float) -> datetime:
    """What no calendar has becomes its nearest day: a container may set any time."""
    return datetime.fromtimestamp(max(-62_135_596_800, min(seconds, 253_402_300_799)), UTC)
