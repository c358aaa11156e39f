"""Top: the processes of a running container, as its own people know them: their pids, their users, their names.

Who belongs to it, its control groups say; what each is, the host's /proc (proc(5)). User names are from the
container's own /etc/passwd, which is read as hostile as it may be (`engine.runtime.identity`).
"""

from __future__ import annotations

import contextlib
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from engine.containers import events, states
from engine.containers.parts import Parts
from engine.errors import Conflict, NotFound
from engine.runtime import identity

COMMAND_LENGTH = 2048
REMEMBERED = 200
SAME_SECONDS = 1.0
"""A process that began at another time than was told is another one; its time is counted from a clock that moves."""
UNMAPPED = 65534
"""What the kernel shows for an id that has no number inside (/proc/sys/kernel/overflowuid)."""
LEAST_SECONDS, MOST_SECONDS = 0.9, 60.0
"""Between which two looks the share of the processor is counted; before a second one it is since the start."""
_STATES = {
    "R": "running",
    "S": "sleeping",
    "D": "waiting for the disk",
    "T": "stopped",
    "t": "traced",
    "Z": "zombie",
    "I": "idle",
}
_TICK = os.sysconf("SC_CLK_TCK")
_PAGE = os.sysconf("SC_PAGE_SIZE")


@dataclass(frozen=True, slots=True, kw_only=True)
class Process:
    """`pid` and `parent` as the container numbers them (parent 0: none in it), `host_pid` and `host_parent` as its
    host does.

    `user` is a name or the number inside; `cpu_percent` of one processor, since the last look; `virtual_bytes`: its
    address space; times are Unix seconds; `command` is at most `COMMAND_LENGTH` characters, all of them printable.
    """

    pid: int
    host_pid: int
    parent: int
    host_parent: int
    user: str
    cpu_percent: float
    cpu_seconds: float
    memory_bytes: int
    virtual_bytes: int
    threads: int
    state: str
    started_at: float
    command: str


@dataclass(frozen=True, slots=True)
class _Look:
    at: float
    ticks: dict[tuple[int, int], int]  # (pid, when it started) → processor time


class Processes:
    """Remembers the last look at each container, to tell what was used since. Safe for threads."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._looks: dict[str, _Look] = {}
        self._lock = threading.Lock()

    def top(self, container_id: str) -> dict[str, Any]:
        """{"at", "processes": [`Process` as JSON, …]}. Raises `Conflict` for a container that doesn't run."""
        record = self._parts.catalog.get(container_id)
        states.require("top", record.status, record.name)
        assert record.pid is not None
        users, inside = _users(record.pid), _mapping(record.pid)
        if not self._parts.runtime.is_alive(self._parts.catalog.directory(container_id)):
            raise Conflict(f"container {record.name} has just ended; start it first")
        now = time.time()
        booted = now - time.clock_gettime(time.CLOCK_BOOTTIME)
        found = [raw for pid in self._parts.cgroups.processes(container_id) if (raw := _read(pid)) is not None]
        base = self._base(container_id, found)
        pids = {raw.host_pid: raw.pid for raw in found}
        processes = [
            Process(
                pid=raw.pid,
                host_pid=raw.host_pid,
                parent=pids.get(raw.parent, 0),
                host_parent=raw.parent,
                user=users.get(inside(raw.uid), str(inside(raw.uid))),
                cpu_percent=round(_share(raw, base, now - booted), 1),
                cpu_seconds=raw.ticks / _TICK,
                memory_bytes=raw.memory_bytes,
                virtual_bytes=raw.virtual_bytes,
                threads=raw.threads,
                state=_STATES.get(raw.state, raw.state),
                started_at=booted + raw.started / _TICK,
                command=raw.command,
            )
            for raw in found
        ]
        return {"at": now, "processes": [asdict(process) for process in sorted(processes, key=lambda one: one.pid)]}

    def signal(self, container_id: str, host_pid: int, started_at: float, number: int) -> None:
        """Send a signal to one process, named as `top` tells it. NotFound for one that has ended (or never was its).

        The descriptor comes first: what is found to be the process afterwards can't be another one when it is told.
        """
        record = self._parts.catalog.get(container_id)
        states.require("top", record.status, record.name)
        gone = NotFound(f"container {record.name} has no process {host_pid} (any more): look at its processes again")
        try:
            descriptor = os.pidfd_open(host_pid)
        except (OSError, OverflowError):  # it has ended, or no process could ever be called so
            raise gone from None
        try:
            raw = _read(host_pid)
            booted = time.time() - time.clock_gettime(time.CLOCK_BOOTTIME)
            if raw is None or abs(booted + raw.started / _TICK - started_at) > SAME_SECONDS:
                raise gone
            if host_pid not in self._parts.cgroups.processes(container_id):
                raise gone
            signal.pidfd_send_signal(descriptor, number)
        except ProcessLookupError:
            raise gone from None
        finally:
            os.close(descriptor)
        events.news(self._parts.journal, "kill", record, signal=number, pid=raw.pid)

    def _base(self, container_id: str, found: Sequence[_Raw]) -> _Look | None:
        """The look to count from; this one is remembered in its stead once it is old enough."""
        at = time.monotonic()
        with self._lock:
            last = self._looks.get(container_id)
            if last is not None and at - last.at > MOST_SECONDS:
                last = None
            if last is None or at - last.at >= LEAST_SECONDS:
                self._looks.pop(container_id, None)
                self._looks[container_id] = _Look(at, {(raw.host_pid, raw.started): raw.ticks for raw in found})
                while len(self._looks) > REMEMBERED:
                    self._looks.pop(next(iter(self._looks)))
        return last


