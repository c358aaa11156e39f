"""Jobs that are told while they go on: Docker's objects, a line of JSON each, as an answer.

An error before the first line has a status of its own; later it is the last line. Who goes away cancels the job, as
with Docker.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from typing import Any

from engine.errors import Conflict, EngineError
from webui.dockerapi.answers import JSON, Stream, encoded
from webui.dockerapi.asking import done
from webui.dockerapi.objects.progress import Told, failure
from webui.jobs.models import Job
from webui.jobs.services import job_cancel
from webui.live.loop import in_thread

Lines = AsyncIterator[Iterable[Told]]


def told_stream(lines: Lines, close: Callable[[], Any] | None = None) -> Stream:
    """The answer of all `lines`. An EngineError after the first of them becomes the last."""

    async def parts() -> AsyncIterator[bytes]:
        has_begun = False
        try:
            async for several in lines:
                for one in several:
                    has_begun = True
                    yield encoded(one)
        except EngineError as error:
            if not has_begun:
                raise
            yield encoded(failure(error.message))
        finally:
            await lines.aclose()  # type: ignore[attr-defined]

    return Stream(parts(), JSON, close=close)


async def states(job: Job) -> AsyncIterator[Mapping[str, Any]]:
    """The job as it goes on, its end last. Raises what it ended with; whoever stops listening cancels it."""
    heard: asyncio.Queue[Mapping[str, Any]] = asyncio.Queue()
    ending = asyncio.create_task(done(job, heard.put_nowait))
    try:
        while not ending.done():
            getting = asyncio.ensure_future(heard.get())
            await asyncio.wait({getting, ending}, return_when=asyncio.FIRST_COMPLETED)
            if getting.done():
                yield getting.result()
            else:
                getting.cancel()
        while not heard.empty():
            yield heard.get_nowait()
        yield await ending
    finally:
        if not ending.done():
            ending.cancel()
            await asyncio.gather(ending, return_exceptions=True)
            await cancelled(job)


async def cancelled(job: Job) -> None:
    """Ask for the job's end; one that has ended needs none."""
    with contextlib.suppress(Conflict):
        await asyncio.shield(in_thread(job_cancel, job=job))
