"""The lean process that forks containers, one per home, at `$HOME/run/launcher.sock`.

    python -S -s -E -c "…; main()" RUN CONTAINERS      (client.py starts it; it daemonises itself)

It imports little, has one thread and a frozen heap, so that a fork costs under a millisecond. It is a child
subreaper: monitors are its children, and if one is killed, the container's process becomes its child too, and
it writes the exit code in the monitor's place. It holds each container's pipes as well, for the same case. Killing
the launcher itself harms nobody; a new one looks after what runs (foster.py).

It runs from a read-only copy of the interpreter's mount (a detached one that no path reaches): whatever a
container finds behind /proc/self/exe (CVE-2019-5736) can't be opened for writing, by nobody.
"""

from __future__ import annotations

import fcntl
import gc
import json
import os
import select
import signal
import sys
import time

from engine.bare import contextlib, socket
from engine.runtime import birth, capabilities, foster, kernel, monitor, probe, record, wire
from engine.runtime.exec_workers import Workers
from engine.runtime.ids import Ranges
from engine.runtime.pool import Pool

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, NoReturn

    Held = tuple[tuple[int, ...], int]
    """What the launcher has of a container: its pipes, and its terminal or 0."""

SOCKET = "launcher.sock"
LOCK = "launcher.lock"
HOME_MILLISECONDS = 30_000
SHIELD = "PORTSIDE_LAUNCHER_SHIELDED"


