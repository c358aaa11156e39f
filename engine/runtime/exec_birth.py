"""One exec, in the process that will be the new one's parent.

    client           launcher         M (becomes the monitor)        E (becomes the program)
      │ exec + stdio ──►│                      │                               │
      │                 │ (exec_workers.py) ──►│ clone3 into group, pid ns ───►│ other groups, setns, user,
      │                 │                      │ run.json                      │ terminal, privileges
      │                 │                      │◄── {"pid", "uid", "gid"} ─────┤ session, filter
      │                 │                      │ "go" ────────────────────────►│
      │                 │                      │◄── {"error": …} or the end ───┤ exec
      │◄── {"pid": …}, the terminal's master ──┤
      │                 │                      │ waits, writes exit.<run>, serves the next

M stays outside of the container, in namespaces, groups and rights. E lives among the container's processes before
it is one of them, so nobody in there may trace it (CVE-2016-9962): it is not dumpable in the host's user namespace,
which takes CAP_SYS_PTRACE there. A container that may have that, by its capabilities or by a privileged exec, and
has no user namespace of its own, is met by a guarded exec:

                         M              J (outside, like M)               E
                         │ clone3 ─────►│ all of E's steps that take rights │
                         │              │ clone as M's child ──────────────►│ session, filter …
                         │◄─────────────┤ {"pid": E's}

E is born with the container's own rights then, and holds nothing but what is the container's.

Nothing runs unrecorded, since "go" follows run.json; nothing runs unasked, since M looks first whether the client is
still there; and who dies before "go" takes those behind it along, by the end of the stream.
"""

from __future__ import annotations

import errno
import os
import select
import stat

from engine.bare import contextlib, signal, socket
from engine.runtime import exec_process, kernel, monitor, record, wire
from engine.runtime.wire import Failure

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, NamedTuple, NoReturn

    class Birth(NamedTuple):
        request: dict[str, Any]
        connection: socket.socket
        stdio: list[int]
        directory: int
        first: int
        container: int
        made: list[int]
else:
    from engine.bare import namedtuple

    # `first`, `container`: pid and pidfd of the container's first process; `made`: children, the last is the process
    Birth = namedtuple("Birth", "request connection stdio directory first container made")

NOT_EXECUTABLE = 126
LINGER_MILLISECONDS = 10
"""How long M waits as it is."""
PRIVILEGED = "exec.privileged"
"""In a container's directory: there was a privileged exec, whose processes may be there still."""
_MESSAGE_BYTES = 1 << 16


def serve(request: dict[str, Any], connection: socket.socket, stdio: list[int]) -> tuple[int, int] | None:
    """M. Start the process and answer; what `become_monitor` needs if it goes on, None if it has ended or never ran.

    `stdio`: the descriptors for those of 0, 1 and 2 that `request["given"]` names.
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


def become_monitor(request: dict[str, Any], pid: int, directory: int) -> None:
    """Returns when all is done, or never."""
    monitor.become(monitor.Held(pid, request["run"], directory, 0, 0, 0), request["monitor"], request["name"])


def _leave_namespace() -> None:
    """Children are born on the host again, and the container's namespace of processes can go when it ends."""
    own = os.open("/proc/self/ns/pid", os.O_RDONLY | os.O_CLOEXEC)
    kernel.setns(own, kernel.CLONE_NEWPID)
    os.close(own)


def _start(request: dict[str, Any], connection: socket.socket, stdio: list[int]) -> tuple[int, int] | None:
    found = record.read_run(request["container"])
    container = None if found is None or found["run"] != request["run"] else record.open_pidfd(found)
    if found is None or container is None or not record.is_program(found):
        raise Failure("conflict", "the container is not running; start it first")
    directory = os.open(request["directory"], os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    birth = Birth(request, connection, stdio, directory, found["pid"], container, [])
    try:
        terminal = _bear(birth)
    except BaseException as error:
        _undo(birth.made, directory)
        if getattr(error, "family", "") != "invalid_argument" and record.is_ending(birth.first):
            raise Failure("conflict", "the container ended while the process was started") from None
        raise
    with contextlib.suppress(OSError):  # a client that died meanwhile finds the exec in run.json
        wire.send(connection, {"pid": birth.made[-1]}, terminal)
    for descriptor in (container, *terminal):
        os.close(descriptor)
    connection.close()
    for helper in birth.made[:-1]:
        os.waitpid(helper, 0)
    return _linger(request["run"], birth.made[-1], directory)


def _bear(birth: Birth) -> list[int]:
    """Make the process, record it, and let it become its program; the terminal's master, if there is one."""
    request = birth.request
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with ours:
        guarded = request["guarded"] = _is_guarded(request, birth.first)
        pid = _clone(request, birth.container)
        if pid == 0:
            try:
                exec_process.run(request, birth.first, birth.container, birth.stdio, theirs)
            finally:
                os._exit(255)
        birth.made.append(pid)
        theirs.close()
        if not guarded:
            record.write_run(birth.directory, request["run"], pid)
        terminal = _await_birth(ours, birth)
        if guarded:
            record.write_run(birth.directory, request["run"], birth.made[-1])
        if _ends(birth.connection.fileno(), 0):
            raise Failure("cancelled", "nobody waits for this exec any more")
        _let_go(ours, birth.made[-1])
    return terminal


def _is_guarded(request: dict[str, Any], first: int) -> bool:
    """Whether somebody in the container may trace a process that is not dumpable: CAP_SYS_PTRACE, ptrace(2)."""
    if os.stat(f"/proc/{first}/ns/user").st_ino != os.stat("/proc/self/ns/user").st_ino:
        return False
    mark = f"{request['container']}/{PRIVILEGED}"
    if request["privileged"]:
        os.close(os.open(mark, os.O_CREAT | os.O_WRONLY | os.O_CLOEXEC, 0o600))
    return bool(request["traces"]) or os.path.exists(mark)


def _clone(request: dict[str, Any], container: int) -> int:
    """E or J, in the container's version 2 group from its birth; the groups of version 1 it joins by itself."""
    group = None
    if request["unified"]:
        group = os.open(request["unified"], os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        if not request["guarded"]:
            kernel.setns(container, kernel.CLONE_NEWPID)  # for children; M stays where it is
        return kernel.clone3(kernel.CLONE_CLEAR_SIGHAND, signal.SIGCHLD, group)
    except OSError as error:
        if error.errno == errno.EAGAIN:
            raise Failure(
                "resource_exhausted", "the container has reached its limit of processes; raise pids_limit or end some"
            ) from None
        raise
    finally:
        if group is not None:
            os.close(group)


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
                descriptor, _outside(birth.first, "uid", message["uid"]), _outside(birth.first, "gid", message["gid"])
            )
        os.close(descriptor)
    return terminal


def _outside(pid: int, kind: str, number: int) -> int:
    """The host's number of a user or group of the container's: user_namespaces(7), /proc/pid/uid_map."""
    with open(f"/proc/{pid}/{kind}_map") as file:
        for line in file:
            inside, outside, count = map(int, line.split())
            if inside <= number < inside + count:
                return outside + number - inside
    return -1


def _ends(descriptor: int, milliseconds: int) -> bool:
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


def _linger(run: int, pid: int, directory: int) -> tuple[int, int] | None:
    """Most execs are over before a monitor could be: see to it here, for a moment."""
    pidfd = os.pidfd_open(pid)
    is_over = _ends(pidfd, LINGER_MILLISECONDS)
    os.close(pidfd)
    if not is_over:
        return pid, directory
    monitor.watch(monitor.Held(pid, run, directory, 0, 0, 0))
    return None
