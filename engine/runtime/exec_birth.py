"""One exec, in the process that will be the new one's parent.

    client           launcher         M (becomes the monitor)        E (becomes the program)
      │ exec + stdio ──►│                      │                               │
      │                 │ (exec_workers.py) ──►│ clone3 into group, pid ns ───►│ run.json, groups, setns,
      │                 │                      │                               │ user, privileges, filter
      │                 │                      │◄──────────────────────────────┤ exec
      │◄── {"pid": …}, the terminal's master ──┤
      │                 │                      │ waits, writes exit.<run>
      │◄────────────────────── end of stream ──┤ serves the next

M stays outside of the container, in namespaces, groups and rights. E lives among the container's processes before
it is one of them, so nobody in there may trace it (CVE-2016-9962): it is not dumpable in the host's user namespace,
which takes CAP_SYS_PTRACE there. It borrows M's memory (exec_lent.py), or is a fork (exec_fork.py).

Nothing runs unrecorded, since exec follows run.json; nothing runs unasked, since it is looked first whether the client
is still there; and who dies before takes those behind it along, by the end of a stream.
"""

from __future__ import annotations

import os

from engine.bare import contextlib, signal
from engine.runtime import exec_fork, exec_lent, kernel, monitor, record, wire
from engine.runtime.exec_fork import is_over
from engine.runtime.exec_parts import Birth
from engine.runtime.wire import Failure

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from engine.bare import socket

NOT_EXECUTABLE = 126
LINGER_MILLISECONDS = 10
"""How long M waits as it is."""


def serve(request: dict[str, Any], connection: socket.socket, stdio: list[int]) -> monitor.Held | None:
    """M. Start the process and answer; what it needs as a monitor if that goes on, None if it has ended or never ran.

    `stdio`: the descriptors for those of 0, 1 and 2 that `request["given"]` names. The connection ends when the exit
    code is written, or will never be by this process.
    """
    try:
        return _start(request, connection, stdio)
    except Exception as error:  # noqa: BLE001 - whatever it is, the caller must be told
        failure = wire.failure_of(error, "starting the process")
        if failure.family == "invalid_argument" and failure.exit_code is None:
            failure.exit_code = NOT_EXECUTABLE
        with contextlib.suppress(OSError):
            wire.send(connection, failure.as_message())
        return None
    finally:
        _leave_namespace()


def _leave_namespace() -> None:
    """Children are born on the host again, and the container's namespace of processes can go when it ends."""
    own = os.open("/proc/self/ns/pid", os.O_RDONLY | os.O_CLOEXEC)
    kernel.setns(own, kernel.CLONE_NEWPID)
    os.close(own)


def _start(request: dict[str, Any], connection: socket.socket, stdio: list[int]) -> monitor.Held | None:
    found = record.read_run(request["container"])
    container = None if found is None or found["run"] != request["run"] else record.open_pidfd(found)
    if found is None or container is None or not record.is_program(found):
        raise Failure("conflict", "the container is not running; start it first")
    directory = os.open(request["directory"], os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    birth = Birth(request, connection, stdio, directory, found["pid"], container, [])
    try:
        way = exec_lent if exec_lent.can_be(birth.first) else exec_fork
        terminal = way.bear(birth)
    except BaseException as error:
        _undo(birth.made, directory)
        if getattr(error, "family", "") != "invalid_argument" and record.is_ending(birth.first):
            raise Failure("conflict", "the container ended while the process was started") from None
        raise
    with contextlib.suppress(OSError):  # a client that died meanwhile finds the exec in run.json
        wire.send(connection, {"pid": birth.made[-1]}, terminal)
    for descriptor in (container, *terminal):
        os.close(descriptor)
    for helper in birth.made[:-1]:
        os.waitpid(helper, 0)
    return _linger(monitor.Held(birth.made[-1], request["run"], directory, 0, 0, connection.detach()))


def _undo(made: list[int], directory: int) -> None:
    """Nothing of it runs, and nothing tells that it ever did."""
    for pid in made:
        with contextlib.suppress(OSError):
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
    with contextlib.suppress(FileNotFoundError):
        os.unlink(record.RUN_FILE, dir_fd=directory)
    with contextlib.suppress(OSError):
        os.rmdir(os.readlink(f"/proc/self/fd/{directory}"))


def _linger(held: monitor.Held) -> monitor.Held | None:
    """Most execs are over before a monitor could be: see to it here, for a moment."""
    pidfd = os.pidfd_open(held.pid)
    has_ended = is_over(pidfd, LINGER_MILLISECONDS)
    os.close(pidfd)
    if not has_ended:
        return held
    monitor.watch(held)
    return None
