"""Executes jobs: claims, carries out, reports progress, cancels, writes the end."""

from __future__ import annotations

import logging
import sqlite3
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from engine.errors import Cancelled, EngineError
from worker import commands
from worker.cancellations import Cancellations
from worker.context import Context
from worker.contract import commands as c
from worker.contract.events import JOB_PROGRESS, ErrorInfo, Progress, ProgressItem
from worker.contract.wire import to_wire
from worker.faults import error_info
from worker.ledger import Ledger
from worker.turns import CONTAINERS, Turn, Turns

logger = logging.getLogger(__name__)

MAX_ATTEMPTS = 3
PROGRESS_SECONDS = 0.25
FINISH_AGAIN_SECONDS = 1.0
KEPT_SECONDS = 600.0
"""How long a job that a dead worker left keeps its turn while the site does not send it again: it may be gone there."""
FREEING = frozenset(
    {
        "container.kill",
        "container.stop",
        "container.remove",
        "image.remove",
        "image.prune",
        "container.prune",
        "volume.remove",
        "volume.prune",
    }
)
"""What makes room may use what is kept for it on a full disk."""
GO_ON_WITHOUT_SECRETS = frozenset({"container.start", "container.restart"})
"""What the next worker does although the secrets are lost with this one. They are for signatures at registries, which
mostly are here already; and a stop that was asked for after a restart must not be done before it."""


Work = Callable[[Context], dict[str, Any]]
_Doing = Callable[[Mapping[str, Any], Context], dict[str, Any]]


@dataclass(frozen=True, slots=True)
class _Delivery:
    job_id: str
    command: Mapping[str, Any]
    fence: int = 0
    secrets: Mapping[str, Any] | None = None
    is_left_over: bool = False


@dataclass(slots=True)
class _Running:
    turn: Turn
    cancel: threading.Event = field(default_factory=threading.Event)
    cancelled_by_user: bool = False


