"""Answers that are a file of a volume, and requests that bring one: safe headers, parts, what somebody else changed.

What lies in a volume is a stranger's. Its bytes are never shown as a page of ours: every answer is an attachment, its
type is a picture's or says nothing, browsers may not guess another, and what would run all the same runs in a sandbox.
"""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Callable, Mapping
from email.utils import format_datetime
from typing import Any
from urllib.parse import quote_from_bytes

from webui.api.streamed import Gone, Handover, Receive, Send, start, until_gone
from webui.links.transfer import ArchiveSession, ArchiveWish
from webui.volumes.file_words import moment, raw

PICTURES = {
    "png": "image/png",
    "jpg": "image/jpeg",
    "jpeg": "image/jpeg",
    "gif": "image/gif",
    "webp": "image/webp",
    "avif": "image/avif",
    "bmp": "image/bmp",
    "ico": "image/x-icon",
    "svg": "image/svg+xml",
}
"""What a page of ours may show by <img>, where no script of a picture runs. Everything else has no type."""
UNKNOWN = "application/octet-stream"
SANDBOX = "default-src 'none'; style-src 'unsafe-inline'; sandbox"
_RANGE = re.compile(r"bytes=([0-9]{0,18})-([0-9]{0,18})")
_ETAG = re.compile(r'(?:W/)?"([0-9a-f-]{1,100})"')


def part_of(headers: Mapping[str, str]) -> dict[str, Any]:
    """What `Range` and `If-Range` ask for, as the contract's ReadFile has it; several ranges at once are the whole."""
    found = _RANGE.fullmatch(headers.get("Range", "").strip())
    if found is None or found.group(0) == "bytes=-":
        return {}
    first, last = found.groups()
    if (last == "0" and not first) or (first and last and int(last) < int(first)):
        return {}  # no range at all
    part: dict[str, Any] = (
        {"first": int(first), "last": int(last) if last else None} if first else {"first": -int(last)}
    )
    if condition := headers.get("If-Range"):
        part["etag"] = etag_in(condition) or "none"
    return part


def etag_in(text: str | None) -> str | None:
    """The first entity tag of a header, None if there is none."""
    found = _ETAG.search(text or "")
    return found.group(1) if found else None


def file_answer(wish: ArchiveWish, headers: Mapping[str, str], *, is_head: bool = False) -> Handover:
    """The file, or the part of it that was asked for, at the pace of the client."""
    unchanged = etag_in(headers.get("If-None-Match"))

    async def serve(receive: Receive, send: Send) -> None:
        async with ArchiveSession(wish) as session:
            entry, offset, length = (session.found[name] for name in ("entry", "offset", "length"))
            own = file_headers(entry)
            if unchanged == entry["etag"]:
                await _end(send, 304, own)
                return
            if length is None:
                await _end(send, 416, [*own, ("Content-Range", f"bytes */{entry['size']}"), ("Content-Length", "0")])
                return
            is_part = _asks_for_part(wish, entry)
            if is_part:
                own.append(("Content-Range", f"bytes {offset}-{offset + length - 1}/{entry['size']}"))
            own.append(("Content-Length", str(length)))
            if is_head:
                await _end(send, 200, own)
                return
            gone = asyncio.ensure_future(until_gone(receive))
            try:
                await start(send, 206 if is_part else 200, own)
                async for data in session.chunks():
                    if gone.done():
                        raise Gone
                    if data:
                        await send({"type": "http.response.body", "body": data, "more_body": True})
            finally:
                gone.cancel()
        await send({"type": "http.response.body", "body": b""})

    return Handover(serve)


def removal_answer(wish: ArchiveWish) -> Handover:
    """204 when it is done."""

    async def serve(_: Receive, send: Send) -> None:
        async with ArchiveSession(wish) as session:
            await session.result()
        await _end(send, 204, [])

    return Handover(serve)


def changed_answer(wish: ArchiveWish, said: Callable[[dict[str, Any]], dict[str, Any]]) -> Handover:
    """What `said` makes of the host's result, once it is done."""

    async def serve(_: Receive, send: Send) -> None:
        async with ArchiveSession(wish) as session:
            body = json.dumps(said(await session.result())).encode()
        await start(send, 200, [("Content-Type", "application/json")])
        await send({"type": "http.response.body", "body": body})

    return Handover(serve)


def disposition(name: bytes) -> str:
    """An attachment of this name (RFC 6266); whatever bytes it has, no header ends by it."""
    return f"attachment; filename*=UTF-8''{quote_from_bytes(name, safe='')}"


def _asks_for_part(wish: ArchiveWish, entry: Mapping[str, Any]) -> bool:
    """And of the content that is there."""
    wanted = wish.parameters
    return wanted["first"] is not None and wanted["etag"] in (None, entry["etag"])


def file_headers(entry: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Of a file as the contract tells it, whatever its name and its times are."""
    name = raw(entry["name"])
    kind = PICTURES.get(name.rpartition(b".")[2].decode("ascii", "replace").lower(), UNKNOWN)
    return [
        ("Content-Type", kind),
        ("Content-Disposition", disposition(name or b"file")),
        ("ETag", f'"{entry["etag"]}"'),
        ("Last-Modified", format_datetime(moment(int(entry["modified"])), usegmt=True)),
        ("Accept-Ranges", "bytes"),
        ("Content-Security-Policy", SANDBOX),
        ("Cross-Origin-Resource-Policy", "same-origin"),
    ]


async def _end(send: Send, status: int, headers: list[tuple[str, str]]) -> None:
    await start(send, status, headers)
    await send({"type": "http.response.body", "body": b""})
