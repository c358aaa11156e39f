"""exec: another process in a running container's namespaces and groups.

    caller ──fork──► helper: setns to everything of the first process's ──clone3(PARENT)──► new process

The new process is the caller's child, so that an `exec --detach` leaves it to whoever adopts the caller's children.
Where somebody in the container might trace it, the helper does what the new process would: guarded.py.
"""

from __future__ import annotations

import os

from engine.bare import signal, socket
from engine.runtime import capabilities, kernel, program, room, wire
from engine.runtime.oci import attributes, becoming, guarded, namespaces, starting
from engine.runtime.oci.groups.tree import Tree
from engine.runtime.wire import Failure

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import NamedTuple

    from engine.oci.runtime_process import Process
    from engine.oci.runtime_spec import Spec
    from engine.runtime.oci.preserved import Preserved
    from engine.runtime.oci.state import Container

    class Joining(NamedTuple):
        process: Process
        spec: Spec
        filter: bytes | None
        preserved: Preserved
        doors: list[int]
        counted: list[int]
        terminal: socket.socket | None
        channel: socket.socket
        callers_end: socket.socket
        guard: guarded.Guard | None
else:
    from engine.bare import namedtuple

    Joining = namedtuple("Joining", "process spec filter preserved doors counted terminal channel callers_end guard")


def execute(
    container: Container, spec: Spec, process: Process, *,
    filter_program: bytes | None, preserved: Preserved, terminal: socket.socket | None, below: Mapping[str, str],
    although_paused: bool,
) -> int:  # fmt: skip
    """Start `process` in the container; its pid, once its program has been executed. Failure if it could not be.

    `below`: see Tree.doors. `although_paused`: wait until somebody resumes the container.
    """
    status = container.status()
    if status == "paused" and not although_paused:
        raise Failure("conflict", "cannot exec in a paused container")
    if status not in ("running", "created", "paused"):
        raise Failure("conflict", f"cannot exec in a {status} container")
    pidfd = container.open_pidfd()
    if pidfd is None:
        raise Failure("conflict", "cannot exec in a stopped container")
    try:
        return _execute(
            container, pidfd, spec, process, filter_program=filter_program, preserved=preserved, terminal=terminal,
            below=below,
        )  # fmt: skip
    except (Failure, OSError) as error:
        is_told = isinstance(error, Failure) and error.family != "internal"  # else the process itself is lost
        if getattr(error, "exit_code", None) or not _ends(pidfd, 100 if is_told else 2000):
            raise
        # Whatever it was that was missing: groups, namespaces, the process that was to join them.
        raise Failure("conflict", "cannot exec in a stopped container: it has ended meanwhile") from None
    finally:
        os.close(pidfd)


def _ends(pidfd: int, milliseconds: int) -> bool:
    """Whether the first process has ended by then: where it is about to, nobody is born beside it any more."""
    import select

    poll = select.poll()
    poll.register(pidfd, select.POLLIN)
    return bool(poll.poll(milliseconds))


def _execute(
    container: Container, pidfd: int, spec: Spec, process: Process, *, filter_program: bytes | None,
    preserved: Preserved, terminal: socket.socket | None, below: Mapping[str, str],
) -> int:  # fmt: skip
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    groups = container.groups()
    if groups.unified and not below:
        groups = Tree(groups.v1, room.joinable(groups.unified, container.pid))
    doors, count = groups.doors(below), groups.open_count(below)
    capabilities.last_capability()  # now: the container may have no /proc
    flags = _different(container.pid)
    guard = guarded.guard_of(container.directory, spec, process, flags)
    joining = Joining(process, spec, filter_program, preserved, doors, count, terminal, theirs, ours, guard)
    if container.status() == "stopped":  # or these were another process's, perhaps the host's own: join nothing
        raise Failure("conflict", "cannot exec in a stopped container")
    group = None if below else groups.open_group()
    try:
        pid = namespaces.through_helper(lambda: _join(joining, pidfd, flags), lambda *how: _clone(joining, *how), group)
    finally:
        if group is not None:
            os.close(group)
        theirs.close()
        for fd in (*doors, *count):
            os.close(fd)
    if terminal is not None:
        terminal.close()
    answer = wire.receive(ours)
    ours.close()
    if answer is not None:
        if pid:
            os.waitpid(pid, 0)
        starting.raise_error(answer)
    return pid


