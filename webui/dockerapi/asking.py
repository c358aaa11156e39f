"""Asking a host to do something, and waiting in the loop for its end.

    job = await begun(container_stop, user=…, container=…)     a service, in a thread
    await done(job)                                            raises what the job ended with

One listener for the whole process: it hears of every job's end, so that none is missed between the asking and the
waiting, and nobody asks the database again and again.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections import OrderedDict
from collections.abc import Callable, Mapping
from typing import Any
from weakref import WeakKeyDictionary

import redis.exceptions

from engine.errors import FAMILIES, Conflict, EngineError, Unavailable
from webui.jobs.models import FINISHED, Job, JobStatus
from webui.jobs.representation import job_as_json
from webui.jobs.services import job_cancel
from webui.live.broadcaster import listening
from webui.live.loop import in_thread
from worker.contract import keys

logger = logging.getLogger(__name__)

REMEMBERED = 500
"""Ends of jobs that nobody has asked for yet, or ever will."""
LOOK_SECONDS = 2.0
"""So often the database is asked all the same: the broker may have lost a word."""
AWAY_SECONDS = 10.0
"""How long a host that is away may take to come back, as after an update, until who asks for something is told."""
LINGER_SECONDS = 60.0
"""How long the listener stays after the last who waited."""


class Ends:
    """Hears how jobs end, and how they go on."""

    def __init__(self) -> None:
        self._task: asyncio.Task[None] | None = None
        self._ready = asyncio.Event()
        self._known: OrderedDict[str, Mapping[str, Any]] = OrderedDict()
        self._waiting: dict[str, list[asyncio.Queue[Mapping[str, Any]]]] = {}
        self._used_at = 0.0

    async def listen(self) -> None:
        """Returns when every end from now on will be heard."""
        self._used_at = asyncio.get_running_loop().time()
        if self._task is None or self._task.done():
            self._ready.clear()
            self._task = asyncio.create_task(self._run())
        ready = asyncio.ensure_future(self._ready.wait())
        try:
            await asyncio.wait({ready, self._task}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            ready.cancel()

    def join(self, job_id: str) -> asyncio.Queue[Mapping[str, Any]]:
        """Where the job's states arrive, its end among them."""
        queue: asyncio.Queue[Mapping[str, Any]] = asyncio.Queue()
        self._waiting.setdefault(job_id, []).append(queue)
        if (known := self._known.get(job_id)) is not None:
            queue.put_nowait(known)
        return queue

    def leave(self, job_id: str, queue: asyncio.Queue[Mapping[str, Any]]) -> None:
        queues = self._waiting.get(job_id, [])
        if queue in queues:
            queues.remove(queue)
        if not queues:
            self._waiting.pop(job_id, None)

    async def _run(self) -> None:
        loop = asyncio.get_running_loop()
        try:
            async with listening(keys.CHANGES) as subscription:
                self._ready.set()
                while self._waiting or loop.time() - self._used_at < LINGER_SECONDS:
                    try:
                        async with asyncio.timeout(LINGER_SECONDS):
                            entries = await subscription.take()
                    except TimeoutError:
                        continue
                    for entry in entries or ():
                        self._hear(entry.content)
        except (redis.exceptions.RedisError, OSError) as error:
            logger.warning("the broker can't be listened to now: %s", error)

    def _hear(self, change: Mapping[str, Any]) -> None:
        job = change.get("object") if change.get("kind") == "job" else None
        if not job:
            return
        job_id = str(change.get("id"))
        if job["status"] in FINISHED:
            self._known[job_id] = job
            if len(self._known) > REMEMBERED:
                self._known.popitem(last=False)
        for queue in self._waiting.get(job_id, ()):
            queue.put_nowait(job)


_ends: WeakKeyDictionary[asyncio.AbstractEventLoop, Ends] = WeakKeyDictionary()


def ends() -> Ends:
    """This loop's listener."""
    return _ends.setdefault(asyncio.get_running_loop(), Ends())


async def begun(service: Callable[..., Any], *arguments: Any, **named: Any) -> Any:
    """What a service that asks a host answers: its job, or a tuple with it. Raises what the service does."""
    await ends().listen()
    return await in_thread(service, *arguments, **named)


async def done(job: Job, progress: Callable[[Mapping[str, Any]], Any] | None = None) -> Mapping[str, Any]:
    """The job as REST shows it, once it has ended; `progress` is called with each state before.

    Raises the error of the family that it ended with, and Unavailable for one that a host which is away has not begun:
    it is taken back.
    """
    heard, job_id = ends(), str(job.pk)
    patience = asyncio.get_running_loop().time() + AWAY_SECONDS
    queue = heard.join(job_id)
    try:
        while True:
            try:
                async with asyncio.timeout(LOOK_SECONDS):
                    state = await queue.get()
            except TimeoutError:
                await heard.listen()
                state = await in_thread(_look, job_id, is_last=asyncio.get_running_loop().time() > patience)
            if state["status"] in FINISHED:
                return _ended(state)
            if progress is not None:
                progress(state)
    finally:
        heard.leave(job_id, queue)


def _look(job_id: str, *, is_last: bool) -> Mapping[str, Any]:
    """As it is in the database. `is_last`: one that has not begun is taken back if its host is away, see `done`."""
    job = Job.objects.select_related("team", "host", "requested_by").filter(pk=job_id).first()
    if job is None:
        raise Unavailable("the host was forgotten, and with it what was asked of it")
    if is_last and job.status == JobStatus.QUEUED and not job.host.is_online:
        with contextlib.suppress(Conflict):  # it has ended meanwhile
            job = job_cancel(job=job)
        if job.status == JobStatus.CANCELLED:
            raise Unavailable(f"the host {job.host.name} does not answer: see that its worker runs; nothing was done")
    return job_as_json(job)


def _ended(job: Mapping[str, Any]) -> Mapping[str, Any]:
    if job["status"] == "succeeded":
        return job
    error = job.get("error") or {}
    message = error.get("message") or f"the job was {job['status']}, and nobody said why"
    raise FAMILIES.get(error.get("family", ""), EngineError)(message, error.get("detail") or {})
