"""The keeper's loop: pipes, deaths, wake-ups, timers; nothing in it may block.

A container's way through it:

    run/live/<id> ─► adopt: open pipes, pidfd ─► pump … ─► pidfd readable: drain ─► hands "reap"
                        ▲                                                             │ stopped: forget
                        └──── new run.json ◄── hands "restart" ◄── timer ◄── restarting
"""

from __future__ import annotations

import heapq
import logging
import os
import select
import socket
import time
from collections.abc import Callable
from functools import partial

from engine.config import EngineConfig
from engine.containers import record as records
from engine.containers import states
from engine.errors import DataCorrupt, EngineError
from engine.keeper.checks import VERBS as CHECK_VERBS
from engine.keeper.checks import Checks
from engine.keeper.dispatch import Hands, Outcome
from engine.keeper.memory import OOM, MemoryAlarms
from engine.keeper.resolver import Resolver
from engine.keeper.watched import ENDED, RUNNING, Watched
from engine.keeper.worker_lock import worker_lives
from engine.logs.packer import Packer
from engine.unix_path import short

log = logging.getLogger(__name__)

RESCAN_SECONDS = 2.0
STOPPER_SECONDS = 0.5
"""Who stops a container reaps it; the keeper does it only when that one has died meanwhile."""
AGAIN_SECONDS = 2.0
BIRTH_SECONDS = 1.0
TOLD_SECONDS = 0.003
IDLE_SECONDS = 2.0