def _different(pid: int) -> int:
    """CLONE_NEW* of every namespace of `pid` that isn't the caller's own."""
    flags = 0
    for kind, name in namespaces.FILES.items():
        if os.path.exists(f"/proc/self/ns/{name}") and os.readlink(f"/proc/{pid}/ns/{name}") != os.readlink(
            f"/proc/self/ns/{name}"
        ):
            flags |= namespaces.FLAGS[kind]
    return flags


def _join(joining: Joining, pidfd: int, flags: int) -> None:
    process = joining.process
    if joining.guard is not None:
        joining.guard.prepare()
    attributes.raise_limits(process)
    if process.oom_score_adj is not None:
        attributes.set_oom_score(process.oom_score_adj, os.getpid())
    kernel.prctl("dumpable", kernel.PR_SET_DUMPABLE, 0)
    others, user = flags & ~kernel.CLONE_NEWUSER, flags & kernel.CLONE_NEWUSER
    for part in (others, user):  # with the host's rights while they last
        if part:
            kernel.setns(pidfd, part)


def _clone(joining: Joining, inside: bool, answer: int) -> int:
    if inside:
        os.close(joining.doors.pop())  # the version 2 group's
    if joining.guard is not None:
        return joining.guard.bear(joining, furnish, answer)
    pid = kernel.clone3(kernel.CLONE_PARENT | kernel.CLONE_CLEAR_SIGHAND, 0)
    if pid == 0:
        try:
            joining.callers_end.close()
            _become(joining)
        except Exception as error:  # noqa: BLE001 - whatever it is, the caller must be told
            wire.send(joining.channel, wire.failure_of(error, "starting the process").as_message())
        finally:
            os._exit(255)
    return pid


def _become(joining: Joining) -> None:
    os.setsid()
    root = furnish(joining)
    if joining.terminal is not None:
        from engine.runtime.oci import console

        console.control()
    program.find(root, joining.process.args[0], becoming.search_path(joining.process))
    flags = attributes.filter_flags(joining.spec.linux.seccomp)
    becoming.execute(joining.process, root, joining.filter, flags, joining.preserved)


def furnish(joining: Joining) -> int:
    """All that the process gets beside its rights, in its namespaces: groups, directory, terminal; its root."""
    process, linux = joining.process, joining.spec.linux
    affinity = process.exec_cpu_affinity
    if affinity is not None:
        attributes.set_affinity(affinity.initial, "initial")
    becoming.enter_groups(joining.doors)
    room.refuse_crowd(joining.counted)
    if affinity is None or not affinity.final:
        attributes.free_affinity()
    if affinity is not None:
        attributes.set_affinity(affinity.final, "final")
    if any(namespace.type == "user" for namespace in linux.namespaces):
        becoming.become_root()
    kernel.prctl("dumpable", kernel.PR_SET_DUMPABLE, 0)
    kernel.new_session_keyring()
    root = os.open("/", os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    os.umask(0o022)
    becoming.working_directory(root, process.cwd)
    if joining.terminal is not None:
        from engine.runtime.oci import console  # the caller has it loaded

        user = process.user
        console.open_terminal(root, process.console_size, joining.terminal, user.uid, user.gid, console=False)
    attributes.set_early(process, linux.personality)
    for number in signal.valid_signals():
        if signal.getsignal(number) == signal.SIG_IGN and number not in (signal.SIGPIPE, signal.SIGXFSZ):
            signal.signal(number, signal.SIG_DFL)
    kernel.free_signals()
    return root
