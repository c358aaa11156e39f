"""Stop, kill, pause: what ends a container or holds it still.

No lock is held while a container takes its time to end, so a kill can overtake a stop.
"""

from __future__ import annotations

import contextlib
import signal
import time
from functools import partial

from engine.containers import events, reaping, states
from engine.containers.parts import Parts
from engine.containers.record import ContainerRecord
from engine.errors import NotFound, Unavailable
from engine.oci import signals
from engine.reserve import Reserve

GRACE_SECONDS = 10.0
KILL_SECONDS = 10.0
"""How long a process that was sent SIGKILL may hang in the kernel before we say so."""
LOOK_SECONDS = 5.0


def stop(
    parts: Parts,
    container_id: str,
    timeout_seconds: float | None = None,
    signal_name: str | None = None,
    ending: str = states.STOP,
) -> ContainerRecord:
    """Send the stop signal, wait, then SIGKILL; returns the record of the stopped container.

    `timeout_seconds` None is what the container was made with, or ten seconds; negative waits for ever; a container
    that doesn't run stays as it is. Of one that is removed as soon as it ends, the record is what was known before.
    `ending` is `states.LEAVE` where the caller removes it then.
    """
    with parts.catalog.locked(container_id):
        record = parts.catalog.get(container_id)
        own = GRACE_SECONDS if record.spec.stop_timeout is None else record.spec.stop_timeout
        grace = own if timeout_seconds is None else timeout_seconds
        number = signals.parse(signal_name or record.stop_signal)
        if record.status not in states.ALIVE:
            return _stay_down(parts, record)
        _signal(parts, record, number, ending=ending)
    try:
        directory = parts.catalog.directory(container_id)
        if parts.runtime.wait(directory, record.run, None if grace < 0 else grace) is None:
            return _kill_now(parts, container_id, record.run)
        return reaping.settle(parts, container_id, record.run)
    except NotFound:
        return _gone(record)


def kill(parts: Parts, container_id: str, signal_name: str = "SIGKILL") -> ContainerRecord:
    """Send a signal. SIGKILL and the stop signal mean the end: no restart follows, and SIGKILL is waited for.

    Of one that is removed as soon as it ends, the record is what was known before.
    """
    number = signals.parse(signal_name)
    with parts.catalog.locked(container_id):
        record = parts.catalog.get(container_id)
        states.require("kill", record.status, record.name)
        ends_it = number in (signal.SIGKILL, signals.parse(record.stop_signal))
        is_awaited = number == signal.SIGKILL
        _signal(parts, record, number, ending=(states.KILL if is_awaited else states.SIGNALLED) if ends_it else None)
    try:
        return _await_end(parts, container_id, record.run) if is_awaited else parts.catalog.get(container_id)
    except NotFound:
        return _gone(record)


def pause(parts: Parts, container_id: str) -> ContainerRecord:
    """Freeze every process of the container."""
    with parts.catalog.locked(container_id):
        record = parts.catalog.get(container_id)
        if record.status == states.PAUSED:
            return record
        states.require("pause", record.status, record.name)
        parts.cgroups.freeze(container_id)
        return _change(parts, record, events.PAUSED, states.PAUSED)


def unpause(parts: Parts, container_id: str) -> ContainerRecord:
    """Let it go on."""
    with parts.catalog.locked(container_id):
        record = parts.catalog.get(container_id)
        if record.status == states.RUNNING:
            return record
        states.require("unpause", record.status, record.name)
        parts.cgroups.thaw(container_id)
        return _change(parts, record, events.UNPAUSED, states.RUNNING)


def wait(parts: Parts, container_id: str, timeout_seconds: float | None = None) -> ContainerRecord | None:
    """Wait until the container neither runs nor waits for a restart; None when the time is over first.

    The keeper is what sees the end, so whoever waits sees to it that there is one.
    """
    looked = time.monotonic()
    deadline = None if timeout_seconds is None else looked + timeout_seconds
    with parts.journal.listen() as listener:
        while True:
            record = parts.catalog.get(container_id)
            if record.status not in (*states.ALIVE, states.RESTARTING):
                with contextlib.suppress(NotFound), parts.catalog.locked(container_id):
                    pass  # who wrote that has told of it, too
                return record
            now = time.monotonic()
            left = LOOK_SECONDS if deadline is None else deadline - now
            if left <= 0:
                return None
            if now - looked >= LOOK_SECONDS:
                looked = now
                reaping.wake_keeper(parts, container_id)
            listener.wait(min(left, LOOK_SECONDS))


def _signal(parts: Parts, record: ContainerRecord, number: int, *, ending: str | None) -> None:
    """Send a signal and tell of it; `ending` is the verb that wants the run to end by it."""
    if ending:  # first the wish, then the signal: whoever sees the death knows that it was asked for
        record = record.with_changes(desired=states.STOPPED, stopping=record.run, ending=ending)
        parts.catalog.save(record)
    directory = parts.catalog.directory(record.id)
    try:
        parts.runtime.signal(directory, number)
    except NotFound:
        return  # it ended by itself just now
    news = partial(events.append, parts.journal, events.KILLED, record, signal=int(number))
    Reserve(parts.config.home).with_room(news)  # and not all of this again: the signal has been sent
    if ending and record.status == states.PAUSED:
        parts.cgroups.thaw(record.id)  # a frozen process can't act on a signal


def _kill_now(parts: Parts, container_id: str, run: int) -> ContainerRecord:
    with parts.catalog.locked(container_id):
        record = parts.catalog.get(container_id)
        if record.run == run and record.status in states.ALIVE:
            _signal(parts, record, signal.SIGKILL, ending=record.ending or states.STOP)
    return _await_end(parts, container_id, run)


def _await_end(parts: Parts, container_id: str, run: int) -> ContainerRecord:
    directory = parts.catalog.directory(container_id)
    if parts.runtime.wait(directory, run, KILL_SECONDS) is None and parts.runtime.is_alive(directory):
        raise Unavailable(
            f"container {container_id[:12]} was sent SIGKILL but has not ended within {KILL_SECONDS:.0f} s; a process "
            "hangs in the kernel, often for a disk or a network file system that doesn't answer: try again later"
        )
    return reaping.settle(parts, container_id, run)


def _gone(record: ContainerRecord) -> ContainerRecord:
    """Another one who saw its end has removed it: what was asked for is done, and only how it ended is not known."""
    return record.with_changes(status=states.STOPPED, desired=states.STOPPED, pid=None, ports=())


def _stay_down(parts: Parts, record: ContainerRecord) -> ContainerRecord:
    """Stop what doesn't run: only a restart that is due must be called off."""
    if record.status != states.RESTARTING:
        if record.desired != states.STOPPED:
            record = record.with_changes(desired=states.STOPPED)
            parts.catalog.save(record)
        return record
    stopped = record.with_changes(status=states.STOPPED, desired=states.STOPPED, restart_at=None, awaits=False)
    stopped = events.change(parts, stopped, events.of(events.STOPPED))
    parts.catalog.unmark_live(record.id)
    return stopped


def _change(parts: Parts, record: ContainerRecord, kind: str, status: str) -> ContainerRecord:
    return events.change(parts, record.with_changes(status=status), events.of(kind))