class Executor:
    """`emit(kind, subject, attributes)` sends a transient event; `cancellations` are those that others have noted.

    `touch` is told of each container that a job was about, before its end is written.
    """

    def __init__(
        self,
        engine: Any,
        ledger: Ledger,
        emit: Callable[[str, str, Mapping[str, Any]], None],
        cancellations: Cancellations,
        touch: Callable[[str], None] = lambda _: None,
    ) -> None:
        self._engine = engine
        self._ledger = ledger
        self._emit = emit
        self._cancellations = cancellations
        self._touch = touch
        self._lock = threading.Lock()
        self._running: dict[str, _Running] = {}
        self._turns = Turns()
        self._stopping = False

    def expect(self, *, job_id: str, command: Mapping[str, Any], fence: int = 0) -> None:
        """Note the place of a delivery that `execute` will be called for; called in the order of the queue."""
        self._turns.book(_place(job_id, fence), command, job_id)

    def execute(
        self, *, job_id: str, command: Mapping[str, Any], fence: int = 0, secrets: Mapping[str, Any] | None = None
    ) -> None:
        """Do a delivered job if it is this delivery's turn. Never raises: a job's error is its end."""
        self._execute(_Delivery(job_id, command, fence, secrets), threading.Event(), _carry_out)

    def attend(self, *, job_id: str, command: c.Command, fence: int, cancel: threading.Event, work: Work) -> bool:
        """Do a job whose bytes come by a session, which calls this in a thread of its own, and can set `cancel`.

        Returns False where the job is not (or no longer) to be done. What `work` raises is the job's end, as above.
        """
        return self._execute(_Delivery(job_id, c.encode_command(command), fence), cancel, lambda _, ctx: work(ctx))

    def _execute(self, delivery: _Delivery, cancel: threading.Event, work: _Doing) -> bool:
        turn = self._turns.begin(_place(delivery.job_id, delivery.fence), delivery.command, delivery.job_id)
        try:
            if not delivery.is_left_over and self._turns.comes_too_early(turn):
                # No thread waits for what may need one. The site sends all again that has not begun, oldest first.
                logger.info("job %s is put off until the one before it is sent again", delivery.job_id)
                return False
            return self._claim_and_do(delivery, _Running(turn, cancel), work)
        finally:
            self._turns.end(turn)

    def _claim_and_do(self, delivery: _Delivery, running: _Running, work: _Doing) -> bool:
        """Whether this delivery was the one that does the job."""
        if self._stopping:
            return False  # the site sends it again when the next worker registers
        job_id, command, turn = delivery.job_id, delivery.command, running.turn
        kind = str(command.get("kind"))
        needs_secrets = bool(delivery.secrets) and kind not in GO_ON_WITHOUT_SECRETS
        kept = _turn_of(command) if needs_secrets else command
        claiming = partial(
            self._ledger.claim, job_id, delivery.fence, kind, kept, turn.number, needs_secrets=needs_secrets
        )
        claim = self._engine.with_room(claiming) if kind in FREEING else claiming()
        if not claim.run:
            logger.info("job %s was delivered again, %s", job_id, claim.reason)
            return False
        with self._lock:
            self._running[job_id] = running
        try:
            outcome = self._outcome(delivery, claim.attempt, running, work)
        finally:
            with self._lock:
                del self._running[job_id]
        if outcome is None:
            logger.info("job %s is interrupted by the worker's end and goes on with the next one", job_id)
            return True
        for container_id in turn.container_ids:
            self._touch(container_id)
        self._finish(job_id, outcome)
        return True

    def resume(self) -> list[threading.Thread]:
        """Go on with what dead workers have left, before anything that was asked for later. Returns at once.

        Secrets are not in the ledger: a job that came with some waits for the site to send it again, which it does
        once this worker has registered, and what was asked of its container later waits for that.
        """
        threads: list[threading.Thread] = []
        for left in self._ledger.left_over():
            if left.needs_secrets:
                self._turns.keep(left.job_id, left.command)
                threading.Thread(target=self._forget_later, args=(left.job_id,), name="keep", daemon=True).start()
                continue
            self.expect(job_id=left.job_id, command=left.command, fence=left.fence)
            delivery = _Delivery(left.job_id, left.command, left.fence, is_left_over=True)
            work = (delivery, threading.Event(), _carry_out)
            threads.append(threading.Thread(target=self._execute, args=work, name="resume", daemon=True))
        for thread in threads:
            thread.start()
        return threads

    def _forget_later(self, job_id: str) -> None:
        time.sleep(KEPT_SECONDS)
        if self._turns.give_up(job_id):
            logger.warning("job %s was not sent again, and nothing waits for it any more", job_id)

    def cancel(self, job_id: str) -> None:
        """Ask a running job to stop; one that comes later does not begin."""
        self._cancellations.note(job_id)
        with self._lock:
            running = self._running.get(job_id)
        if running is not None:
            running.cancelled_by_user = True
            running.cancel.set()

    def interrupt(self) -> None:
        """The worker stops: let running jobs break off without an end, so that the next worker takes them up."""
        with self._lock:
            self._stopping = True
            for running in self._running.values():
                running.cancel.set()

    def running(self) -> list[str]:
        with self._lock:
            return list(self._running)

    def _finish(self, job_id: str, outcome: Mapping[str, Any]) -> None:
        """Write the end, however long the store can't take it (a full disk): a job without an end hangs for ever."""
        while True:
            try:
                self._ledger.finish(job_id, outcome)
            except (sqlite3.Error, EngineError):
                logger.exception("the end of job %s can't be written and is tried again", job_id)
                if self._stopping:
                    return  # the next worker does the job again
                time.sleep(FINISH_AGAIN_SECONDS)
            else:
                return

    def _outcome(self, delivery: _Delivery, attempt: int, running: _Running, work: _Doing) -> dict[str, Any] | None:
        job_id = delivery.job_id
        if attempt > MAX_ATTEMPTS:
            message = f"The worker died {MAX_ATTEMPTS} times while it did this, so it is not tried again: see what the "
            message += "worker says on the host, and ask once more."
            result = self._given_up(delivery, "failed", message)
            return _failed(ErrorInfo(family="internal", message=message), result)
        if job_id in self._cancellations:
            result = self._given_up(delivery, "cancelled", "it was cancelled") if attempt > 1 else {}
            return {"status": "cancelled", "result": result, "error": None}
        progress = _ProgressReporter(job_id, self._emit)
        context = Context(
            self._engine,
            progress,
            running.cancel,
            delivery.secrets,
            attempt,
            job_id,
            is_handed_on=lambda: self._stopping and not running.cancelled_by_user,
        )
        try:
            self._await_turn(running)
            result = work(delivery.command, context)
        except Cancelled as error:
            if context.is_handed_on():
                return None
            if running.cancelled_by_user:
                return {"status": "cancelled", "result": context.known, "error": None}
            return _failed(error_info(error), context.known)
        except Exception as error:  # noqa: BLE001  whatever it was, the job must end
            return _failed(error_info(error), context.known)
        finally:
            progress.close()
        return {"status": "succeeded", "result": result, "error": None}

    def _await_turn(self, running: _Running) -> None:
        self._turns.wait(running.turn, running.cancel)
        if self._stopping:  # what it has waited for may go on with the next worker, and this must come after it
            raise Cancelled("The worker stops.")

    def _given_up(self, delivery: _Delivery, status: str, why: str) -> dict[str, Any]:
        try:
            return commands.give_up(delivery.command, self._engine, status, why)
        except (EngineError, OSError, ValueError):  # the job ends all the same
            logger.exception("what is known of job %s can't be told", delivery.job_id)
            return {}


