"""One request: who asks which host for what, in which version; its parameters and body, read with limits."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from typing import Any
from urllib.parse import parse_qs

from engine.errors import InvalidArgument
from webui.accounts.models import User
from webui.dockerapi import shapes
from webui.dockerapi.connection import Connection
from webui.dockerapi.errors import Refusal
from webui.dockerapi.versions import Version
from webui.dockerapi.websocket import WebSocketPeer
from webui.hosts.models import Host

Receive = Callable[[], Awaitable[dict[str, Any]]]

BODY_MAXIMUM = 4 << 20
"""Bytes of a body that is JSON; those that stream have no limit here."""
FILTER_VALUES_MAXIMUM = 100
PASSED_OVER_MAXIMUM, PASSED_OVER_SECONDS = 256 << 10, 2.0
_WITHOUT_BODY = ("GET", "HEAD", "DELETE")
_NO = ("", "0", "no", "false", "none")


class Gone(Exception):
    """The client went away in the middle."""


class Call:
    """`path` has the parts that the endpoint's path names. `again` looks once more whether the user may have what
    takes its time (`webui.dockerapi.door` calls it every half minute, in a thread; it raises what it finds).
    """

    user: User
    host: Host

    def __init__(
        self, scope: Mapping[str, Any], receive: Receive, version: Version, path: dict[str, str], host_name: str | None
    ) -> None:
        self.scope = scope
        self.method: str = scope["method"]
        self.version = version
        self.path = path
        self.host_name = host_name
        self._receive = receive
        self.connection: Connection | None = None
        self.peer: WebSocketPeer | None = None
        self.again: Callable[[], Any] | None = None
        self.query = parse_qs(scope["query_string"].decode("utf-8", "replace"), keep_blank_values=True)
        self._headers: dict[str, str] | None = None
        self._body: bytes | None = None
        self._is_read = False

    def __getitem__(self, name: str) -> str:
        """A part of the path."""
        return self.path[name]

    # ---- parameters

    def flag(self, name: str, default: bool = False) -> bool:
        """As Docker reads one: anything but 0, no, false and none is true."""
        return self.text(name).strip().lower() not in _NO if name in self.query else default

    def text(self, name: str, default: str = "") -> str:
        return next(iter(self.query.get(name, ())), default)

    def texts(self, name: str) -> list[str]:
        """Of one that may be given several times."""
        return self.query.get(name, [])

    def number(self, name: str, default: int | None = None) -> int | None:
        """Raises InvalidArgument."""
        text = self.text(name)
        if not text:
            return default
        try:
            return int(text[:20])
        except ValueError:
            raise InvalidArgument(f'invalid value for "{name}": {text[:40]!r} is no whole number') from None

    def filters(self, known: frozenset[str] | None = None) -> dict[str, list[str]]:
        """`filters`: name → values. Both of Docker's forms: lists, and (the older) objects of true values.

        Raises InvalidArgument for other JSON, and for a name that isn't `known`.
        """
        text = self.text("filters")
        if not text:
            return {}
        try:
            given = shapes.parsed(text)
        except InvalidArgument as error:
            raise InvalidArgument(f"invalid filter: give a JSON object of lists ({error.message})") from None
        if not isinstance(given, dict):
            raise InvalidArgument("invalid filter: give a JSON object of lists")
        found: dict[str, list[str]] = {}
        for name, several in given.items():
            values = several
            if isinstance(several, dict):
                values = [value for value, wanted in several.items() if wanted]
            if not isinstance(values, list) or not all(isinstance(value, str) for value in values):
                raise InvalidArgument("invalid filter: give a JSON object of lists")
            if known is not None and name not in known:
                raise InvalidArgument(f"invalid filter '{name[:60]}'")
            if len(values) > FILTER_VALUES_MAXIMUM:
                raise InvalidArgument(f"invalid filter '{name[:60]}': give at most {FILTER_VALUES_MAXIMUM} values")
            found[name] = values
        return found

    # ---- headers and body

    @property
    def headers(self) -> dict[str, str]:
        """By lower-case name; of a repeated one the last counts."""
        if self._headers is None:
            self._headers = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in self._raw()}
        return self._headers

    def _raw(self) -> list[tuple[bytes, bytes]]:
        return self.scope["headers"]  # type: ignore[no-any-return]

    async def json(self) -> dict[str, Any]:
        """The body, an object; {} when there is none. What it has beyond what is known is passed over, as Docker does.

        Raises InvalidArgument, Refusal (413), Gone.
        """
        body = await self.whole_body()
        if not body.strip():
            return {}
        kind = self.headers.get("content-type", "").partition(";")[0].strip().lower()
        if kind != "application/json":
            shown = self.headers.get("content-type", "")[:80]
            raise InvalidArgument(f"unsupported Content-Type header ({shown}): must be 'application/json'")
        value = shapes.parsed(body)
        if value is None:
            return {}
        if not isinstance(value, dict):
            raise InvalidArgument("invalid JSON: the body has to be an object")
        return value

    async def whole_body(self) -> bytes:
        """All of it, at most `BODY_MAXIMUM` bytes. Raises Refusal (413), Gone."""
        if self._body is None:
            parts, size = [], 0
            async for part in self.body():
                parts.append(part)
                size += len(part)
                if size > BODY_MAXIMUM:
                    raise Refusal(413, f"a request's body may have {BODY_MAXIMUM} bytes here")
            self._body = b"".join(parts)
        return self._body

    async def body(self) -> AsyncIterator[bytes]:
        """As it comes; the client is held back while nobody asks for the next part. Raises Gone."""
        while True:
            message = await self.receive()
            if message["type"] in ("http.disconnect", "hijack.disconnect"):
                raise Gone
            if part := message.get("body", b""):
                yield part
            if not message.get("more_body"):
                return

    async def receive(self) -> dict[str, Any]:
        """The server's next message."""
        message = await self._receive()
        if message["type"] == "http.request" and not message.get("more_body"):
            self._is_read = True
        return message

    async def pass_over(self) -> None:
        """Read what is left of the body before it is answered with a refusal: some of it, and for a moment.

        As Go's servers do: a client that is still sending then complains of a broken connection as well.
        """
        size = 0
        if self._is_read or self.method in _WITHOUT_BODY:
            return
        with contextlib.suppress(TimeoutError, Gone):
            async with asyncio.timeout(PASSED_OVER_SECONDS):
                async for part in self.body():
                    size += len(part)
                    if size >= PASSED_OVER_MAXIMUM:
                        return
