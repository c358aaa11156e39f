"""Files of a container, out and in (`docker cp`, `export`), and what differs from its image (`diff`)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from engine.errors import InvalidArgument
from webui.containers import archives
from webui.containers.models import Container
from webui.containers.questions import CHANGES
from webui.dockerapi import answers, names
from webui.dockerapi.answers import Empty, Json, Stream
from webui.dockerapi.call import Call
from webui.dockerapi.routing import endpoint
from webui.dockerapi.tars import sent, tar_out
from webui.links.transfer import ArchiveSession, ArchiveWish
from webui.live.asking import ask
from webui.live.loop import in_thread
from webui.live.pool import broker

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


@endpoint("HEAD", "/containers/{name:path}/archive")
async def archive_stat(call: Call) -> Empty:
    async with ArchiveSession(await _wish(call, archives.path_stat, path=_path(call))) as session:
        return Empty(200, _stat(session.found))


def _stat(found: Mapping[str, Any]) -> answers.Headers:
    return ((STAT, found.get("header", "")),)


@endpoint("GET", "/containers/{name:path}/archive")
async def archive_out(call: Call) -> Stream:
    return await tar_out(await _wish(call, archives.copy_out, path=_path(call)), headers=_stat)


@endpoint("GET", "/containers/{name:path}/export")
async def container_export(call: Call) -> Stream:
    return await tar_out(await _wish(call, archives.export), content_type="application/octet-stream")


@endpoint("PUT", "/containers/{name:path}/archive")
async def archive_in(call: Call) -> Empty:
    wish = await _wish(
        call,
        archives.copy_in,
        path=_path(call),
        keep_kinds=call.flag("noOverwriteDirNonDir"),
        as_user=call.flag("copyUIDGID"),
    )
    await sent(call, wish)
    return Empty(200)


@endpoint("GET", "/containers/{name:path}/changes")
async def container_changes(call: Call) -> Json:
    container: Container = await in_thread(names.container, call, call["name"])
    told = await ask(broker(), container, CHANGES, {})
    found = [{"Path": one["path"], "Kind": _KINDS.get(one["change"], 0)} for one in told["changes"]]
    return Json(found or None)