@dataclass(frozen=True, slots=True)
class _Raw:
    host_pid: int
    pid: int
    parent: int
    uid: int
    state: str
    ticks: int
    started: int  # ticks since boot
    threads: int
    memory_bytes: int
    virtual_bytes: int
    command: str


def _read(pid: int) -> _Raw | None:
    """None if it has ended."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            before, _, after = file.read().rpartition(b")")
        with open(f"/proc/{pid}/status", "rb") as file:
            status = dict(line.split(b":", 1) for line in file.read().splitlines() if b":" in line)
        with open(f"/proc/{pid}/cmdline", "rb") as file:
            words = file.read(4 * COMMAND_LENGTH)
    except OSError:
        return None
    fields = after.split()
    name = before.partition(b"(")[2]
    return _Raw(
        host_pid=pid,
        pid=int(status[b"NSpid"].split()[-1]),
        parent=int(fields[1]),
        uid=int(status[b"Uid"].split()[1]),
        state=fields[0].decode(),
        ticks=int(fields[11]) + int(fields[12]),
        started=int(fields[19]),
        threads=int(fields[17]),
        memory_bytes=int(fields[21]) * _PAGE,
        virtual_bytes=int(fields[20]),
        command=printable(b" ".join(words.rstrip(b"\0").split(b"\0")) if words.rstrip(b"\0") else b"[" + name + b"]"),
    )


def printable(raw: bytes) -> str:
    """Text without anything that moves a cursor, turns the direction of writing or is no character: \\x1b, \\u202e."""
    text = raw.decode(errors="backslashreplace")
    shown = "".join(one if one.isprintable() else one.encode("unicode_escape").decode() for one in text)
    return shown if len(shown) <= COMMAND_LENGTH else shown[: COMMAND_LENGTH - 1] + "…"


def _share(raw: _Raw, base: _Look | None, since_boot: float) -> float:
    """Percent of one processor since the last look, or since its start if it began (or was looked at first) after."""
    known = None if base is None else base.ticks.get((raw.host_pid, raw.started))
    if base is None or known is None:
        lived = since_boot - raw.started / _TICK
        return 100 * raw.ticks / _TICK / lived if lived > 0.05 else 0.0
    return 100 * (raw.ticks - known) / _TICK / max(time.monotonic() - base.at, 0.05)


def _users(pid: int) -> dict[int, str]:
    """uid → name in the container whose first process this is; nothing if its files can't be read."""
    with contextlib.suppress(OSError), _root(pid) as root:
        return identity.user_names(root)
    return {}


@contextlib.contextmanager
def _root(pid: int) -> Iterator[int]:
    descriptor = os.open(f"/proc/{pid}/root", os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def _mapping(pid: int) -> Callable[[int], int]:
    """From the host's user ids to those in a process's user namespace: user_namespaces(7), /proc/pid/uid_map."""
    ranges: list[list[int]] = []
    with contextlib.suppress(OSError), open(f"/proc/{pid}/uid_map") as file:
        ranges = [[int(field) for field in line.split()] for line in file]

    def inside(uid: int) -> int:
        for first, outside, count in ranges:
            if outside <= uid < outside + count:
                return first + uid - outside
        return UNMAPPED

    return inside
