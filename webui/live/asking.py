"""One question at a time about a container, however many look, and no thread for any of them.

socket ─┐                     ┌──► OpenStream ──► host
socket ─┼─ Asking (one a container and question) ◄── frames ─┘
socket ─┘      latest answer to each; an error to all, and it is over
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import uuid
from collections.abc import AsyncIterator, Mapping
from typing import Any
from weakref import WeakKeyDictionary

from engine.errors import EngineError, Unavailable
from webui.containers.models import Container
from webui.links.stream import FIRST_SECONDS, error_of, host_silent
from webui.live.loop import connect_to_broker, in_thread
from worker.contract import frames, keys
from worker.contract.frames import Frame

CONTROL_MAXLEN = 10_000


class Asking:
    """Asks again and again while somebody listens, `every_seconds` after each answer."""

    def __init__(self, container: Container, question: str, every_seconds: float, first: Mapping[str, Any]) -> None:
        self._container, self._question, self._every = container, question, every_seconds
        self._first = first
        self._listeners: set[asyncio.Queue[Any]] = set()
        self._last: Any = None
        self._task = asyncio.create_task(self._run())

    @property
    def is_over(self) -> bool:
        return self._task.done()

    def join(self) -> asyncio.Queue[Any]:
        """A place for the latest answer, or for the error that ends it."""
        queue: asyncio.Queue[Any] = asyncio.Queue(1)
        self._listeners.add(queue)
        if self._last is not None:
            queue.put_nowait(self._last)
        return queue

    def leave(self, queue: asyncio.Queue[Any]) -> None:
        self._listeners.discard(queue)
        if not self._listeners:
            self._task.cancel()

    def _put(self, answer: Any) -> None:
        for queue in self._listeners:
            with contextlib.suppress(asyncio.QueueEmpty):
                queue.get_nowait()  # who is slow gets the latest
            queue.put_nowait(answer)

    async def _run(self) -> None:
        client = connect_to_broker()
        try:
            parameters = self._first
            while True:
                self._last = await ask(client, self._container, self._question, parameters)
                parameters = {}
                self._put(self._last)
                await asyncio.sleep(self._every)
        except Exception as error:  # noqa: BLE001 - theirs to tell, each in its own way
            self._put(error)
        finally:
            with contextlib.suppress(Exception):
                await client.aclose()


_asked: WeakKeyDictionary[asyncio.AbstractEventLoop, dict[tuple[str, str], Asking]] = WeakKeyDictionary()


async def answers(
    container: Container, question: str, every_seconds: float, first: Mapping[str, Any]
) -> AsyncIterator[Any]:
    """Every answer from now on. Raises what the host answers, and Unavailable when it does not.

    `first`: parameters of the first question alone, if nobody is asking already.
    """
    known = _asked.setdefault(asyncio.get_running_loop(), {})
    key = (container.pk, question)
    asking = known.get(key)
    if asking is None or asking.is_over:
        asking = known[key] = Asking(container, question, every_seconds, first)
    queue = asking.join()
    try:
        while True:
            answer = await queue.get()
            if isinstance(answer, Exception):
                raise answer
            yield answer
    finally:
        asking.leave(queue)
        if asking.is_over or not asking._listeners:
            known.pop(key, None)


async def ask(client: Any, container: Container, question: str, parameters: Mapping[str, Any]) -> Any:
    """The host's answer to one question, as JSON decodes it. Raises as `webui.containers.questions.ask`."""
    await in_thread(container.host.refresh_from_db)
    if not container.host.is_online:
        raise host_silent(container.host)
    stream_id = uuid.uuid4().hex
    message = frames.OpenStream(
        stream_id=stream_id, source=question, container_id=container.pk, follow=False, parameters=parameters
    )
    body = json.dumps(frames.encode_control(message), separators=(",", ":"))
    await client.xadd(keys.control(container.host_id), {"m": body}, maxlen=CONTROL_MAXLEN, approximate=True)
    try:
        async with asyncio.timeout(FIRST_SECONDS):
            data = await _answer(client, keys.frames(stream_id))
    except TimeoutError:
        raise host_silent(container.host) from None
    try:
        return json.loads(data)
    except ValueError as error:
        raise Unavailable("the host's answer can't be read: see that site and worker are of one version") from error


async def _answer(client: Any, key: str) -> bytes:
    last, data = b"0-0", b""
    while True:
        found = await client.xread({key: last}, count=16, block=2000)
        for entry_id, fields in found[0][1] if found else ():
            last, frame = entry_id, Frame.decode(fields[b"m"])
            if frame.kind == frames.ERROR:
                error: EngineError = error_of(frame)
                raise error
            if frame.kind == frames.END:
                await client.delete(key)
                return data
            data += frame.data
