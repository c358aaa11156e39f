"""Attach, attach/ws, resize: the process that a container runs, with its streams.

A container that does not run is attached to ahead of its start: `docker run` attaches first, then starts.
"""

from __future__ import annotations

import asyncio
from typing import Any
from weakref import WeakKeyDictionary, WeakSet

from engine.errors import Conflict, InvalidArgument
from webui.accounts.roles import require_on
from webui.containers.exec_request import SIZE_MAXIMUM
from webui.containers.log_stream import LogPosition
from webui.containers.models import Container
from webui.dockerapi import answers, escaping, names
from webui.dockerapi.answers import Answer, Empty
from webui.dockerapi.call import Call
from webui.dockerapi.containers.logs import log_frames
from webui.dockerapi.containers.multiplexing import multiplexed
from webui.dockerapi.containers.states import ALIVE, state_of
from webui.dockerapi.routing import endpoint
from webui.dockerapi.terminals import Peer, Terminal
from webui.live.loop import in_thread
from worker.contract import sessions
from worker.contract.sessions import AttachParameters, TerminalSize
from worker.contract.wire import to_wire

EXEC = "containers.exec"

_attached: WeakKeyDictionary[asyncio.AbstractEventLoop, dict[str, WeakSet[Terminal]]] = WeakKeyDictionary()


def attached(container_id: str) -> WeakSet[Terminal]:
    """This loop's sessions with a container's own process."""
    known = _attached.setdefault(asyncio.get_running_loop(), {})
    if len(known) > 1000:
        for key in [key for key, terminals in known.items() if not terminals]:
            del known[key]
    return known.setdefault(container_id, WeakSet())


def operable(call: Call, name: str) -> Container:
    """The container, if the user may open terminals in it. Raises NotFound, PermissionDenied."""
    container = names.container(call, name)
    require_on(call.user, EXEC, container)
    return container


@endpoint("POST", "/containers/{name:path}/attach")
async def container_attach(call: Call) -> Answer:
    if call.connection is None:
        raise InvalidArgument(f"error attaching to container {call['name']}, hijack connection missing")
    connection = call.connection
    await call.whole_body()
    container, escape = await _prepared(call)
    is_muxed = not container.spec.get("tty")

    async def accept() -> Peer:
        is_named = is_muxed and call.version >= (1, 42)
        await connection.accept(answers.MULTIPLEXED_STREAM if is_named else answers.RAW_STREAM)
        return connection

    streams = {name: call.flag(name) for name in ("stdin", "stdout", "stderr")}
    await attach(call, container, accept, streams, mux=is_muxed, escape=escape)
    return None


@endpoint("GET", "/containers/{name:path}/attach/ws")
async def container_attach_socket(call: Call) -> Answer:
    if call.peer is None:
        raise InvalidArgument("this address takes WebSockets alone")
    peer = call.peer
    container, escape = await _prepared(call)

    async def accept() -> Peer:
        await peer.accept()
        return peer

    is_old = call.version < (1, 42)
    streams = {name: is_old or call.flag(name) for name in ("stdin", "stdout", "stderr")}
    await attach(call, container, accept, streams, mux=False, escape=escape)
    return None


async def _prepared(call: Call) -> tuple[Container, escaping.Escape | None]:
    wanted = escaping.keys(call.text("detachKeys"))
    container: Container = await in_thread(operable, call, call["name"])
    call.again = lambda: operable(call, container.pk)
    state = state_of(container)
    if state == "paused":
        raise Conflict(f"container {call['name']} is paused, unpause the container before attach")
    if state == "restarting":
        raise Conflict(f"container {call['name']} is restarting, wait until the container is running")
    return container, escaping.Escape(wanted) if container.spec.get("tty") else None


async def attach(
    call: Call, container: Container, accept: Any, streams: dict[str, bool], *, mux: bool, escape: Any
) -> None:
    """Serve one client, whom `accept` answers once the host has attached it. Raises what was refused before that."""
    channels = frozenset(
        channel for name, channel in (("stdout", sessions.STDOUT), ("stderr", sessions.STDERR)) if streams[name]
    )
    peer: Peer | None = None
    if call.flag("logs"):
        peer = await accept()
        await _old(container, peer, channels, mux)
    if not call.flag("stream"):
        peer = peer or await accept()
        await peer.end()
        return
    terminal = Terminal(call, container, "attach")
    try:
        await _open(terminal, container, streams["stdin"])
        attached(container.pk).add(terminal)
        await terminal.carry(
            peer or await accept(),
            channels=channels,
            mux=mux,
            takes_input=streams["stdin"],
            escape=escape,
            leaves_at_end=escape is not None or not container.spec.get("stdin_once"),
        )
    finally:
        attached(container.pk).discard(terminal)
        await terminal.close()


async def _open(terminal: Terminal, container: Container, stdin: bool) -> None:
    """What the site knows may be a moment old: the host's word about whether it runs is the last."""
    ahead = state_of(container) not in ALIVE
    size = _size_at_create(container.pk)
    try:
        await terminal.open(to_wire(AttachParameters(stdin=stdin, ahead=ahead, size=size)))
    except Conflict:
        await terminal.open(to_wire(AttachParameters(stdin=stdin, ahead=not ahead)))


async def _old(container: Container, peer: Peer, channels: frozenset[int], mux: bool) -> None:
    async for batch in log_frames(container, LogPosition(), follow=False):
        for frame in batch:
            if frame.channel in channels:
                await peer.write(multiplexed(frame.channel, frame.data) if mux else frame.data)


_sizes: dict[str, TerminalSize] = {}


def note_size(container_id: str, console: Any) -> None:
    """A terminal's size that came with create: [rows, columns]. It is for whoever attaches before the start."""
    if isinstance(console, list) and len(console) == 2 and all(isinstance(n, int) and 0 < n <= 65535 for n in console):
        if len(_sizes) > 1000:
            _sizes.clear()
        _sizes[container_id] = TerminalSize(rows=console[0], columns=console[1])


def _size_at_create(container_id: str) -> TerminalSize | None:
    return _sizes.pop(container_id, None)


@endpoint("POST", "/containers/{name:path}/resize")
async def container_resize(call: Call) -> Empty:
    rows, columns = size_of(call)
    container: Container = await in_thread(operable, call, call["name"])
    if state_of(container) not in ALIVE and not attached(container.pk):
        raise Conflict(f"Container {container.pk} is not running")
    terminals = list(attached(container.pk))
    if terminals:
        for terminal in terminals:
            await terminal.resize(rows, columns)
    else:
        terminal = Terminal(call, container, "attach", is_noted=False)
        try:
            size = TerminalSize(rows=rows, columns=columns)
            await terminal.open(to_wire(AttachParameters(stdin=False, size=size)))
        finally:
            await terminal.close()
    return Empty(200)


def size_of(call: Call) -> tuple[int, int]:
    """`h` and `w`. Raises InvalidArgument."""
    found = []
    for name, what in (("h", "height"), ("w", "width")):
        text = call.text(name)
        if not (text.isascii() and text.isdigit()) or len(text) > 20 or int(text) > SIZE_MAXIMUM:
            raise InvalidArgument(f'invalid resize {what} "{text[:20]}": invalid syntax')
        found.append(int(text))
    return found[0], found[1]
