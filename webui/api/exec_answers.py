"""Processes in containers whose output is an answer, or nobody's: no thread waits for them.

One that is waited for lives no longer than its request: a client that goes away, a right that is lost, and a time that
is over have its process group killed.
"""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import Callable, Coroutine
from dataclasses import replace
from typing import Any

from engine.errors import EngineError, PermissionDenied, Unavailable
from webui.accounts.models import User
from webui.activity.execs import is_told
from webui.api.streamed import Gone, Handover, Receive, Send, start, until_gone
from webui.asking import asking, still_asked
from webui.containers.models import Container
from webui.live.admission import Refused
from webui.live.broadcaster import listening
from webui.live.host_session import HostSession
from webui.live.loop import in_thread
from webui.live.revoking import right_lost
from webui.live.waiting import told
from worker.contract import keys, sessions
from worker.contract.sessions import ExecParameters
from worker.contract.wire import to_wire

OUTPUT_BYTES = 1 << 20
"""Of each stream; what comes behind it is read and dropped, so that the process goes on."""
AGAIN_SECONDS = 30.0
TOLD_SECONDS = 5.0
"""How long an answer waits for the event of the start, by which the exec is found from then on."""


class ExecAnswer(Handover):
    """Of a request that `look` admits, in a thread: it is called again when the user's rights may have changed."""

    is_remembered = True
    status = 200
    is_left = False
    """Whether the process goes on without its request."""

    def __init__(self, user: User, container: Container, look: Callable[[], Any]) -> None:
        super().__init__(self._serve)
        self._user, self._subject, self._look = user, container, look
        self._asking = asking()

    async def _work(self, session: HostSession) -> dict[str, Any]:
        """The answer's body."""
        raise NotImplementedError

    async def _serve(self, receive: Receive, send: Send) -> None:
        with still_asked(self._asking):
            session = HostSession(self._user, self._subject, "exec", door="rest")
            try:
                body = await self._while_allowed(self._work(session), receive)
            except BaseException as error:
                # A host that was only slow may still do what it was asked; any other error of its own is a refusal.
                is_refused = isinstance(error, EngineError) and not isinstance(error, Unavailable)
                may_have_run = session.described or (session.link and not is_refused)
                await self.remembered(self.status if may_have_run else None, None)
                raise
            finally:
                await session.close(leave=self.is_left, exit_code=session.result.get("exit_code"))
        raw = json.dumps(body).encode()
        await self.remembered(self.status, raw if self.is_left else None)  # what it has printed may be secret
        await start(send, self.status, [("Content-Type", "application/json")])
        await send({"type": "http.response.body", "body": raw})

    async def _while_allowed(self, work: Coroutine[Any, Any, Any], receive: Receive) -> Any:
        working, gone, _lost = tasks = (
            asyncio.ensure_future(work),
            asyncio.ensure_future(until_gone(receive)),
            asyncio.ensure_future(right_lost(self._user.pk, self._look, refused=Refused, seconds=AGAIN_SECONDS)),
        )
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            if working.done():
                return working.result()
            if gone.done():
                raise Gone
            raise PermissionDenied("You may not have this any more.")
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)


class WaitedExec(ExecAnswer):
    """Of one that is waited for: its exit code and its output; at most so many seconds."""

    def __init__(
        self,
        user: User,
        container: Container,
        look: Callable[[], Any],
        *,
        parameters: ExecParameters,
        stdin: str | None,
        seconds: float,
    ) -> None:
        super().__init__(user, container, look)
        self._parameters = replace(parameters, stdin=stdin is not None, bound=True)
        self._stdin, self._seconds = stdin, seconds

    async def _work(self, session: HostSession) -> dict[str, Any]:
        await session.open(dict(to_wire(self._parameters)))
        streams = {sessions.STDOUT: Collected(), sessions.STDERR: Collected()}
        feeding = asyncio.ensure_future(self._feed(session))
        is_over = False
        try:
            async with asyncio.timeout(self._seconds):
                async for frame in session.output():
                    streams[frame.channel].add(frame.data)
        except TimeoutError:
            is_over = True
        finally:
            feeding.cancel()
            await asyncio.gather(feeding, return_exceptions=True)
        said = {"exit_code": session.result.get("exit_code"), "timed_out": is_over}
        for name, channel in (("stdout", sessions.STDOUT), ("stderr", sessions.STDERR)):
            said |= streams[channel].as_json(name)
        return said

    async def _feed(self, session: HostSession) -> None:
        if self._stdin is not None and session.link is not None:
            await session.link.send(self._stdin.encode())
            await session.link.no_more_input()


class DetachedExec(ExecAnswer):
    """Of one that goes on without anybody: where it is found."""

    status = 202
    is_left = True

    def __init__(
        self, user: User, container: Container, look: Callable[[], Any], *, parameters: ExecParameters
    ) -> None:
        super().__init__(user, container, look)
        self._parameters = replace(parameters, stdin=False, detached=True)

    async def _work(self, session: HostSession) -> dict[str, Any]:
        container = self._subject
        loop = asyncio.get_running_loop()
        async with listening(keys.ACTIVITY) as activity, listening(keys.CHANGES) as changes:
            exec_id = str((await session.open(dict(to_wire(self._parameters)))).get("exec"))
            deadline = loop.time() + TOLD_SECONDS
            while not await in_thread(is_told, container, exec_id) and loop.time() < deadline:
                await told(container.pk, activity, changes, deadline - loop.time())
        url = f"/api/v1/containers/{container.pk}/execs/{exec_id}/"
        return {"exec": {"id": exec_id, "url": url}}


class Collected:
    """What came of one stream, as far as it is kept."""

    def __init__(self) -> None:
        self._data, self._is_cut = bytearray(), False

    def add(self, data: bytes) -> None:
        room = OUTPUT_BYTES - len(self._data)
        self._data += data[:room]
        self._is_cut = self._is_cut or len(data) > room

    def as_json(self, name: str) -> dict[str, Any]:
        """The text, or base64 where it isn't UTF-8; a character that the cut goes through is left out."""
        encoding = "utf-8"
        try:
            text = self._data.decode()
        except UnicodeDecodeError as error:
            if self._is_cut and error.reason == "unexpected end of data":
                text = self._data[: error.start].decode()
            else:
                text, encoding = base64.b64encode(self._data).decode(), "base64"
        return {name: text, f"{name}_encoding": encoding, f"{name}_truncated": self._is_cut}
