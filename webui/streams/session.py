"""What the sockets of two-way sessions have in common; exec.py shows their messages.

A subclass names the host's source, and makes its parameters of the first message.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import struct
from collections.abc import Callable, Mapping
from typing import Any

from engine.errors import InvalidArgument, PermissionDenied, Unavailable
from webui.accounts.models import User
from webui.accounts.roles import require_on
from webui.broadcast import kept_back
from webui.containers.exec_request import number_of
from webui.links.session_link import SessionLink, said, worker_check
from webui.links.session_near import Reach
from webui.live.admission import Refused
from webui.live.loop import connect_to_broker, in_thread
from webui.recordings.models import Recording
from webui.recordings.recorder import Recorder
from webui.recordings.services import recording_end, recording_of, recording_wanted, terminal_begin
from webui.streams.container import ContainerSocket
from worker.contract import sessions

FIRST_SECONDS = 15.0
FAREWELL_SECONDS = 5.0
FAREWELLS = ("close", "leave")
FAREWELL_LENGTH = 50
UNREAD_MESSAGES = 16
_HEAD = struct.Struct(">BQ")


class SessionSocket(ContainerSocket):
    source: str
    """What the host serves the session from: `OpenSession.source`."""
    can_be_left = False
    """Whether what runs may go on without anybody; what is never ended by a session has no need of that."""

    @staticmethod
    def parameters(wish: Mapping[str, Any]) -> dict[str, Any]:
        """Of the fields of an `open` message. Raises InvalidArgument with the field's name."""
        raise NotImplementedError

    def allow(self, parameters: Mapping[str, Any]) -> None:
        """Raises PermissionDenied for parameters that need more than the right to open terminals."""

    def prepare(self, user: User) -> None:
        super().prepare(user)
        try:
            require_on(user, "containers.exec", self.container)
        except PermissionDenied as error:
            raise Refused(403, error.message) from error

    async def connect(self) -> None:
        self._recording: tuple[Recording, Recorder] | None = None
        self._says_farewell = False
        self._inbox: asyncio.Queue[str | bytes] = asyncio.Queue(UNREAD_MESSAGES)
        await super().connect()

    async def receive(self, text_data: str | None = None, bytes_data: bytes | None = None) -> None:
        """Waits while the host has no room for more, and the browser with it."""
        if text_data is not None and len(text_data) < FAREWELL_LENGTH:
            with contextlib.suppress(InvalidArgument):  # which is told when its turn comes
                self._says_farewell = self._says_farewell or _message(text_data).get("type") in FAREWELLS
        await self._inbox.put(text_data if bytes_data is None else bytes_data)

    async def run(self) -> None:
        if not self.container.host.is_online:
            raise Unavailable(f"the host {self.container.host.name} does not answer: see that its worker runs")
        self._session = self.container.host.session
        client = connect_to_broker()
        link, reach = None, Reach(self.host_id, self.source)
        try:
            link = await self._begin(client, reach)
            await self._serve(link)
        finally:
            reach.release()
            if link is not None:
                link.release()
            await client.aclose()

    async def _serve(self, link: SessionLink) -> None:
        recorded = {} if self._recording is None else {"recording": str(self._recording[0].pk)}
        await self.send_message(type="opened", session=link.id, **recorded)
        listener = asyncio.create_task(self._listen(link))
        try:
            await self._show(link, listener)
        finally:
            if self._says_farewell and not self.is_revoked:  # who says so is gone at once; all was said all the same
                await asyncio.wait({listener}, timeout=FAREWELL_SECONDS)
            listener.cancel()
            await asyncio.gather(listener, return_exceptions=True)
            if self.is_revoked:
                await link.close()

    async def _begin(self, client: Any, reach: Reach) -> SessionLink:
        try:
            async with asyncio.timeout(FIRST_SECONDS):
                first = await self._inbox.get()
        except TimeoutError as error:
            raise InvalidArgument("nothing came: begin with a message of type open or join") from error
        wish = _message(first)
        owner = f"{self.user.pk} {self.container_id}"
        if wish.get("type") == "join":
            taken, sent = number_of(wish, "taken"), number_of(wish, "sent")
            link = await SessionLink.join(
                client, str(wish.get("session")), owner=owner, taken=taken, sent=sent, near=await reach.take()
            )
            self._recording = await in_thread(recording_of, link.id)
            return link
        if wish.get("type") != "open":
            raise InvalidArgument("begin with a message of type open or join")
        return await self._open(client, reach, wish, owner)

    async def _open(self, client: Any, reach: Reach, wish: dict[str, Any], owner: str) -> SessionLink:
        """Nothing is asked of the host before it is allowed and written down."""
        is_recorded = recording_wanted(self.container.team, wish.get("record") is True)
        parameters = self.parameters({name: value for name, value in wish.items() if name != "record"})
        session_id = SessionLink.new_id()
        telling: list[Callable[[], None]] = []
        is_gone = False

        def permit() -> tuple[Recording, Recorder] | None:
            with kept_back() as tell:
                self.allow(parameters)
                begun = terminal_begin(
                    user=self.user,
                    container=self.container,
                    session=session_id,
                    source=self.source,
                    wish=wish,
                    is_recorded=is_recorded,
                )
            telling.append(tell)
            if is_gone:
                tell()
            return begun

        try:
            self._recording = await in_thread(permit)
            return await SessionLink.open(
                client,
                session_id=session_id,
                host_id=self.host_id,
                container_id=self.container_id,
                source=self.source,
                parameters=parameters,
                owner=owner,
                near=await reach.take(),
            )
        finally:  # pages that show the audit log hear of it while the host is at work
            is_gone = True
            for tell in telling:
                asyncio.get_running_loop().run_in_executor(None, tell)

    async def _show(self, link: SessionLink, listener: asyncio.Task[None]) -> None:
        """Output to the browser until the end."""
        async for frame in link.frames():
            if listener.done():
                listener.result()  # it raised, or it was told to close
                return
            if frame is None:
                await link.keep()
                await worker_check(self.container.host, self._session)
            elif frame.kind == sessions.DATA:
                if self._recording is not None:
                    await asyncio.to_thread(self._recording[1].output, frame.cursor, frame.data)
                await self.send(bytes_data=_HEAD.pack(frame.channel, frame.cursor) + frame.data)
            elif frame.kind == sessions.OPENED and (described := said(frame)).get("ahead"):
                await self.send_message(type="attached", run=described.get("run"), tty=described.get("tty"))
            elif frame.kind == sessions.CREDIT:
                await self.send_message(type="confirmed", bytes=frame.cursor)
            elif frame.kind == sessions.END:
                if self._recording is not None:
                    await in_thread(recording_end, self._recording[0], said(frame).get("exit_code"))
                await self.send_message(type="end", **said(frame))

    async def _listen(self, link: SessionLink) -> None:
        """What the browser says."""
        while not await self._hear(link, await self._inbox.get()):
            pass
        with contextlib.suppress(Exception):  # it may have closed from the other side just now
            await self.close(1000)

    async def _hear(self, link: SessionLink, heard: str | bytes) -> bool:
        """Do what was said; True if that was the last."""
        if isinstance(heard, bytes):
            await link.send(heard)
            return False
        message = _message(heard)
        kind = message.get("type")
        if kind == "taken":
            await link.confirm(number_of(message, "bytes"))
        elif kind == "resize":
            rows, columns = number_of(message, "rows"), number_of(message, "columns")
            if self._recording is not None:
                await asyncio.to_thread(self._recording[1].resized, rows, columns)
            await link.resize(rows, columns)
        elif kind == "eof":
            await link.no_more_input()
        elif kind in FAREWELLS:
            await (link.leave() if kind == "leave" and self.can_be_left else link.close())
            if self._recording is not None:
                await in_thread(recording_end, self._recording[0], None)
            return True
        else:
            raise InvalidArgument(f"a message of type {kind!r} is not known here")
        return False


def _message(text: str | bytes) -> dict[str, Any]:
    try:
        message = json.loads(text)
    except ValueError as error:
        raise InvalidArgument("a message has to be a JSON object") from error
    if not isinstance(message, dict):
        raise InvalidArgument("a message has to be a JSON object")
    return message
