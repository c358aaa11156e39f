"""One create, in the process that will be the new container's parent.

    client              launcher            M (becomes the monitor)        I (becomes the container's process)
      │ create ───────────►│                         │                              │
      │                    │ fork ──────────────────►│ by C: namespaces, clone3 ───►│
      │                    │                         ├─ request, groups, binds ────►│ proc
      │                    │                         │ overlay                      │ cgroups
      │                    │                         ├─ root, and init.sock, pipes ►│
      │                    │                         │ limits, run.json             │ mounts,
      │◄──── {"pid": …} ───┼─────────────────────────┤                              │ root, masks …
      │   (attaches the    │                         │ waits                        │
      │    network now)    │                         ⋮                              │
      │ start ─────────────┼─────────────────────────┼─────────────────────────────►│ (accept on init.sock)
      │◄─── {"error": …} or {"executing": …} and then the end of the stream ────────┤ exec
                                                     │ exec monitor

C, which bears I, is in midwife.py. A connection that ends without a word means that its process died. The launcher
is never waited for: it forks and turns to the next request, and M answers on the connection that it inherited.

M opens all that belongs to the host (handover.py), and shows it to the container with the container's users as owners.
"""

from __future__ import annotations

import fcntl
import os
import resource

from engine.bare import contextlib, signal, socket
from engine.runtime import handover, kernel, monitor, privileges, record, wire
from engine.runtime.exec_birth import LINGER_MILLISECONDS
from engine.runtime.exec_fork import is_over
from engine.runtime.foreign import birth as foreign
from engine.runtime.ids import COUNT
from engine.runtime.midwife import Midwife
from engine.runtime.shared import Namespaces

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import NoReturn

PATIENCE_SECONDS = 0.1
"""How long M, once it has answered, leaves the processors and the kernel's locks to those who start the container."""


class Order:
    """A create as it reaches M. `data`: the request as it came; `connection`: where the answer is awaited.

    `first`: the first of the host's ids that are the container's, None if it shares the host's; `claim`: the
    descriptor that keeps them from being given out again until they are seen to be lived in (ids.py); `handed`: what
    came with the request, to be held until the create is over (foreign/under_way.py).
    """

    def __init__(
        self, data: bytes, connection: socket.socket, first: int | None, claim: int, handed: list[int]
    ) -> None:
        self.request = wire.decode(data)
        self.data, self.connection, self.first, self.claim = data, connection, first, claim
        self.handed = handed


def create_cold(data: bytes, connection: socket.socket, first: int | None, claim: int, handed: list[int]) -> NoReturn:
    """In a process that was forked for this request alone; the arguments are those of `Order`."""
    try:
        connection, claim, handed = keep_only(connection, claim, handed)
        os.setsid()
        order = Order(data, connection, first, claim, handed)
    except BaseException:  # noqa: BLE001 - a fork must never return into the launcher's loop
        os._exit(1)
    create(order, None)


def create(order: Order, midwife: Midwife | None) -> NoReturn:
    """In M: make the container's process, answer, and become its monitor. `midwife`: what the pool made ahead."""
    status = 1
    try:
        _become_monitor(order, midwife)
        status = 0
    except BaseException as error:  # noqa: BLE001 - a fork must never return into the launcher's loop
        failure = wire.failure_of(error if isinstance(error, Exception) else RuntimeError(), "creating the container")
        with contextlib.suppress(OSError):
            wire.send(order.connection, failure.as_message())
    os._exit(status)


def keep_only(connection: socket.socket, claim: int, handed: list[int]) -> tuple[socket.socket, int, list[int]]:
    """Close every descriptor of the launcher but the standard ones and these."""
    usual_settings()
    handed = [fcntl.fcntl(descriptor, fcntl.F_DUPFD_CLOEXEC, 5 + len(handed)) for descriptor in handed]
    claim = fcntl.fcntl(claim, fcntl.F_DUPFD_CLOEXEC, 5)
    os.dup2(connection.detach(), 3, inheritable=False)
    os.dup2(claim, 4, inheritable=False)
    for number, descriptor in enumerate(handed, 5):
        os.dup2(descriptor, number, inheritable=False)
    kernel.close_range(5 + len(handed))
    kept = socket.socket(fileno=3)
    kept.setblocking(True)
    return kept, 4, list(range(5, 5 + len(handed)))


_usual_descriptors: list[tuple[int, int]] = []


def take_descriptors() -> None:
    """Let the launcher, which holds the pipes of every container, have as many descriptors as there may be."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    _usual_descriptors.append((soft, hard))
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def usual_settings() -> None:
    """Undo what the launcher has set for itself."""
    for limits in _usual_descriptors:
        resource.setrlimit(resource.RLIMIT_NOFILE, limits)
    signal.set_wakeup_fd(-1)
    for number in (signal.SIGCHLD, signal.SIGTERM, signal.SIGINT):
        signal.signal(number, signal.SIG_DFL)


def _become_monitor(order: Order, midwife: Midwife | None) -> None:
    request, first = order.request, order.first
    if request.get("foreign"):
        foreign.create(order)
        return
    directory = os.open(request["directory"], os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    spec = request["spec"]
    pooled = midwife is not None
    if midwife is None:
        linux = spec.get("linux") or {}
        places = Namespaces(request)
        midwife = Midwife(spec["mounts"], linux.get("sysctl") or {}, first, linux.get("devices"), places)
    group = None
    if request["unified"]:
        group = os.open(request["unified"], os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    midwife.bear(group)
    readers = [os.open(name, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=directory) for name in monitor.PIPES]
    stdin = monitor.open_input(directory) if request["stdin"] else 0
    has_terminal = bool(spec["process"].get("terminal"))
    pid = 0
    try:
        try:
            handover.hand_request(midwife, order.data, request)
            root = handover.hand_root(midwife, request)
            handover.hand_ends(midwife, request, directory)
            record.reserve_exit(directory, request["run"])
        finally:
            pid = midwife.born(was_ready=pooled)
        privileges.set_limits(spec["process"], pid)
        ids = None if first is None else {"first": first, "count": COUNT}
        record.write_run(directory, request["run"], pid, {"ids": ids, "terminal": has_terminal})
    except BaseException:
        if pid:
            os.kill(pid, signal.SIGKILL)  # unrecorded, nobody could ever find it
            os.waitpid(pid, 0)
        raise
    os.close(order.claim)
    with contextlib.suppress(OSError):  # a client that died meanwhile finds the created container in run.json
        wire.send(order.connection, {"pid": pid, "pooled": pooled, "first": first})
    order.connection.close()
    terminal = midwife.take_terminal() if has_terminal else 0
    midwife.await_program(PATIENCE_SECONDS)
    ends_soon = _ends_soon(pid)
    midwife.leave(waits=not ends_soon)
    held = monitor.Held(pid, request["run"], directory, readers[0], readers[1], root, stdin, terminal)
    monitor.become(held, None if ends_soon else request["monitor"], request["name"])


def _ends_soon(pid: int) -> bool:
    """Some are over before the monitor has begun: M sees to their end as it is, and holds their output."""
    pidfd = os.pidfd_open(pid)
    has_ended = is_over(pidfd, LINGER_MILLISECONDS)
    os.close(pidfd)
    return has_ended
