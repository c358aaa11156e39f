"""One create by another runtime, in the process that will be the new container's parent.

    launcher         M (becomes the monitor)      H (maker.py)                  the runtime
      │ fork ────────────►│ pipes, overlay           │                              │
      │                   │ fork ───────────────────►│ mount namespace, place, user │
      │                   │                          │ fork, exec ─────────────────►│ create
      │                   │◄── pid (or what failed) ─┤◄─ exit code, pid file, terminal ┘
      │                   │ run.json, answer, exec   │ waits on init.sock, as our own first process does
      │                   ⋮ monitor                  │ "start" ────────────────────►│ start
      │                                              │ run.json, "executing", end of the stream

The process that the runtime leaves behind becomes M's child, M being its nearest subreaper. H and what it calls die
with their parent, so a killed M never leaves a runtime at work. The root is mounted where H alone sees it.
"""

from __future__ import annotations

import contextlib
import os
import signal
import socket

from engine.runtime import kernel, monitor, record, rootfs, users, wire
from engine.runtime.foreign import maker
from engine.runtime.ids import COUNT

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from engine.runtime.birth import Order

START_SOCKET = "init.sock"
_ANSWER_BYTES = 1 << 16


def create(order: Order) -> None:
    """In M, forked for this request and a session's leader: have the container made, answer, become its monitor.

    `request["foreign"]`: see `service.Foreign.request`.
    """
    request, connection, first = order.request, order.connection, order.first
    directory = os.open(request["directory"], os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    readers = [os.open(name, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=directory) for name in monitor.PIPES]
    stdin = monitor.open_input(directory) if request["stdin"] else 0
    owners = None if first is None else users.of_range(first)
    tree = rootfs.overlay(request["overlay"], owners, first or 0)
    listener = wire.listen(directory, START_SOCKET, 4)
    kernel.prctl("subreaper", kernel.PR_SET_CHILD_SUBREAPER, 1)
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    work = maker.Work(request, directory, tree, owners, first, listener, theirs, connection, order.handed, os.getpid())
    helper_pid = os.fork()
    if helper_pid == 0:
        os.close(order.claim)
        ours.close()
        maker.run(work)
    listener.close()
    theirs.close()
    data, terminal = wire.take(ours, 1, _ANSWER_BYTES)
    answer = wire.decode(data) if data else {}
    if "pid" not in answer:
        if not answer:
            answer = wire.Failure("unavailable", f"{request['foreign']['name']}'s helper was killed").as_message()
        _end_children()
        wire.send(connection, answer)
        os._exit(1)
    held = 0
    if terminal:  # before anybody learns of this process
        os.dup2(terminal[0], monitor.TERMINAL, inheritable=False)
        os.close(terminal[0])
        held = monitor.TERMINAL
    pid: int = answer["pid"]
    _record(request, directory, pid, helper_pid, {"ids": _ids(first), "terminal": bool(held)})
    os.close(order.claim)
    with contextlib.suppress(OSError):
        ours.send(b"recorded")
    with contextlib.suppress(OSError):  # a client that died meanwhile finds the created container in run.json
        wire.send(connection, {"pid": pid, "first": first})
    ours.close()
    connection.close()
    for descriptor in order.handed:
        os.close(descriptor)
    kept = monitor.Held(pid, request["run"], directory, readers[0], readers[1], tree, stdin, held)
    monitor.become(kept, request["monitor"], request["name"])


def _end_children() -> None:
    """Kill and await the helper and what it leaves to its nearest subreaper: a runtime that is dying may still act."""
    while True:
        with open(f"/proc/self/task/{os.getpid()}/children") as file:
            left = file.read().split()
        for pid in left:
            os.kill(int(pid), signal.SIGKILL)  # not reaped, and so nobody else
        try:
            os.waitpid(-1, 0)
        except ChildProcessError:
            return


def _ids(first: int | None) -> dict[str, int] | None:
    return None if first is None else {"first": first, "count": COUNT}


def _record(request: dict[str, Any], directory: int, pid: int, helper_pid: int, more: dict[str, Any]) -> None:
    known = {"helper_pid": helper_pid, "helper_ticks": record.start_ticks(helper_pid)}
    record.reserve_exit(directory, request["run"])
    record.write_run(directory, request["run"], pid, {"runtime": request["foreign"]["name"], **known, **more})
