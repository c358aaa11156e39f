"""One create, in the process that will be the new container's parent.

    client              launcher            M (becomes the monitor)        I (becomes the container's process)
      │ create ───────────►│                         │                              │
      │                    │ fork ──────────────────►│ pipes, overlay, init.sock    │
      │                    │                         │ clone3 with namespaces ─────►│
      │                    │                         │ run.json                     │ cgroups, mounts,
      │◄──── {"pid": …} ───┼─────────────────────────┤                              │ pivot_root, masks …
      │   (attaches the    │                         │ exec monitor                 │
      │    network now)    │                         ⋮                              │
      │ start ─────────────┼─────────────────────────┼─────────────────────────────►│ (accept on init.sock)
      │◄─── {"error": …} or {"executing": …} and then the end of the stream ────────┤ exec

A connection that ends without a word means that its process died. The launcher is never waited for: it forks
and turns to the next request, and M answers on the connection that it inherited.
"""

from __future__ import annotations

import contextlib
import os
import signal
import socket

from engine.runtime import ahead, device_nodes, init, kernel, monitor, record, rootfs, wire
from engine.runtime.foreign import birth as foreign

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, NoReturn

START_SOCKET = "init.sock"


def create_cold(request: dict[str, Any], connection: socket.socket) -> NoReturn:
    """In a process that was forked for this request alone."""
    try:
        connection = keep_only(connection)
        os.setsid()
    except BaseException:  # noqa: BLE001 - a fork must never return into the launcher's loop
        os._exit(1)
    create(request, connection, None)


def create(request: dict[str, Any], connection: socket.socket, made: ahead.Ahead | None) -> NoReturn:
    """In M: make the container's process, answer, and become its monitor. `made`: what the pool made ahead."""
    status = 1
    try:
        _become_monitor(request, connection, made)
        status = 0
    except BaseException as error:  # noqa: BLE001 - a fork must never return into the launcher's loop
        failure = wire.failure_of(error if isinstance(error, Exception) else RuntimeError(), "creating the container")
        with contextlib.suppress(OSError):
            wire.send(connection, failure.as_message())
    os._exit(status)


def keep_only(connection: socket.socket) -> socket.socket:
    """Close every descriptor of the launcher but the standard ones and this connection."""
    usual_signals()
    os.dup2(connection.detach(), 3, inheritable=False)
    kernel.close_range(4)
    kept = socket.socket(fileno=3)
    kept.setblocking(True)
    return kept


def usual_signals() -> None:
    """Undo what the launcher has set for itself."""
    signal.set_wakeup_fd(-1)
    for number in (signal.SIGCHLD, signal.SIGTERM, signal.SIGINT):
        signal.signal(number, signal.SIG_DFL)


def _become_monitor(request: dict[str, Any], connection: socket.socket, made: ahead.Ahead | None) -> None:
    if request.get("foreign"):
        foreign.create(request, connection)
        return
    directory = os.open(request["directory"], os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    readers = [os.open(name, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=directory) for name in monitor.PIPES]
    writers = [os.open(name, os.O_WRONLY | os.O_CLOEXEC, dir_fd=directory) for name in monitor.PIPES]
    tree = rootfs.overlay(request["overlay"])
    request["dev_tree"] = device_nodes.dev_tree(request["spec"])
    listener = wire.listen(directory, START_SOCKET, 4)
    group = None
    if request["unified"]:
        group = os.open(request["unified"], os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    new = init.NAMESPACES & ~ahead.NAMESPACES if made else init.NAMESPACES
    pid = kernel.clone3(new | kernel.CLONE_CLEAR_SIGHAND, signal.SIGCHLD, group)
    if pid == 0:
        try:
            connection.close()
            init.run(request, tree, (writers[0], writers[1]), listener, made)
        finally:
            os._exit(255)
    for writer in writers:
        os.close(writer)
    listener.close()
    try:
        if made is not None:
            made.leave()
        record.write_run(directory, request["run"], pid)
    except BaseException:
        os.kill(pid, signal.SIGKILL)  # unrecorded, nobody could ever find it
        os.waitpid(pid, 0)
        raise
    with contextlib.suppress(OSError):  # a client that died meanwhile finds the created container in run.json
        wire.send(connection, {"pid": pid, "pooled": made is not None})
    connection.close()
    held = monitor.Held(pid, request["run"], directory, readers[0], readers[1], tree)
    monitor.become(held, request["monitor"], request["name"])
