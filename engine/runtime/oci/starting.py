"""start: let a created container's first process become its program (init.py draws the conversation)."""

from __future__ import annotations

from engine.bare import contextlib
from engine.runtime import wire
from engine.runtime.wire import Failure

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from engine.bare import socket
    from engine.runtime.oci.state import Container

START_SOCKET = "init.sock"


def start(container: Container) -> list[str]:
    """Returns, once the program is executed, what poststart hooks complained about; Failure if it could not be."""
    with container.locked():
        status = container.status()
        if status == "stopped":
            raise Failure("conflict", "cannot start a container that has stopped")
        if status == "paused":
            raise Failure("conflict", "cannot start a container that is paused; resume it first")
        if status != "created":
            raise Failure("conflict", f"cannot start an already {status} container")
        try:
            connection = wire.connect(container.directory, START_SOCKET, 60.0)
        except OSError as error:
            raise Failure("unavailable", f"the container's first process does not answer: {error}") from None
        with connection:
            connection.settimeout(None)
            wire.send(connection, {"verb": "start"})
            answer = _last_word(connection)
        raise_error(answer)
        if not container.has_hooks("poststart"):
            return []
        from engine.runtime.oci import bundle, hooks

        spec, _ = bundle.load(container.directory)
    # Without the lock: they may take their time, and call verbs on their own container.
    return hooks.run_all(spec.hooks.poststart, "poststart", container.as_oci("running"))


def _last_word(connection: socket.socket) -> dict[str, Any]:
    """What the first process says after "starting"; nothing if it has been executed. Failure if it never began."""
    answer = None
    with contextlib.suppress(ConnectionResetError):
        answer = wire.receive(connection)
    if answer is None:
        raise Failure("unavailable", "the container's first process died before it could be started")
    if "error" in answer:
        return answer
    try:
        return wire.receive(connection) or {}
    except ConnectionResetError:
        return answer


def raise_error(answer: dict[str, Any]) -> None:
    """The Failure in a first process's answer, if there is one."""
    error = answer.get("error")
    if error:
        raise Failure(error["family"], error["message"], error["detail"].get("exit_code"))
