"""An exec's process by fork, where it can't borrow its parent's memory (exec_lent.py).

    M                                 E
      │ clone3 into group, pid ns ───►│ other groups, setns, user,
      │ run.json                      │ terminal, privileges
      │◄── {"pid", "uid", "gid"} ─────┤ session, filter
      │ "go" ────────────────────────►│
      │◄── {"error": …} or the end ───┤ exec

A container whose processes may trace what is not dumpable in the host's user namespace, by its capabilities or by a
privileged exec, and which has no user namespace of its own, is met by a guarded exec:

    M              J (outside, like M)               E
      │ clone3 ─────►│ all of E's steps that take rights │
      │              │ clone as M's child ──────────────►│ session, filter …
      │◄─────────────┤ {"pid": E's}

E is born with the container's own rights then, and holds nothing but what is the container's.
"""

from __future__ import annotations

import os
import select
import stat
from functools import partial

from engine.bare import contextlib, signal, socket
from engine.runtime import exec_process, kernel, record, wire
from engine.runtime.exec_parts import clone, is_apart, outside
from engine.runtime.wire import Failure

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, NoReturn

    from engine.runtime.exec_parts import Birth

PRIVILEGED = "exec.privileged"
"""In a container's directory: there was a privileged exec, whose processes may be there still."""
_MESSAGE_BYTES = 1 << 16


def bear(birth: Birth) -> list[int]:
    """Make the process, record it, and let it become its program; the terminal's master, if there is one."""
    request = birth.request
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with ours:
        guarded = request["guarded"] = is_guarded(request, birth.first)
        make = partial(kernel.clone3, kernel.CLONE_CLEAR_SIGHAND, signal.SIGCHLD)
        pid = clone(birth, make, inside=not guarded)
        if pid == 0:
            try:
                exec_process.run(request, birth.first, birth.container, birth.stdio, theirs)
            finally:
                os._exit(255)
        birth.made.append(pid)
        theirs.close()
        if not guarded:
            record.write_run(birth.directory, request["run"], pid, has_spare=True)
        terminal = _await_birth(ours, birth)
        if guarded:
            record.write_run(birth.directory, request["run"], birth.made[-1], has_spare=True)
        if is_over(birth.connection.fileno(), 0):
            raise Failure("cancelled", "nobody waits for this exec any more")
        _let_go(ours, birth.made[-1])
    return terminal


def is_guarded(request: dict[str, Any], first: int) -> bool:
    """Whether somebody in the container may trace a process that is not dumpable: CAP_SYS_PTRACE, ptrace(2)."""
    if is_apart(first, "user"):
        return False
    mark = f"{request['container']}/{PRIVILEGED}"
    if request["privileged"]:
        os.close(os.open(mark, os.O_CREAT | os.O_WRONLY | os.O_CLOEXEC, 0o600))
    return bool(request["traces"]) or os.path.exists(mark)


def _await_birth(ours: socket.socket, birth: Birth) -> list[int]:
    """Until the process may go; the terminal's master. The caller's pipes become the user's, who may reopen them."""
    data, terminal = wire.take(ours, 1, _MESSAGE_BYTES)
    message = wire.decode(data) if data else {}
    if "pid" not in message:
        _raise(message, "the process died before it became the program; see the container's memory limit")
    if message["pid"]:
        pid = int(message["pid"])
        os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT)  # ChildProcessError for one that isn't ours
        birth.made.append(pid)
    for descriptor in birth.stdio:
        if stat.S_ISFIFO(os.fstat(descriptor).st_mode):
            os.fchown(
                descriptor, outside(birth.first, "uid", message["uid"]), outside(birth.first, "gid", message["gid"])
            )
        os.close(descriptor)
    return terminal


def is_over(descriptor: int, milliseconds: int) -> bool:
    """Whether the process of a pidfd, or the other side of a connection that has nothing to say, ends in that time."""
    poll = select.poll()
    poll.register(descriptor, select.POLLIN)
    return bool(poll.poll(milliseconds))


def _let_go(ours: socket.socket, pid: int) -> None:
    """Let E exec; returns when it has. What E says may be another's word: it is no more than a message."""
    answer = b""
    with contextlib.suppress(BrokenPipeError, ConnectionResetError):  # killed meanwhile, as seen below
        ours.send(b"go")
        answer = ours.recv(_MESSAGE_BYTES)
    if answer:
        _raise(wire.decode(answer), "the process could not become the program")
    if not record.has_executed(pid):
        raise Failure("unavailable", "the process was killed before it became the program; see the memory limit")


def _raise(message: dict[str, Any], otherwise: str) -> NoReturn:
    error = message.get("error") or {"family": "unavailable", "message": otherwise}
    code = (error.get("detail") or {}).get("exit_code")
    raise Failure(str(error["family"]), str(error["message"]), code if isinstance(code, int) else None)
