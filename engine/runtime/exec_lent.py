"""The usual way to an exec's process: it borrows the memory of M, its parent, until it executes (in_place.py).

    M                                 E, in M's memory
      │ clone3 into group, pid ns ───►│ run.json, the pipes' owner, other groups, setns, user, terminal,
      ⋮ (the kernel holds it)         │ privileges, session, filter; does M live, and the client?
      │◄── the terminal's master ─────┤
      │◄───────────────────────────── ┤ exec, or an error

M then goes on with what E knew. What E's descriptors were is nothing to M: it has its own, as before. If E is killed on
its way, M ends too, and whoever asked finds out from what is there (execs.py).

E shares its memory with a process of the host's while it is among the container's. Nobody there may trace it, for which
the container's own user namespace must vouch as well as E's not being dumpable; a container without one gets a fork.
"""

from __future__ import annotations

import os
import stat
from functools import partial

from engine.bare import signal, socket
from engine.runtime import exec_process, kernel, program, record, wire
from engine.runtime.exec_parts import clone, is_apart, outside
from engine.runtime.in_place import Lender
from engine.runtime.wire import Failure

TYPE_CHECKING = False
if TYPE_CHECKING:
    from engine.runtime.exec_parts import Birth

_lender = Lender()


def can_be(first: int) -> bool:
    """Whether a process of that container may be born so. A time namespace is the memory's too: setns(2), EUSERS."""
    return _lender.possible and is_apart(first, "user") and not is_apart(first, "time")


def bear(birth: Birth) -> list[int]:
    """In M: make the process, recorded, and let it become its program; the terminal's master, if there is one."""
    request, monitor, failure = birth.request, os.getpid(), None
    request["guarded"] = False
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    for end in (birth.connection, theirs):
        end.setblocking(False)
    owner = [outside(birth.first, kind, 0) for kind in ("uid", "gid")] if birth.stdio else []
    pid = clone(birth, partial(_lender.lend, kernel.CLONE_CLEAR_SIGHAND, signal.SIGCHLD), inside=True)
    try:  # this is E
        birth.made.append(pid)
        _become(birth, theirs, owner, monitor)
    except Exception as error:  # noqa: BLE001 - whatever it is, the caller must be told
        failure = wire.failure_of(error, "starting the process")
        _lender.end(failure.exit_code or 255)
    theirs.close()  # this is M
    birth.connection.setblocking(True)
    with ours:
        if failure is not None:
            raise failure
        if not record.becomes_program(pid):
            raise Failure("unavailable", "the process was killed before it became the program; see the memory limit")
        return wire.take(ours, 1)[1] if request["terminal"] else []


def _become(birth: Birth, theirs: socket.socket, owner: list[int], monitor: int) -> None:
    """In E, until M goes on. `owner`: the host's ids of the container's root; `monitor`: M's pid."""
    request, pid = birth.request, birth.made[-1]
    exec_process.arrange(
        request, birth.stdio, [birth.container, birth.directory, birth.connection.fileno(), theirs.fileno()]
    )
    record.write_run(birth.directory, request["run"], pid, monitor=monitor, has_spare=True)
    os.close(birth.directory)
    pipes = [number for number in request["given"] if stat.S_ISFIFO(os.fstat(number).st_mode)]
    for pipe in pipes:
        os.fchown(pipe, *owner)
    _, ready, master = exec_process.enter(request, birth.first, birth.container, pipes)
    if master:
        wire.send_descriptors(theirs, b"master", master)
    exec_process.settle(ready, bool(master))
    for end in (birth.connection.fileno(), theirs.fileno()):
        if not _is_open(end):
            raise Failure("cancelled", "nobody waits for this exec any more")
    program.execute_lent(_lender, ready.path, ready.arguments, ready.environment)


def _is_open(end: int) -> bool:
    """Whether the other end of a connection that has nothing to say is there."""
    try:
        os.read(end, 1)
    except BlockingIOError:
        return True
    except ConnectionResetError:
        pass
    return False
