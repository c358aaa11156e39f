"""`POST /build`: a folder goes to the host, which builds; its record is told as Docker's first builder tells."""

from __future__ import annotations

import asyncio
import json
import time
import uuid
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import aclosing
from typing import Any

from engine.errors import EngineError, NotFound
from engine.oci.reference import Reference
from webui.builds.contexts import context_send
from webui.builds.models import Build, BuildContext
from webui.builds.request import request_check
from webui.builds.services import build_begin, cache_prune
from webui.dockerapi import selection
from webui.dockerapi.answers import Json, Stream
from webui.dockerapi.asking import begun, done
from webui.dockerapi.builds.request import request_of
from webui.dockerapi.call import Call
from webui.dockerapi.objects.building import Instructions, built
from webui.dockerapi.objects.progress import Told, failure
from webui.dockerapi.registry_auth import logins_of
from webui.dockerapi.routing import endpoint
from webui.dockerapi.tars import sent
from webui.dockerapi.telling import cancelled, told_stream
from webui.jobs.models import Job
from webui.links.stream import unseen
from webui.live.carrying import carried
from webui.live.loop import connect_to_broker, in_thread
from worker.contract import frames

NOT_YET_SECONDS = 0.1
NAME = "docker build"
_PRUNING = frozenset({
    "until", "id", "parent", "type", "description", "inuse", "shared", "private", "label", "label!",
})  # fmt: skip


@endpoint("POST", "/build")
async def build(call: Call) -> Stream:
    request, logins = request_of(call), logins_of(call.headers.get("x-registry-config", ""))
    request_check(request, has_context=not request.git)  # before a folder is sent in vain
    context_id: str | None = None
    if not request.git:
        wish, note = await in_thread(context_send, user=call.user, host=call.host, name=NAME)
        context_id = (await in_thread(note, await sent(call, wish)))["id"]

    def ask() -> Build:
        context = None if context_id is None else BuildContext.objects.get(pk=context_id)
        return build_begin(user=call.user, host=call.host, request=request, context=context, logins=logins)

    found: Build = await begun(ask)
    names = [Reference.parse(tag).familiar for tag in request.tags]
    instructions = Instructions(
        found.pk.hex, removes=call.flag("rm", True) or call.flag("forcerm"), labels=request.labels
    )
    lines = _building(found, instructions, names, has_aux=call.version >= (1, 30))
    return told_stream(_quietly(lines) if call.flag("q") else lines)


async def _building(
    build: Build, instructions: Instructions, tags: list[str], *, has_aux: bool
) -> AsyncIterator[Iterable[Told]]:
    """Raises what went wrong before there was anything to tell."""
    has_begun = has_ended = False
    try:
        async with aclosing(record_lines(build)) as arriving:
            async for line in arriving:
                told = instructions.take(line)
                has_begun = has_begun or bool(told)
                yield told
        try:
            job = await done(build.job)
        except EngineError as error:
            has_ended = True
            if not has_begun:
                raise
            yield [_failure(error)]
            return
        has_ended = True
        result = job["result"]
        warnings = result.get("warnings") or ()
        yield built(str(result.get("image_id") or ""), tags, has_aux=has_aux, warnings=warnings)
    finally:
        if not has_ended:
            await cancelled(build.job)


def _failure(error: EngineError) -> Told:
    """A command's own exit code is what the client ends with."""
    code, command = error.detail.get("exit_code"), error.detail.get("command")
    if isinstance(code, int) and command:
        return failure(f"The command '{command}' returned a non-zero code: {code}", code)
    return failure(error.message)


async def _quietly(lines: AsyncIterator[Iterable[Told]]) -> AsyncIterator[Iterable[Told]]:
    """The image's id alone; where it fails, all that was said."""
    said: list[Told] = []
    async with aclosing(lines) as arriving:  # type: ignore[type-var]
        async for several in arriving:
            said += several
    image = next((one["aux"]["ID"] for one in said if "aux" in one), None)
    yield said if image is None else [{"stream": f"{image}\n"}]


async def record_lines(build: Build) -> AsyncIterator[Mapping[str, Any]]:
    """What a build says, from its first line to its last. Raises Unavailable when the host is lost."""
    client = connect_to_broker()
    cursor = 0

    def opening() -> frames.OpenStream:
        return frames.OpenStream(stream_id=uuid.uuid4().hex, source="build", container_id=build.pk.hex, cursor=cursor)

    try:
        while True:
            try:
                async with aclosing(carried(client, build.host, opening)) as arriving:
                    async for batch in arriving:
                        for frame in batch:
                            if frame.cursor <= cursor:
                                continue
                            data, cursor = unseen(frame, cursor).data, frame.cursor
                            for text in data.splitlines():
                                line = json.loads(text)
                                yield line
                                if line.get("type") == "end":
                                    return
            except NotFound:
                if await in_thread(_has_ended, build):  # it was never begun, or is not kept
                    return
                await asyncio.sleep(NOT_YET_SECONDS)  # it waits for its turn
            else:
                return
    finally:
        await client.aclose()


def _has_ended(build: Build) -> bool:
    return Job.objects.get(pk=build.job_id).is_finished


@endpoint("POST", "/build/prune", since="1.31")
async def prune(call: Call) -> Json:
    """Steps that builds have left: their ids are nobody's, so none are told.

    They have no labels, and as with Docker filters by labels, which `docker system prune` sends along, choose none.
    """
    filters = call.filters(_PRUNING)
    before = selection.until(filters)
    kept = call.number("reserved-space") or call.number("keep-storage") or 0
    unused = 0.0 if before is None else max(0.0, time.time() - before)
    job = await begun(cache_prune, user=call.user, host=call.host, unused_seconds=unused, keep_bytes=max(0, kept))
    result = (await done(job))["result"]
    return Json({"CachesDeleted": None, "SpaceReclaimed": result.get("reclaimed_bytes", 0)})


@endpoint("POST", "/build/cancel", since="1.39")
async def cancel(call: Call) -> Json:
    """Only BuildKit's builds have such ids."""
    raise NotFound("there is no build of this id: one of the classic builder ends with its connection")
