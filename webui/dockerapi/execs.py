"""Exec: a further process in a running container. Created, then started by whoever is there, then asked about."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

from engine.errors import Conflict, EngineError, InvalidArgument
from webui.activity.execs import exec_code
from webui.containers.exec_request import exec_parameters
from webui.containers.models import Container
from webui.containers.policing import exec_policed
from webui.dockerapi import answers, escaping, execs_known, names, shapes
from webui.dockerapi.answers import Answer, Empty, Json
from webui.dockerapi.call import Call
from webui.dockerapi.connection import Connection
from webui.dockerapi.containers import starting
from webui.dockerapi.containers.attaching import operable, size_of
from webui.dockerapi.containers.config import environment, unset_names
from webui.dockerapi.containers.multiplexing import multiplexed
from webui.dockerapi.containers.states import state_of
from webui.dockerapi.errors import no_such_exec
from webui.dockerapi.routing import endpoint
from webui.dockerapi.terminals import Terminal
from webui.links.session_link import SessionLink
from webui.live.loop import in_thread
from webui.live.pool import broker
from webui.recordings.services import recording_of
from worker.contract import sessions
from worker.contract.wire import to_wire

CLOSED_EXIT = 129
"""Of one whose terminal was closed: ended by SIGHUP."""


@endpoint("POST", "/containers/{name:path}/exec")
async def exec_create(call: Call) -> Json:
    body = await call.json()
    container: Container = await in_thread(operable, call, call["name"])
    state = state_of(container)
    if state == "paused":
        raise Conflict(f"container {call['name']} is paused, unpause the container before exec")
    if state == "restarting":
        raise Conflict(f"Container {container.pk} is restarting, wait until the container is running")
    if state != "running":
        raise Conflict(f"container {container.pk} is not running")
    known = _known(body, call)
    await in_thread(exec_policed, call.user, container, privileged=known["privileged"])
    return Json({"Id": await execs_known.add(container.pk, known)}, 201)


def _known(body: Mapping[str, Any], call: Call) -> dict[str, Any]:
    """What is remembered of a new one. Raises InvalidArgument."""

    def flag(name: str) -> bool:
        return shapes.flag(shapes.member(body, name), name)

    def text(name: str) -> str:
        return shapes.text(shapes.member(body, name), name)

    command = shapes.words(shapes.member(body, "Cmd"), "Cmd")
    if not command:
        raise InvalidArgument("No exec command specified")
    variables = shapes.strings(shapes.member(body, "Env"), "Env")
    unset = unset_names(variables)
    wish: dict[str, Any] = {
        "command": command,
        "env": {name: value for name, value in environment(variables).items() if name not in unset},
        "unset": sorted(unset),
        "user": text("User") or None,
        "workdir": text("WorkingDir") or None,
        "tty": flag("Tty"),
        "privileged": flag("Privileged"),
    }
    exec_parameters(wish)  # raises what can't be
    escaping.keys(text("DetachKeys"))
    return {
        "wish": wish,
        "stdin": flag("AttachStdin"),
        "stdout": flag("AttachStdout"),
        "stderr": flag("AttachStderr"),
        "keys": text("DetachKeys"),
        "size": _size(shapes.member(body, "ConsoleSize"), call),
        "tty": flag("Tty"),
        "user": text("User"),
        "privileged": flag("Privileged"),
        "entrypoint": command[0],
        "arguments": command[1:],
        "running": False,
        "exit_code": None,
    }


def _size(given: Any, call: Call) -> list[int] | None:
    if given is None or call.version < (1, 42):
        return None
    if (
        not isinstance(given, list)
        or len(given) != 2
        or not all(type(one) is int and 0 <= one < 65536 for one in given)
    ):
        raise InvalidArgument("invalid JSON: ConsoleSize has to be [height, width]")
    return given if all(given) else None


async def _found(call: Call) -> tuple[dict[str, Any], Container]:
    """Raises NotFound for one that isn't there, or whose container the user doesn't see; PermissionDenied."""
    known = await execs_known.get(call["id"])

    def container() -> Container | None:
        found = names.containers(call).filter(pk=known["container"]).first()
        return None if found is None else operable(call, found.pk)

    found = await in_thread(container)
    if found is None:
        raise no_such_exec(call["id"])
    return known, found


@endpoint("POST", "/exec/{id}/start")
async def exec_start(call: Call) -> Answer:
    body = await call.json()
    known, container = await _found(call)
    await in_thread(exec_policed, call.user, container, privileged=known["privileged"])
    size = _size(shapes.member(body, "ConsoleSize"), call) or known["size"]
    is_detached = shapes.flag(shapes.member(body, "Detach"), "Detach")
    if not is_detached and call.connection is None:
        raise InvalidArgument("the connection can't become a stream: send Upgrade: tcp, or start it detached")
    exec_id = call["id"]
    if not await execs_known.claim(exec_id):  # once nothing of the request can be wrong: it can be claimed but once
        if known["exit_code"] is None:
            raise Conflict(f"exec command {exec_id} is already running")
        raise Conflict(f"exec command {exec_id} has already run")
    call.again = lambda: operable(call, container.pk)
    wish = {**known.pop("wish"), "stdin": known["stdin"]}
    if wish["tty"] and size:
        wish |= {"rows": size[0], "columns": size[1]}
    parameters = dict(to_wire(exec_parameters({**wish, "stdin": wish["stdin"] and not is_detached})))
    if not known["stdin"]:
        parameters["stdin"] = False
    one = Exec(call, exec_id, known, container, {**parameters, "detached": is_detached})
    if is_detached:
        await one.detached()
        return Empty(200)
    assert call.connection is not None
    await one.attached(call.connection)
    return None


class Exec:
    """One on its way from the start to its end."""

    def __init__(
        self, call: Call, exec_id: str, known: dict[str, Any], container: Container, parameters: dict[str, Any]
    ) -> None:
        self._call, self._id, self._known, self._container = call, exec_id, known, container
        self._parameters = parameters
        self._terminal = Terminal(call, container, "exec")

    async def detached(self) -> None:
        try:
            await self._begin()
        except EngineError as error:
            await self._over(_code_of(error))
            raise InvalidArgument(_sentence(error), error.detail) from error
        finally:
            await self._terminal.close(leave=True)

    async def attached(self, connection: Connection) -> None:
        is_muxed = not self._known["tty"]
        is_named = is_muxed and self._call.version >= (1, 42)
        await connection.accept(answers.MULTIPLEXED_STREAM if is_named else answers.RAW_STREAM)
        has_begun = False
        try:
            await self._begin()
            has_begun = True
        except EngineError as error:
            await self._over(_code_of(error))
            said = f"{_sentence(error)}\r\n".encode()
            await connection.write(multiplexed(sessions.STDOUT, said) if is_muxed else said)
            await connection.end()
            return
        finally:
            if not has_begun:  # also for a client that is gone by now
                await self._terminal.close(exit_code=self._known["exit_code"])
        await self._carry(connection, is_muxed)

    async def _carry(self, connection: Connection, is_muxed: bool) -> None:
        channels = {"stdout": sessions.STDOUT, "stderr": sessions.STDERR}
        result: dict[str, Any] | None = {}
        try:
            result = await self._terminal.carry(
                connection,
                channels=frozenset(channel for name, channel in channels.items() if self._known[name]),
                mux=is_muxed,
                takes_input=self._known["stdin"],
                escape=escaping.Escape(escaping.keys(self._known["keys"])) if self._known["tty"] else None,
                leaves_at_end=self._known["tty"],
                ended=self._ended,
            )
        finally:
            has_left = result is None
            if has_left and self._known["stdin"] and not self._known["tty"] and self._terminal.link is not None:
                await self._terminal.link.no_more_input()
            await self._terminal.close(leave=has_left, exit_code=self._known["exit_code"])
            if not has_left and self._known["running"]:
                await self._over(CLOSED_EXIT)

    async def _begin(self) -> None:
        await self._terminal.open(self._parameters)
        link = self._terminal.link
        said = self._terminal.described
        self._known |= {"running": True, "session": None if link is None else link.id, "engine": said.get("exec")}
        await execs_known.put(self._id, self._known)

    async def _ended(self, result: Mapping[str, Any]) -> None:
        """Before the client hears of the end: it asks at once how that was."""
        code = result.get("exit_code")
        await self._over(code if isinstance(code, int) else CLOSED_EXIT)

    async def _over(self, code: int) -> None:
        self._known |= {"running": False, "exit_code": code}
        await execs_known.put(self._id, self._known, is_over=True)


def _sentence(error: EngineError) -> str:
    beginning = "OCI runtime exec failed: exec failed: unable to start container process"
    return f"{beginning}: {error.message}"


def _code_of(error: EngineError) -> int:
    return starting.code_of(error) or starting.NOT_EXECUTABLE


@endpoint("POST", "/exec/{id}/resize")
async def exec_resize(call: Call) -> Empty:
    rows, columns = size_of(call)
    known, _ = await _found(call)
    if not known["running"] or not known.get("session"):
        raise Conflict(f"exec process is not started: {call['id']}")
    if (recorded := await in_thread(recording_of, known["session"])) is not None:
        await asyncio.to_thread(recorded[1].resized, rows, columns)
    await SessionLink(broker(), known["session"]).resize(rows, columns)
    return Empty(200)


@endpoint("GET", "/exec/{id}/json")
async def exec_inspect(call: Call) -> Json:
    known, container = await _found(call)
    engine_id = known.get("engine") if known["running"] else None
    if engine_id and (code := await in_thread(exec_code, container.pk, engine_id)) is not None:
        known |= {"running": False, "exit_code": code}
        await execs_known.put(call["id"], known, is_over=True)
    return Json(
        {
            "ID": call["id"],
            "Running": known["running"],
            "ExitCode": known["exit_code"],
            "ProcessConfig": {
                "tty": known["tty"],
                "entrypoint": known["entrypoint"],
                "arguments": known["arguments"],
                "privileged": known["privileged"],
                "user": known["user"],
            },
            "OpenStdin": known["stdin"],
            "OpenStderr": known["stderr"],
            "OpenStdout": known["stdout"],
            "CanRemove": not known["running"] and known["exit_code"] is not None,
            "ContainerID": container.pk,
            "DetachKeys": "",
            "Pid": 0,
        }
    )
