"""Check: run a container's health check once, and write down what it says. For the keeper's hands.

    due? ─► drop what an earlier check left ─► exec ─► output and exit code, or SIGKILL when it takes too long
      ─► event, if the status changes ─► health.json

One check at a time: a lock on `health.lock` keeps the hands of a keeper that has just died apart from the next
one's. The exec has always the same id, so that whatever died in between, the next check finds what it left. A
check that is cut short (the container ends, is paused or removed) says nothing.
"""

from __future__ import annotations

import contextlib
import fcntl
import logging
import os
import select
import signal
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

from engine.containers import events, health, states, stopping
from engine.containers.catalog import Busy
from engine.containers.health import Health, Result
from engine.containers.parts import Parts
from engine.containers.record import ContainerRecord
from engine.errors import Conflict, EngineError, InvalidArgument, NotFound, ResourceExhausted, Unavailable, Unsupported
from engine.oci import signals
from engine.options.healthcheck import Healthcheck
from engine.runtime.execs import ExecSpec, Stdio

log = logging.getLogger(__name__)

TIMED_OUT = -1
CANT_RUN = 126
LOOK_SECONDS = 0.1
"""How often it is looked whether a check has ended that left its output open to others."""
AGAIN_SECONDS = 0.2
KILL_SECONDS = 10.0


@dataclass(frozen=True, slots=True)
class Turn:
    """What follows a check: the next one in `again_seconds` (None: none), or first a restart of what is unhealthy."""

    again_seconds: float | None = None
    heals: bool = False


def check(parts: Parts, container_id: str, run: int) -> Turn:
    """Check `run` of a container if it is due. Raises `NotFound` when it is gone, `Busy` while another checks it."""
    with _alone(parts.catalog.directory(container_id)):
        record = parts.catalog.get(container_id)
        found = record.check
        if found is None or record.health is None or record.run != run or record.status not in states.ALIVE:
            return Turn()
        wait = record.health.due_in(found, record.started_at or 0.0, time.time())
        if record.status == states.PAUSED:
            return Turn(found.interval_seconds)
        if wait > 0:
            return Turn(wait)
        result = _probe(parts, record, found)
        return Turn(AGAIN_SECONDS) if result is None else _note(parts, container_id, run, result)


def restart_unhealthy(parts: Parts, container_id: str, run: int) -> None:
    """End an unhealthy run as a stop would; the reaper sees by the record that a restart shall follow."""
    directory = parts.catalog.directory(container_id)
    with parts.catalog.locked(container_id):
        record = parts.catalog.get(container_id)
        if not _is_to_be_healed(record, run):
            return
        record = record.with_changes(unhealthy=run)
        parts.catalog.save(record)
        _signal(parts, record, signals.parse(record.stop_signal))
    grace = record.spec.stop_timeout
    if parts.runtime.wait(directory, run, stopping.GRACE_SECONDS if grace is None or grace < 0 else grace) is not None:
        return
    with parts.catalog.locked(container_id):
        record = parts.catalog.get(container_id)
        if _is_to_be_healed(record, run):
            _signal(parts, record, signal.SIGKILL)
    parts.runtime.wait(directory, run, KILL_SECONDS)


def _is_to_be_healed(record: ContainerRecord, run: int) -> bool:
    return (
        record.spec.restart_unhealthy
        and record.run == run
        and record.status == states.RUNNING
        and record.desired == states.RUNNING
        and record.health is not None
        and record.health.status == health.UNHEALTHY
    )


def _signal(parts: Parts, record: ContainerRecord, number: int) -> None:
    with contextlib.suppress(NotFound):  # it has just ended by itself
        parts.runtime.signal(parts.catalog.directory(record.id), number)
        events.append(parts.journal, events.KILLED, record, signal=int(number))


