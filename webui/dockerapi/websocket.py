"""The client's side of `attach/ws`: one WebSocket message is a piece of the stream, in either direction.

A browser sends its cookies along with sockets that other sites open, so they don't count here; it needs a token.
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from webui.dockerapi import answers
from webui.dockerapi.versions import Version

Receive = Callable[[], Awaitable[dict[str, Any]]]


class WebSocketPeer:
    """Until version 1.28 what comes out is text, later bytes."""

    def __init__(self, receive: Receive, send: answers.Send, version: Version) -> None:
        self._receive, self._send, self._is_text = receive, send, version < (1, 28)
        self.is_accepted = False

    async def accept(self) -> None:
        self.is_accepted = True
        await self._send({"type": "websocket.accept"})

    async def refuse(self, scope: Mapping[str, Any], status: int, message: str) -> None:
        """The handshake is answered with a status, where the server can; a plain close is a 403."""
        if self.is_accepted or "websocket.http.response" not in (scope.get("extensions") or {}):
            await self._send({"type": "websocket.close"})
            return
        headers = [(b"content-type", b"application/json")]
        await self._send({"type": "websocket.http.response.start", "status": status, "headers": headers})
        body = json.dumps({"message": message}).encode()
        await self._send({"type": "websocket.http.response.body", "body": body})

    async def read(self) -> bytes | None:
        while (message := await self._receive())["type"] != "websocket.disconnect":
            if message["type"] == "websocket.receive":
                data = message.get("bytes")
                data = (message.get("text") or "").encode() if data is None else data
                if data:
                    return bytes(data)
        return None

    async def write(self, data: bytes) -> None:
        if data and self._is_text:
            await self._send({"type": "websocket.send", "text": data.decode("utf-8", "replace")})
        elif data:
            await self._send({"type": "websocket.send", "bytes": data})

    async def end(self) -> None:
        await self._send({"type": "websocket.close", "code": 1000})
