"""exec where somebody in the container may trace: CAP_SYS_PTRACE, and no user namespace of the container's own.

Such a process can take over whatever it sees (ptrace(2); CVE-2016-9962), and what it sees is what is born in its
namespace of processes. So the helper, who is outside of that one, does all that takes rights, and gives birth when
it has the container's alone:

    caller ──fork──► helper: setns, groups, terminal, limits, identity, capabilities ──clone(PARENT)──► new process:
                                                                                       session, filter, exec

What it can see of the process is a copy of the caller's memory, so the caller has been started without its environment.
"""

from __future__ import annotations

import os

from engine.bare import signal
from engine.runtime import kernel, wire
from engine.runtime.oci import attributes, becoming
from engine.runtime.oci.preserved import FIRST
from engine.runtime.wire import Failure

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import NoReturn

    from engine.oci.runtime_process import Process
    from engine.oci.runtime_spec import Spec
    from engine.runtime.oci.joining import Joining

TRACES = "CAP_SYS_PTRACE"
MARK = "exec-may-trace"
"""In a container's directory: a process that may trace was added to it, and may be there still."""


def is_watched(directory: str, spec: Spec) -> bool:
    """Whether some process of the container may trace one that comes from outside, as far as the bundle tells."""
    kinds = {namespace.type for namespace in spec.linux.namespaces}
    if "user" in kinds or "pid" not in kinds:
        return False  # no right in there counts out here; or all of the host's processes are there to be traced
    return _may_trace(spec.process) or os.path.exists(f"{directory}/{MARK}")


def guard_of(directory: str, spec: Spec, process: Process, different: int) -> Guard | None:
    """One if it is needed. `different`: the namespaces (CLONE_NEW*) that the container and the caller don't share."""
    if different & kernel.CLONE_NEWUSER or not different & kernel.CLONE_NEWPID:
        return None
    if _may_trace(process):
        os.close(os.open(f"{directory}/{MARK}", os.O_CREAT | os.O_WRONLY | os.O_CLOEXEC, 0o600))
    return Guard(process) if is_watched(directory, spec) else None


def _may_trace(process: Process | None) -> bool:
    sets = process.capabilities if process is not None else None
    return sets is not None and any(TRACES in names for names in (sets.bounding, sets.permitted, sets.inheritable))


class Guard:
    """Of one exec: `prepare` in the helper before it joins anything, `bear` when it has."""

    def __init__(self, process: Process) -> None:
        self._process = process
        self._own = -1

    def prepare(self) -> None:
        """What takes the host's /proc: in the container's the helper is no process."""
        scheduler = self._process.scheduler
        if scheduler is not None and (
            scheduler.policy == "SCHED_DEADLINE" or "SCHED_FLAG_RESET_ON_FORK" in scheduler.flags
        ):
            why = f"a process that may be traced ({TRACES}, no user namespace) inherits its scheduling, and can't this"
            raise Failure("unsupported", f"process.scheduler: {why}")
        attributes.set_labels(self._process)
        self._own = os.open("/proc/self/fd", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)

    def bear(self, joining: Joining, furnish: Callable[[Joining], int], answer: int) -> int:
        """The new process' pid; 0 if there is none, and the channel has been told why.

        `answer`: a descriptor to leave open, beside the channel and the preserved ones; all others may be the host's.
        """
        try:
            joining.callers_end.close()
            root = furnish(joining)
            flags = attributes.filter_flags(joining.spec.linux.seccomp)
            ready = becoming.give_up(self._process, root, joining.filter, flags, joining.preserved, own=self._own)
            preserved = range(FIRST, FIRST + joining.preserved.count)
            kernel.close_all_but([joining.channel.fileno(), answer, *preserved])
            pid = kernel.clone_sibling()  # with the identity, limits, labels and descriptors that it keeps
        except Exception as error:  # noqa: BLE001 - whatever it is, the caller must be told
            wire.send(joining.channel, wire.failure_of(error, "starting the process").as_message())
            return 0
        if pid == 0:
            self._become(joining, ready)
        return pid

    def _become(self, joining: Joining, ready: becoming.Ready) -> NoReturn:
        try:
            os.setsid()
            if joining.terminal is not None:
                from engine.runtime.oci import console  # the caller has it loaded

                console.control()
            signal.pthread_sigmask(signal.SIG_SETMASK, [])
            becoming.become_program(ready)
        except Exception as error:  # noqa: BLE001 - as above
            wire.send(joining.channel, wire.failure_of(error, "starting the process").as_message())
        finally:
            os._exit(255)
