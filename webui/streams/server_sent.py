"""NDJSON as server-sent events (WHATWG HTML, section 9.2): one event a line, its id the object's."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from typing import Any

CONTENT_TYPE = b"text/event-stream"
KEEP_ALIVE_SECONDS = 20.0
"""So often a comment goes out, lest a proxy take the connection for dead."""
COMMENT = b":\n\n"


def is_wanted(scope: Mapping[str, Any]) -> bool:
    """Whether the client accepts server-sent events, as a browser's EventSource does."""
    return any(name == b"accept" and CONTENT_TYPE in value for name, value in scope["headers"])


def events(part: bytes) -> bytes:
    """Each line of `part` as an event; nothing as a comment, so that the client learns that it is heard."""
    if not part.strip():
        return COMMENT
    return b"".join(_event(line) for line in part.splitlines() if line.strip())


def _event(line: bytes) -> bytes:
    found = json.loads(line)
    number = found.get("id") if isinstance(found, dict) else None
    head = f"id: {number}\n".encode() if isinstance(number, int | str) and "\n" not in str(number) else b""
    return head + b"data: " + line + b"\n\n"


async def keep_alive(send: Any) -> None:
    """Send a comment now and then, until it is cancelled."""
    while True:
        await asyncio.sleep(KEEP_ALIVE_SECONDS)
        await send({"type": "http.response.body", "body": COMMENT, "more_body": True})