class Launcher:
    """`run`: the open `$HOME/run`; `containers`: the directory that holds the containers' directories.

    `refusal`: why no container can have a user namespace of its own, None if they can.
    """

    def __init__(self, listener: socket.socket, run: int, containers: str, pool: Pool, *, refusal: str | None) -> None:
        self.listener, self.run, self.pool, self.ranges, self.refusal = listener, run, pool, pool.ranges, refusal
        self.lived_in: dict[int, int] = {}  # monitor pid → first of the user ids of its container
        self.fosters = {found.pidfd: found for found in foster.find(containers)}
        self.connections: dict[int, socket.socket] = {}
        self.monitors: dict[int, tuple[str, int]] = {}  # monitor pid → container directory, run
        self.orphans: dict[int, tuple[str, int, Held]] = {}  # process whose monitor died; what of it is held here
        self.strays: dict[int, int] = {}  # reaped before it was known whose it is → wait status
        self.draining: list[Held] = []
        self.pipes: dict[int, tuple[int, ...]] = {}  # monitor pid → what it holds as well; foster.open_pipes
        self.terminals: dict[int, int] = {}  # monitor pid → its container's terminal, held here as well
        self.awaited: set[int] = set()  # monitors that have not taken their terminal yet
        self.workers = Workers()
        self.stopping = False

    def serve(self) -> None:
        wake_read, wake_write = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        signal.set_wakeup_fd(wake_write, warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.signal(signal.SIGTERM, self._stop)
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        self.poll = select.poll()
        self.poll.register(self.listener, select.POLLIN)
        self.poll.register(wake_read, select.POLLIN)
        for pidfd in self.fosters:
            self.poll.register(pidfd, select.POLLIN)
        capabilities.last_capability()
        gc.collect()
        gc.freeze()
        gc.disable()
        while not self.stopping:
            for fd, _ in self.poll.poll(self._patience()):
                if fd == wake_read:
                    os.read(wake_read, 512)
                elif fd == self.listener.fileno():
                    self._accept()
                elif fd in self.fosters:
                    self._settle(fd)
                elif fd in self.connections:
                    self.poll.unregister(fd)
                    self._answer(self.connections.pop(fd))
                elif not (self.workers.settle(fd) or self.pool.settle(fd)):
                    self.poll.unregister(fd)
            self.reap()
            for fd in self.workers.rest():
                self.poll.unregister(fd)
            pooled = self.pool.fill()
            if pooled is not None:
                self.poll.register(pooled, select.POLLIN)
                self.pool.rehearse()
            for pid in list(self.awaited):
                self._hold_terminal(pid)
            self.draining = [held for held in self.draining if not _let_go(*held)]
            if not self.monitors and os.fstat(self.run).st_nlink == 0:
                return  # the home is gone: nobody can ever ask for anything again

    def _patience(self) -> float:
        """Milliseconds until there is something to do unasked."""
        pause = self.pool.pause_seconds()
        if pause is not None:
            return pause * 1000
        if self.awaited:
            return 10
        return 250 if self.draining else HOME_MILLISECONDS

    def _stop(self, *_: object) -> None:
        self.stopping = True

    def _accept(self) -> None:
        try:
            connection, _ = self.listener.accept()
        except OSError as error:
            _note(f"accept: {error!r}")
            time.sleep(0.05)  # out of descriptors: the waiting client would wake us at once again
            return
        connection.setblocking(False)
        self._answer(connection)  # most often the request is there already

    def _answer(self, connection: socket.socket) -> None:
        try:
            data, handed = wire.take(connection, 3)
        except BlockingIOError:
            self.connections[connection.fileno()] = connection
            self.poll.register(connection, select.POLLIN)
            return
        except OSError as error:
            data, handed = b"", []
            _note(f"request: {error!r}")
        try:
            if data:
                self._do(wire.head(data), data, connection, handed)
        except (OSError, ValueError, KeyError) as error:
            _note(f"request: {error!r}")
        finally:
            connection.close()
            for descriptor in handed:
                os.close(descriptor)

    def _do(self, request: dict[str, Any], data: bytes, connection: socket.socket, handed: list[int]) -> None:
        verb = request["verb"]
        if verb == "exec":
            self.pool.disturb()
            served = self.workers.hand_over(data, connection, handed)
            if served is not None:
                self.monitors[served[0]] = (request["directory"], request["run"])
                self.poll.register(served[1], select.POLLIN)
            return
        if verb == "create":
            self._create(request, data, connection, handed)
            return
        if verb == "settle":
            self.reap()
            ended = select.poll()
            for pidfd in self.fosters:
                ended.register(pidfd, select.POLLIN)
            for pidfd, _ in ended.poll(0):
                self._settle(pidfd)
        elif verb == "stop":
            self.stopping = True
        wire.send(connection, {"pid": os.getpid(), "pooled": self.pool.ready, "refusal": self.refusal})

    def _create(self, request: dict[str, Any], data: bytes, connection: socket.socket, handed: list[int]) -> None:
        self.pool.disturb()
        users = self.refusal is None and request.get("users", True)
        first: int | None = request.get("inhabits")  # another container's range, whose namespaces it shares
        taken = None if request.get("shares") else self.pool.hand_over(data, connection, handed, users=users)
        if taken is not None:
            pooled, channel = taken
            self.poll.unregister(channel)
            pid, first = pooled.pid, pooled.first
        else:
            if users:
                first = self.ranges.take()
            if users and first is None:
                wire.send(connection, _NO_IDS.as_message())
                return
            try:
                pid = os.fork()
            except OSError as error:  # no process or no memory left
                if users and first is not None:
                    self.ranges.give_back(first)
                wire.send(connection, wire.failure_of(error, "creating the container").as_message())
                return
            if pid == 0:
                birth.create_cold(data, connection, first, self.ranges.lock, handed)
        self.monitors[pid] = (request["directory"], request["run"])
        with contextlib.suppress(OSError):  # the monitor and the keeper do without
            self.pipes[pid] = foster.open_pipes(request["directory"])
        if request.get("terminal"):
            self.awaited.add(pid)
        if first is not None:
            self.lived_in[pid] = first

    def _hold_terminal(self, pid: int) -> None:
        with contextlib.suppress(OSError):
            master = foster.hold_terminal(*self.monitors[pid])
            if master is None:
                return
            if master:
                self.terminals[pid] = master
        self.awaited.discard(pid)

    def _settle(self, pidfd: int) -> None:
        child = self.fosters.pop(pidfd)
        self.poll.unregister(pidfd)
        self.draining.append((child.pipes, child.terminal))
        with contextlib.suppress(OSError):  # removed in the meantime
            child.settle()

    def reap(self) -> None:
        """Collect every dead child; take over the containers of monitors that died too early."""
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                break
            if pid == 0:
                break
            try:
                self._sort(pid, status)
            except (OSError, ValueError) as error:  # most often the container was removed in the meantime
                _note(f"reaping {pid}: {error!r}")
        if not self.monitors and not self.orphans:
            self.strays.clear()

    def _sort(self, pid: int, status: int) -> None:
        if pid in self.monitors:
            self._monitor_died(pid, *self.monitors.pop(pid))
        elif pid in self.orphans:
            self._orphan_died(*self.orphans.pop(pid), status)
        else:
            self.strays[pid] = status

    def _monitor_died(self, monitor_pid: int, directory: str, run: int) -> None:
        ended = record.read_exit(directory, run) is not None
        first = self.lived_in.pop(monitor_pid, None)
        if first is not None and first not in self.lived_in.values():  # who shares it may live on
            (self.ranges.give_back if ended else self.ranges.doubt)(first)
        self.awaited.discard(monitor_pid)
        pipes, terminal = self.pipes.pop(monitor_pid, ()), self.terminals.pop(monitor_pid, 0)
        found = record.read_run(directory)
        if found is None or found["run"] != run or ended:
            self.draining.append((pipes, terminal))  # most often they are empty
            return
        pid: int = found["pid"]
        pipes = pipes or foster.open_pipes(directory)
        if pid in self.strays:
            self._orphan_died(directory, run, (pipes, terminal), self.strays.pop(pid))
        else:
            self.orphans[pid] = (directory, run, (pipes, terminal))

    def _orphan_died(self, directory: str, run: int, held: Held, status: int) -> None:
        fd = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            record.write_exit(fd, run, status)
        finally:
            os.close(fd)
        self.draining.append(held)


_NO_IDS = wire.Failure(
    "resource_exhausted",
    "every range of user ids of this host is in use; remove containers, give `portside` more in /etc/subuid and "
    "/etc/subgid, or let the container do without a user namespace (userns: host)",
)


def _note(text: str) -> None:
    """One line in run/launcher.log (the logging module would double the launcher's size)."""
    sys.stderr.write(f"{text}\n")
    sys.stderr.flush()


def _let_go(pipes: tuple[int, ...], terminal: int) -> bool:
    """Close pipes and terminal of an ended container once they are empty, or nobody can read them any more."""
    if not all(map(monitor.is_drained, pipes)):
        return False
    if terminal and pipes and not monitor.is_read(terminal) and os.fstat(pipes[0]).st_nlink:
        return False
    for descriptor in (*pipes, *((terminal,) if terminal else ())):
        os.close(descriptor)
    return True


def shield() -> None:
    """Run this interpreter again from a detached read-only copy of its mount."""
    if os.environ.pop(SHIELD, None):
        return
    tree = kernel.open_tree(kernel.AT_FDCWD, os.path.realpath(sys.executable))
    kernel.mount_setattr(tree, kernel.MOUNT_ATTR_RDONLY | kernel.MOUNT_ATTR_NOSUID | kernel.MOUNT_ATTR_NODEV)
    os.execve(tree, sys.orig_argv, {**os.environ, SHIELD: "1"})  # noqa: S606 - ourselves


def main() -> NoReturn:
    """Arguments: `$HOME/run` and `$HOME/containers`. On standard input: `size`, `mounts`, `sysctls` of `Pool`.

    Returns to the starter (exit code 0) once requests are accepted, by this process or by an earlier one.
    """
    shield()
    wanted = json.loads(sys.stdin.buffer.read())
    null = os.open("/dev/null", os.O_RDONLY | os.O_CLOEXEC)
    os.dup2(null, 0)
    os.close(null)
    run = os.open(sys.argv[1], os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    birth.take_descriptors()
    lock = os.open(LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600, dir_fd=run)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        sys.exit(0)
    listener = wire.listen(run, SOCKET)
    listener.setblocking(False)
    if os.fork():
        os._exit(0)
    os.setsid()
    for number in signal.valid_signals():  # nohup's ignored SIGHUP would reach every container
        if signal.getsignal(number) == signal.SIG_IGN and number not in (signal.SIGPIPE, signal.SIGXFSZ):
            signal.signal(number, signal.SIG_DFL)
    os.chdir("/")
    os.umask(0o077)
    with contextlib.suppress(OSError), open("/proc/self/oom_score_adj", "w") as score:
        score.write("-500")  # needs CAP_SYS_RESOURCE; containers get their own value
    kernel.prctl("subreaper", kernel.PR_SET_CHILD_SUBREAPER, 1)
    kernel.prctl("dumpable", kernel.PR_SET_DUMPABLE, 0)
    os.truncate(lock, 0)
    os.write(lock, f"{os.getpid()}\n".encode())
    ranges = Ranges()
    refusal = probe.refusal(sys.argv[1], ranges, wanted["mounts"], wanted["sysctls"])
    pool = Pool(**wanted, ranges=ranges, users=refusal is None)
    Launcher(listener, run, sys.argv[2], pool, refusal=refusal).serve()
    os._exit(0)
