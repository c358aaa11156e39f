"""Files of a container, out and in (`docker cp`, `export`), and what differs from its image (`diff`)."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Any

from engine.errors import InvalidArgument
from webui.containers import archives
from webui.containers.models import Container
from webui.containers.questions import CHANGES
from webui.dockerapi import answers, names
from webui.dockerapi.answers import Empty, Json, Stream
from webui.dockerapi.call import Call
from webui.dockerapi.pool import broker
from webui.dockerapi.routing import endpoint
from webui.links.transfer import ArchiveSession, ArchiveWish
from webui.live.asking import ask
from webui.live.loop import in_thread
from worker.contract import sessions

STAT = "X-Docker-Container-Path-Stat"
_KINDS = {"changed": 0, "added": 1, "deleted": 2}


async def _wish(call: Call, kind: Any, **wishes: Any) -> ArchiveWish:
    """What `kind` (a service) makes of the container in the path."""

    def make() -> ArchiveWish:
        return kind(user=call.user, container=names.container(call, call["name"]), **wishes)  # type: ignore[no-any-return]

    return await in_thread(make)  # type: ignore[no-any-return]


def _path(call: Call) -> str:
    path = call.text("path")
    if not path:
        raise InvalidArgument("bad parameter: path cannot be empty")
    return path


@endpoint("HEAD", "/containers/{name}/archive")
async def archive_stat(call: Call) -> Empty:
    async with ArchiveSession(await _wish(call, archives.path_stat, path=_path(call))) as session:
        return Empty(200, ((STAT, session.found.get("header", "")),))


@endpoint("GET", "/containers/{name}/archive")
async def archive_out(call: Call) -> Stream:
    wish = await _wish(call, archives.copy_out, path=_path(call))
    return await tar(wish, with_stat=True)


@endpoint("GET", "/containers/{name}/export")
async def container_export(call: Call) -> Stream:
    return await tar(await _wish(call, archives.export), content_type="application/octet-stream")


async def tar(wish: ArchiveWish, *, with_stat: bool = False, content_type: str = answers.TAR) -> Stream:
    """A tar out of a host, at the pace of the client. Raises what the host refuses at the beginning."""
    session = ArchiveSession(wish)
    await session.__aenter__()

    async def parts() -> AsyncIterator[bytes]:
        async for data in session.chunks():
            yield data

    headers = ((STAT, session.found.get("header", "")),) if with_stat else ()
    return Stream(
        parts(), content_type, headers=headers, close=lambda: session.__aexit__(None, None, None), begins_at_once=True
    )


@endpoint("PUT", "/containers/{name}/archive")
async def archive_in(call: Call) -> Empty:
    wish = await _wish(
        call,
        archives.copy_in,
        path=_path(call),
        keep_kinds=call.flag("noOverwriteDirNonDir"),
        as_user=call.flag("copyUIDGID"),
    )
    await put(call, wish)
    return Empty(200)


async def put(call: Call, wish: ArchiveWish) -> dict[str, Any]:
    """The request's body goes to the host, which says what became of it. Raises what it refuses, and Gone."""
    async with ArchiveSession(wish) as session:
        feeder = asyncio.ensure_future(_feed(call, session))
        ending = asyncio.ensure_future(session.result())
        try:
            await asyncio.wait({feeder, ending}, return_when=asyncio.FIRST_COMPLETED)
            if not ending.done():
                feeder.result()  # raises Gone
            return await ending
        finally:
            for task in (feeder, ending):
                task.cancel()
                with contextlib.suppress(asyncio.CancelledError, Exception):
                    await task


async def _feed(call: Call, session: ArchiveSession) -> None:
    """In pieces that are worth a round trip to the broker."""
    waiting: list[bytes] = []
    async for part in call.body():
        waiting.append(part)
        if sum(map(len, waiting)) >= sessions.ARCHIVE_BYTES:
            await session.send(b"".join(waiting))
            waiting.clear()
    if waiting:
        await session.send(b"".join(waiting))
    await session.sent_all()


@endpoint("GET", "/containers/{name}/changes")
async def container_changes(call: Call) -> Json:
    container: Container = await in_thread(names.container, call, call["name"])
    told = await ask(broker(), container, CHANGES, {})
    found = [{"Path": one["path"], "Kind": _KINDS.get(one["change"], 0)} for one in told["changes"]]
    return Json(found or None)