@contextlib.contextmanager
def _alone(directory: Path) -> Iterator[None]:
    try:
        descriptor = os.open(directory / "health.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except FileNotFoundError:
        raise NotFound(f"no container {directory.name[:12]} on this host", {"id": directory.name}) from None
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise Busy(f"container {directory.name[:12]} is just being checked") from None
        yield
    finally:
        os.close(descriptor)


def _note(parts: Parts, container_id: str, run: int, result: Result) -> Turn:
    """Write down a result, unless the container's fate has changed meanwhile."""
    directory = parts.catalog.directory(container_id)
    with parts.catalog.locked(container_id):
        record = parts.catalog.get(container_id)
        found, before, started_at = record.check, record.health, record.started_at or 0.0
        if found is None or before is None or record.run != run or record.status not in states.ALIVE:
            return Turn()
        if record.status == states.PAUSED or not parts.runtime.is_alive(directory):
            return Turn(AGAIN_SECONDS)
        _tell(parts, record, before)  # what a death cut short
        after = before.after(result, found, started_at)
        health.save(directory, after)
        _tell(parts, record, after)
        if _is_to_be_healed(record.with_changes(health=after), run):
            return Turn(0.0, heals=True)
    return Turn(max(0.0, after.due_in(found, started_at, time.time())))


def _tell(parts: Parts, record: ContainerRecord, known: Health) -> None:
    """Tell of the last check, and of the status if it has changed: once (`events`)."""
    if not known.checks or known.run != record.run:
        return
    result = asdict(known.log[-1])
    told = [(events.CHECKED, record.id, {"run": known.run, "failing_streak": known.failing_streak, **result})]
    if known.has_turned:
        told.append((events.HEALTH, record.id, record.with_changes(health=known).as_state()))
    events.once(parts, record.id, health.TOLD, known.checks, told)


def _probe(parts: Parts, record: ContainerRecord, found: Healthcheck) -> Result | None:
    """Run the check; None when it was cut short by something that is not the container's fault."""
    directory, name = parts.catalog.directory(record.id), health.exec_id(record.id)
    if not parts.runtime.exec_drop(directory, name):
        return None  # what an earlier one left still ends
    reader, writer = os.pipe2(os.O_CLOEXEC)
    start = time.time()
    try:
        try:
            spec = ExecSpec(args=found.args, id=name)
            parts.runtime.exec(directory, spec, Stdio(stdout=writer, stderr=writer))
        finally:
            os.close(writer)
        ended = _attend(parts, record.id, reader, time.monotonic() + found.timeout_seconds)
    except (NotFound, Conflict, Unavailable):  # the container has ended, or a helper of ours was killed
        return None
    except (InvalidArgument, Unsupported, ResourceExhausted) as error:
        code = error.detail.get("exit_code")
        return _result(start, code if isinstance(code, int) else CANT_RUN, error.message.encode())
    finally:
        os.close(reader)
    with contextlib.suppress(EngineError):
        if not _is_paused(parts, record.id):
            parts.runtime.exec_drop(directory, name)
    if ended is None:
        return None
    code, output = ended
    if code == TIMED_OUT:
        output = f"Health check exceeded timeout ({found.timeout_seconds:g}s): ".encode() + output
    return _result(start, code, output)


def _result(start: float, code: int, output: bytes) -> Result:
    text = output[: health.OUTPUT_BYTES].decode(errors="replace").replace("\0", "\ufffd")  # databases take no NUL
    return Result(start=start, end=time.time(), exit_code=code, output=text)


def _attend(parts: Parts, container_id: str, reader: int, deadline: float) -> tuple[int, bytes] | None:
    """Read until it ends: exit code and output. `TIMED_OUT` when it is still there at the deadline.

    None when the container is paused then. The end of the output is mostly the end of the check; what it has left
    in the background may hold it open for ever.
    """
    directory, name = parts.catalog.directory(container_id), health.exec_id(container_id)
    poll, output, is_open = select.poll(), b"", True
    poll.register(reader, select.POLLIN)
    os.set_blocking(reader, False)
    while True:
        status = parts.runtime.exec_status(directory, name)
        left = deadline - time.monotonic()
        if status is None and left > 0 and is_open:
            poll.poll(min(left, LOOK_SECONDS) * 1000)
        is_open, more = _read(reader) if is_open else (False, b"")
        output = (output + more)[: health.OUTPUT_BYTES]
        if status is not None:
            return status.code, output
        if left <= 0:
            return None if _is_paused(parts, container_id) else (TIMED_OUT, output)
        if not is_open:
            parts.runtime.exec_wait(directory, name, min(left, LOOK_SECONDS))


def _read(reader: int) -> tuple[bool, bytes]:
    """What waits in the pipe, and whether more can come."""
    output = b""
    while True:
        try:
            more = os.read(reader, 65536)
        except BlockingIOError:
            return True, output
        if not more:
            return False, output
        output = (output + more)[: health.OUTPUT_BYTES]


def _is_paused(parts: Parts, container_id: str) -> bool:
    return parts.catalog.get(container_id).status == states.PAUSED