def _carry_out(encoded: Mapping[str, Any], context: Context) -> dict[str, Any]:
    return commands.run(c.decode_command(encoded), context)


def _turn_of(command: Mapping[str, Any]) -> dict[str, Any] | None:
    """What of a command says in which line it stands; None for one that stands in none."""
    if not command.get("container_id"):
        return None
    return {name: command[name] for name in ("kind", *CONTAINERS) if name in command}


def _place(job_id: str, fence: int) -> str:
    return f"{job_id}.{fence}"


def _failed(error: ErrorInfo, result: Mapping[str, Any] | None = None) -> dict[str, Any]:
    return {"status": "failed", "result": dict(result or {}), "error": to_wire(error)}


class _ProgressReporter:
    """The engine's progress callback: passes on at most four states a second, but always the last, even when nothing
    more comes: who waits for a registry that has gone silent sees how far it got.
    """

    def __init__(self, job_id: str, emit: Callable[[str, str, Mapping[str, Any]], None]) -> None:
        self._job_id = job_id
        self._emit = emit
        self._lock = threading.Lock()
        self._phase: str | None = None
        self._sent_at = 0.0
        self._pending: Progress | None = None
        self._timer: threading.Timer | None = None

    def __call__(self, phase: str, layers: Sequence[Any]) -> None:
        items = tuple(
            ProgressItem(id=layer.id, status=layer.status, done_bytes=layer.done_bytes, total_bytes=layer.total_bytes)
            for layer in layers
        )
        with self._lock:
            self._pending = Progress(phase=phase, items=items)
            left = self._sent_at + PROGRESS_SECONDS - time.monotonic()
            if phase != self._phase or left <= 0:
                self._phase = phase
                self._send()
            elif self._timer is None:
                self._timer = threading.Timer(left, self._send_late)
                self._timer.daemon = True
                self._timer.start()

    def close(self) -> None:
        """Pass on the last state; nothing comes after it."""
        with self._lock:
            if self._timer is not None:
                self._timer.cancel()
            self._send()

    def _send_late(self) -> None:
        with self._lock:
            self._timer = None
            self._send()

    def _send(self) -> None:
        if self._pending is not None:
            self._emit(JOB_PROGRESS, self._job_id, to_wire(self._pending))
            self._pending, self._sent_at = None, time.monotonic()
