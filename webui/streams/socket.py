"""What every socket has in common: admission before the handshake, one task that sends, and a regular second look.

The second look asks again whether the user is signed in and still sees the object. It comes as soon as somebody changes
the user's rights (`webui.live.revoking`), and every half minute besides: a session may end by itself.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
from collections.abc import Callable, Mapping
from typing import Any, ClassVar
from urllib.parse import parse_qs

import redis.exceptions
from channels.consumer import get_handler_name
from channels.exceptions import StopConsumer
from channels.generic.websocket import AsyncWebsocketConsumer

from engine.errors import EngineError, InvalidArgument, Unavailable
from webui import json_text
from webui.accounts.models import User
from webui.asking import SOCKET, begin_asking, identified
from webui.live.admission import Refused, address_of, admit, headers_of, origin_check, user_authenticate
from webui.live.loop import in_thread
from webui.live.revoking import right_lost, rights_heard
from webui.parameters import unix_seconds

logger = logging.getLogger(__name__)

AGAIN_SECONDS = 30.0
NOT_ANY_MORE, ASK_AGAIN = 4401, 1013
"""Close codes: the right is gone; try again later (RFC 6455 registry)."""


class Socket(AsyncWebsocketConsumer):
    """Subclasses say what is needed to open it (`prepare`, in a thread) and what it sends (`run`)."""

    user: User
    again_seconds: ClassVar[float] = AGAIN_SECONDS
    is_revoked = False
    """Whether a second look found that the user may not have this any more."""

    def prepare(self, user: User) -> None:
        """Load what the socket is about; may query the database. Raises Refused. Repeated at each second look."""
        raise NotImplementedError

    async def run(self) -> None:
        """Send until there is no more to send; the socket closes then."""
        raise NotImplementedError

    async def dispatch(self, message: dict[str, Any]) -> None:
        """Not as Channels does it, which has a thread close old connections to the database before each message: none
        is opened but by `in_thread`, which sees to its own."""
        await getattr(self, get_handler_name(message))(message)

    async def websocket_disconnect(self, message: dict[str, Any]) -> None:
        await self.disconnect(message["code"])
        raise StopConsumer

    async def connect(self) -> None:
        self._tasks: list[asyncio.Task[None]] = []
        try:
            headers = headers_of(self.scope)
            origin_check(headers)
            begin_asking(SOCKET, address=address_of(self.scope), agent=headers.get("user-agent", ""))
            self._rights_heard = rights_heard()
            await in_thread(self._admit, admit)
        except Refused as refusal:
            await self._refuse(refusal)
            return
        await self.accept()
        self._tasks = [asyncio.create_task(self._run()), asyncio.create_task(self._look_again())]

    async def disconnect(self, code: int) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def send_message(self, **message: Any) -> None:
        await self.send(text_data=json_text.written(message).decode("utf-8", "surrogatepass"))

    async def send_error(self, error: EngineError) -> None:
        await self.send_message(type="error", error={"family": error.family, "message": error.message})

    def query(self, name: str) -> str | None:
        """A parameter of the address; None if it is missing."""
        return parse_qs(self.scope["query_string"].decode("latin-1")).get(name, [None])[0]

    def query_number(self, name: str) -> float | None:
        """A parameter that has to be a number of zero and more. Raises Refused."""
        text = self.query(name)
        if text is None:
            return None
        try:
            number = float(text)
        except ValueError:
            number = -1
        if not 0 <= number < 2**53:
            raise Refused(400, f"{name} has to be a number")
        return number

    def query_moment(self, name: str) -> float | None:
        """A parameter that is a moment, as REST takes it: Unix seconds or RFC 3339. Raises Refused."""
        try:
            return unix_seconds(name, {name: [self.query(name) or ""]})
        except InvalidArgument as error:
            raise Refused(400, error.message) from error

    def _admit(self, find: Callable[[Mapping[str, Any], Mapping[str, str]], User]) -> None:
        self.user = find(self.scope, headers_of(self.scope))
        identified(self.user, self.user.token_name)
        self.prepare(self.user)

    async def _run(self) -> None:
        code = 1000
        try:
            await self.run()
        except EngineError as error:
            await self.send_error(error)
            code = ASK_AGAIN if isinstance(error, Unavailable) else 1000
        except (redis.exceptions.RedisError, OSError) as error:
            logger.warning("a socket lost the broker: %s", error)
            code = ASK_AGAIN
        except Refused:
            code = NOT_ANY_MORE
        except Exception:
            logger.exception("the socket %s failed", self.scope["path"])
            code = 1011
        with contextlib.suppress(Exception):  # it may have closed from the other side just now
            await self.close(code)

    async def _look_again(self) -> None:
        def look() -> None:
            self._admit(lambda _, headers: user_authenticate(headers))  # which is no other request

        since = self._rights_heard
        await right_lost(self.user.pk, look, refused=Refused, seconds=self.again_seconds, since=since)
        self.is_revoked = True
        self._tasks[0].cancel()
        await self.close(NOT_ANY_MORE)

    async def _refuse(self, refusal: Refused) -> None:
        """Answer the handshake with a status, where the server can; a plain close is a 403."""
        if "websocket.http.response" not in (self.scope.get("extensions") or {}):
            await self.close()
            return
        more = [(name.lower().encode(), value.encode()) for name, value in refusal.headers.items()]
        headers = [(b"content-type", b"application/problem+json"), *more]
        body = json.dumps({"type": "about:blank", "status": refusal.status, "detail": refusal.detail}).encode()
        await self.base_send({"type": "websocket.http.response.start", "status": refusal.status, "headers": headers})
        await self.base_send({"type": "websocket.http.response.body", "body": body})