class Keeper:
    """Run with `serve`, which returns when there is nothing left to look after."""

    def __init__(self, config: EngineConfig, inbox: socket.socket) -> None:
        self._config = config
        self._live = config.run / "live"
        self._inbox = inbox
        self._poll = select.epoll()
        self._watched: dict[str, Watched] = {}
        self._packer = Packer()
        self._handlers: dict[int, Callable[[int], None]] = {}
        self._timers: list[tuple[float, int, Callable[[], None]]] = []
        self._timer_number = 0
        self._rescan_due = 0.0
        self._idle_since = time.monotonic()
        self._hands = Hands(config, self._outcome, self._register, self._unregister, self.after)
        self._checks = Checks(self._hands, self.after)
        self._memory = MemoryAlarms(config, self._hands, self._register, self._unregister, self.after)
        self._resolver = Resolver(config)
        self._register(inbox.fileno(), self._on_wake)

    def serve(self) -> None:
        self._rescan()
        while not self._is_done():
            for descriptor, flags in self._poll.poll(self._timeout()):
                handler = self._handlers.get(descriptor)
                if handler is not None:
                    handler(flags)
            self._run_timers()

    # ---- what is there

    def _on_wake(self, _: int) -> None:
        try:
            for _ in range(64):
                self._adopt(self._inbox.recv(128).decode("ascii", "replace"))
        except BlockingIOError:
            return

    def _rescan(self) -> None:
        self._rescan_due = time.monotonic() + RESCAN_SECONDS
        live = set(self._names())
        for container_id in live:
            self._adopt(container_id)
        for container_id, watched in list(self._watched.items()):
            if container_id not in live and watched.phase == ENDED:
                self._forget(watched)
            watched.give_back()
        self._hands.tidy()
        self._resolver.look()

    def _names(self) -> list[str]:
        try:
            return os.listdir(self._live)
        except FileNotFoundError:
            return []

    def _adopt(self, container_id: str) -> bool:
        """Take up a container, or its new run; False when there is none.

        One that is marked but has no process is left to the hands.
        """
        if not container_id or not (self._live / container_id).exists():
            return False
        watched = self._watched.get(container_id)
        is_new = watched is None
        if watched is None:
            watched = self._watched[container_id] = Watched(
                container_id, self._config.containers / container_id, self._packer
            )
        elif watched.phase == RUNNING:
            self._take_terminal(watched)
            self._checks.begin(watched)
            return True
        try:
            adopted = watched.adopt()
        except OSError as error:
            log.warning("container %s can't be taken up yet: %s", container_id[:12], error)
            watched.release()
            self._watched.pop(container_id)
            return False
        if adopted:
            self._watch(watched)
        elif is_new:
            self._hands.ask("reap", container_id, 0)  # marked, but it never ran: what does its record say?
        return adopted

    def _watch(self, watched: Watched) -> None:
        for descriptor in watched.pipes:
            self._register(descriptor, partial(self._on_pipe, watched, descriptor))
        if watched.pidfd is None:
            self._ended(watched)
        else:
            self._register(watched.pidfd, lambda _: self._ended(watched))
            self.after(BIRTH_SECONDS, partial(self._check_birth, watched, watched.run))
            self._checks.begin(watched)
            self._memory.begin(watched)

    def _take_terminal(self, watched: Watched) -> None:
        """One that was not there yet, or whose other side had nobody for a while."""
        try:
            descriptor = watched.open_terminal()
        except OSError as error:
            log.warning("the terminal of container %s can't be read yet: %s", watched.id[:12], error)
            return
        if descriptor is not None:
            self._register(descriptor, partial(self._on_pipe, watched, descriptor))

    def _check_birth(self, watched: Watched, run: int) -> None:
        """A process that waits to become its program for so long may have lost its starter: let the hands see."""
        if watched.run == run and watched.is_unborn():
            self._hands.ask("reap", watched.id, run)
            self.after(BIRTH_SECONDS, partial(self._check_birth, watched, run))

    # ---- bytes

    def _on_pipe(self, watched: Watched, descriptor: int, _: int) -> None:
        try:
            moved = watched.pump(descriptor)
        except (OSError, EngineError) as error:  # the disk is full, for example: the container waits
            log.warning("log of container %s: %s; trying again", watched.id[:12], error)
            self._unregister(descriptor)
            run = watched.run
            self.after(1.0, lambda: self._resume(watched, descriptor, run))
            return
        if moved == 0:
            self._unregister(descriptor)
            watched.close_pipe(descriptor)
        elif moved and (seconds := watched.rest_seconds(descriptor, moved)):
            self._poll.modify(descriptor, 0)
            self.after(seconds, partial(self._listen_again, watched, descriptor, watched.run))

    def _listen_again(self, watched: Watched, descriptor: int, run: int) -> None:
        if watched.run == run and descriptor in watched.pipes and descriptor in self._handlers:
            self._poll.modify(descriptor, select.EPOLLIN)

    def _resume(self, watched: Watched, descriptor: int, run: int) -> None:
        if watched.run == run and descriptor in watched.pipes and descriptor not in self._handlers:
            self._register(descriptor, partial(self._on_pipe, watched, descriptor))

    # ---- deaths

    def _ended(self, watched: Watched) -> None:
        self._memory.end(watched)
        if watched.pidfd is not None:
            self._unregister(watched.pidfd)
        for descriptor in watched.pipes:
            self._unregister(descriptor)
        try:
            watched.drain()
        except (OSError, EngineError) as error:
            if not (self._live / watched.id).exists():
                self._forget(watched)  # reaped and removed before we came to it
                return
            log.warning("last words of container %s can't be logged: %s; trying again", watched.id[:12], error)
            self.after(1.0, lambda: self._ended(watched))
            return
        if not watched.is_told():
            self.after(TOLD_SECONDS, lambda: self._ended(watched))
            return
        watched.release()
        watched.phase = ENDED
        if self._adopt(watched.id):
            return  # it was reaped and started again before we came to it
        run = watched.run
        if self._has_stopper(watched):
            self.after(STOPPER_SECONDS, lambda: self._reap(watched, run))
        else:
            self._reap(watched, run)

    def _has_stopper(self, watched: Watched) -> bool:
        try:
            record = records.load(watched.directory)
        except DataCorrupt:
            return False
        return record is not None and record.stopping == watched.run and record.ending != states.SIGNALLED

    def _reap(self, watched: Watched, run: int) -> None:
        if watched.run != run or watched.phase != ENDED:
            return
        if (self._live / watched.id).exists():
            self._hands.ask("reap", watched.id, run)
        else:
            self._forget(watched)

    def _outcome(self, outcome: Outcome) -> None:
        """The hands have answered: forget it, wait for its restart, or try again."""
        watched = self._watched.get(outcome.id)
        if outcome.verb == OOM:
            if outcome.again_seconds is not None and watched is not None and watched.phase == RUNNING:
                self.after(outcome.again_seconds, lambda: self._hands.ask(OOM, outcome.id, outcome.run))
            return
        if watched is not None and outcome.verb in CHECK_VERBS:
            self._checks.outcome(outcome, watched)
            return
        if watched is None or watched.phase == RUNNING:
            return
        if outcome.again_seconds is not None:
            self.after(outcome.again_seconds, lambda: self._hands.ask(outcome.verb, outcome.id, outcome.run))
        elif outcome.restart_at is not None:
            delay = max(0.0, outcome.restart_at - time.time())
            self.after(min(delay, 60.0), lambda: self._hands.ask("restart", outcome.id, outcome.current_run))
        elif outcome.is_running:
            if not self._adopt(outcome.id):
                self.after(STOPPER_SECONDS, lambda: self._hands.ask("reap", outcome.id, outcome.current_run))
        elif (self._live / outcome.id).exists():
            # Marked again since. A start that is under way is taken up when it has a run; one that died never has.
            self.after(AGAIN_SECONDS, partial(self._reap, watched, watched.run))
        else:
            self._forget(watched)

    def _forget(self, watched: Watched) -> None:
        self._memory.end(watched)
        watched.release()
        if self._watched.get(watched.id) is watched:
            self._watched.pop(watched.id)

    # ---- descriptors and time

    def _register(self, descriptor: int, handler: Callable[[int], None], events: int = select.EPOLLIN) -> None:
        self._handlers[descriptor] = handler
        self._poll.register(descriptor, events)

    def _unregister(self, descriptor: int) -> None:
        if self._handlers.pop(descriptor, None) is not None:
            self._poll.unregister(descriptor)

    def after(self, seconds: float, action: Callable[[], None]) -> None:
        """Call `action` from the loop when the time has come."""
        self._timer_number += 1
        heapq.heappush(self._timers, (time.monotonic() + seconds, self._timer_number, action))

    def _timeout(self) -> float:
        due = self._rescan_due
        if self._timers:
            due = min(due, self._timers[0][0])
        return max(0.0, due - time.monotonic())

    def _run_timers(self) -> None:
        now = time.monotonic()
        while self._timers and self._timers[0][0] <= now:
            heapq.heappop(self._timers)[2]()
        if self._rescan_due <= now:
            self._rescan()

    def _is_done(self) -> bool:
        """Nothing runs and no worker lives, for a while already; then the socket is taken away first.

        Who wakes the keeper has marked its container before. So a listing after the socket is gone sees
        everybody who found it, and who doesn't find it starts a new keeper.
        """
        now = time.monotonic()
        if self._watched or self._hands.is_busy or worker_lives(self._config.run / "worker.lock"):
            self._idle_since = now
            return False
        if now - self._idle_since < IDLE_SECONDS:
            return False
        self._config.keeper_socket.unlink(missing_ok=True)
        if not self._names():
            self._hands.close()
            return True
        self._unregister(self._inbox.fileno())
        self._inbox.close()
        self._inbox = listen(self._config)
        self._register(self._inbox.fileno(), self._on_wake)
        self._rescan()
        return False


def listen(config: EngineConfig) -> socket.socket:
    """The keeper's socket, in place of a dead one's. The caller holds the keeper's lock."""
    config.keeper_socket.unlink(missing_ok=True)
    inbox = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC)
    inbox.setblocking(False)
    with short(config.keeper_socket) as address:
        inbox.bind(address)
    return inbox
