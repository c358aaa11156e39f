"""Files of a container, out and in: who may, and the session with its host that carries the tar.

Reading them takes what a shell in the container takes; writing them, what creating a container takes.
"""

from __future__ import annotations

import asyncio
import json
import secrets
from collections.abc import AsyncIterator, Mapping
from dataclasses import asdict, dataclass
from types import TracebackType
from typing import Any

import redis.asyncio
from channels.db import database_sync_to_async
from django.conf import settings

from engine.errors import Conflict, InvalidArgument, Unavailable
from webui.accounts.models import User
from webui.accounts.roles import CREATE, OPERATE, require
from webui.containers.log_stream import host_silent
from webui.containers.models import Container, DesiredStatus
from webui.containers.session_link import SessionLink, lost
from webui.hosts.models import Host
from worker.contract import sessions

PATH_BYTES = 4095
FIRST_SECONDS = 30.0
"""How long a host may take until it has found what is asked for."""
WINDOW_BYTES = 2 << 20
CREDIT_EVERY = WINDOW_BYTES // 4


@dataclass(frozen=True, slots=True)
class ArchiveWish:
    """What is asked of a container's host: checked, and allowed."""

    container: Container
    source: str
    parameters: Mapping[str, Any]


def path_stat(*, user: User, container: Container, path: str) -> ArchiveWish:
    """What is at a path. Raises PermissionDenied, InvalidArgument with the field `path`, Conflict, Unavailable."""
    return _wish(user, OPERATE, container, sessions.PATH_STAT, sessions.PathParameters(path=_path(path)))


def copy_out(*, user: User, container: Container, path: str) -> ArchiveWish:
    """A file or directory as a tar. Raises as `path_stat`."""
    return _wish(user, OPERATE, container, sessions.COPY_OUT, sessions.PathParameters(path=_path(path)))


def export(*, user: User, container: Container) -> ArchiveWish:
    """The whole root file system as a tar. Raises as `path_stat`."""
    return _wish(user, OPERATE, container, sessions.EXPORT, sessions.PathParameters(path="/"))


def copy_in(
    *, user: User, container: Container, path: str, keep_kinds: bool = False, as_user: bool = False
) -> ArchiveWish:
    """A tar into a directory; the rest is `CopyInParameters`'. Raises as `path_stat`."""
    parameters = sessions.CopyInParameters(path=_path(path), keep_kinds=keep_kinds, as_user=as_user)
    return _wish(user, CREATE, container, sessions.COPY_IN, parameters)


def _wish(user: User, action: str, container: Container, source: str, parameters: Any) -> ArchiveWish:
    require(user, action, container.team)
    if container.desired_status == DesiredStatus.REMOVED:
        raise Conflict(f"the container {container.name} is being removed: nothing else can be done with it")
    if not container.host.is_online:
        raise host_silent(container)
    return ArchiveWish(container, source, asdict(parameters))


def _path(path: str) -> str:
    if not path or "\0" in path or len(path.encode(errors="surrogateescape")) > PATH_BYTES:
        message = f"Give the path of a file or a directory in the container, of at most {PATH_BYTES} bytes."
        raise InvalidArgument(message, {"fields": {"path": [message]}})
    return path


class ArchiveSession:
    """One wish on its way: `async with` opens the session, and ends it at the host whatever comes.

    `found`: what the host said at the beginning, {"stat", "header"} of the path or nothing. Entering raises what the
    host refuses.
    """

    def __init__(self, wish: ArchiveWish) -> None:
        self._wish = wish
        self._session = wish.container.host.session
        self._client: Any = redis.asyncio.Redis.from_url(
            settings.PORTSIDE.redis_url, socket_timeout=None, socket_connect_timeout=5
        )
        self._frames: AsyncIterator[Any] | None = None
        self._is_over = False
        self.found: dict[str, Any] = {}

    async def __aenter__(self) -> ArchiveSession:
        wish = self._wish
        try:
            self._link = await SessionLink.open(
                self._client,
                host_id=wish.container.host_id,
                container_id=wish.container.pk,
                source=wish.source,
                parameters=wish.parameters,
                owner=secrets.token_hex(16),  # nobody comes back for it
                window_bytes=WINDOW_BYTES,
                input_window_bytes=WINDOW_BYTES,
                input_chunk_bytes=sessions.ARCHIVE_BYTES,
            )
            self._frames = self._link.frames()
            try:
                self.found = json.loads((await asyncio.wait_for(self._opened(), FIRST_SECONDS)).data or b"{}")
            except TimeoutError as error:
                raise host_silent(wish.container) from error
        except BaseException as error:
            await self.__aexit__(type(error), error, None)
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if not self._is_over and self._frames is not None:
                await self._link.close()
        finally:
            await self._client.aclose()

    async def chunks(self) -> AsyncIterator[bytes]:
        """The tar, bit by bit, none now and then while nothing comes; what was taken is confirmed to the host.

        Raises what the host ran into: then the tar is not whole.
        """
        confirmed = self._link.taken
        async for frame in self._rest():
            yield b"" if frame is None else frame.data
            if self._link.taken - confirmed >= CREDIT_EVERY:
                confirmed = self._link.taken
                await self._link.confirm(confirmed)

    async def send(self, data: bytes) -> None:
        """Some of the tar; waits while the host has no room."""
        await self._link.send(data)

    async def sent_all(self) -> None:
        await self._link.no_more_input()

    async def result(self) -> dict[str, Any]:
        """What the host has made of what was sent. Raises what it refuses, which may be before all was sent."""
        async for _ in self._rest():
            pass
        return self._result

    async def _opened(self) -> Any:
        assert self._frames is not None
        async for frame in self._frames:
            if frame is not None and frame.kind == sessions.OPENED:
                return frame
        raise host_silent(self._wish.container)

    async def _rest(self) -> AsyncIterator[Any]:
        """DATA, and None now and then, until the end."""
        assert self._frames is not None
        self._result: dict[str, Any] = {}
        async for frame in self._frames:
            if frame is None:
                await self._link.keep()
                await self._check_host()
                yield None
            elif frame.kind == sessions.DATA:
                yield frame
            elif frame.kind == sessions.END:
                self._is_over = True
                self._result = json.loads(frame.data or b"{}")

    async def _check_host(self) -> None:
        find = database_sync_to_async(
            Host.objects.filter(pk=self._wish.container.host_id).first, thread_sensitive=False
        )
        host = await find()
        if host is None or host.session != self._session:
            raise lost(self._wish.container.host.name)


def unavailable(error: Exception) -> Unavailable:
    """What is said of a broker that can't be reached."""
    return Unavailable(f"the broker can't be reached now ({type(error).__name__}): try again in a moment")
