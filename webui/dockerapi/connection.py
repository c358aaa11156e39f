"""A connection that was taken over: raw bytes both ways (`webui.up.hijacking` has the scope's words)."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from webui.dockerapi import answers


class Connection:
    """Nothing has been answered until `accept`; until then the request can be refused like any other."""

    def __init__(self, receive: Callable[[], Awaitable[dict[str, Any]]], send: answers.Send, upgrade: bool) -> None:
        self._receive, self._send = receive, send
        self._upgrade = upgrade
        self.is_accepted = False

    async def accept(self, content_type: str, protocol: str = "tcp") -> None:
        """101 for who has asked for an upgrade, 200 for others, who know it by the path."""
        self.is_accepted = True
        if self._upgrade:
            head = f"101 UPGRADED\r\nContent-Type: {content_type}\r\nConnection: Upgrade\r\nUpgrade: {protocol}"
        else:
            head = f"200 OK\r\nContent-Type: {answers.RAW_STREAM}"
        await self._send({"type": "hijack.head", "data": f"HTTP/1.1 {head}\r\n\r\n".encode("latin-1")})

    async def refuse(self, status: int, body: bytes, headers: answers.Headers = ()) -> None:
        """An answer of JSON instead of the stream, and the end."""
        more = "".join(f"{name}: {value}\r\n" for name, value in headers)
        head = (
            f"HTTP/1.1 {status} {answers.phrase(status)}\r\nContent-Type: {answers.JSON}\r\n"
            f"Content-Length: {len(body)}\r\n{more}Connection: close\r\n\r\n"
        )
        await self._send({"type": "hijack.head", "data": head.encode("latin-1") + body})

    async def read(self) -> bytes | None:
        """What has come; nothing at the end of what the client sends, None when it has gone."""
        message = await self._receive()
        return None if message["type"] == "hijack.disconnect" else message["data"]

    async def write(self, data: bytes) -> None:
        """Waits while the client reads too slowly."""
        if data:
            await self._send({"type": "hijack.data", "data": data})

    async def end(self) -> None:
        """No more follows; the client may go on sending."""
        await self._send({"type": "hijack.eof"})
