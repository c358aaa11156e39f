"""Runs the processes of a plan until told to stop: shows their lines, starts again what dies.

`python -m webui.up.supervisor DESCRIPTOR` reads the plan from the descriptor. It is a small interpreter of its
own (8 MB instead of Django's 50) with nothing in it that could fail.
"""

from __future__ import annotations

import contextlib
import os
import queue
import selectors
import signal
import socket
import sys
import threading
import time
from collections.abc import Iterable

from webui.up import broker
from webui.up.child import Child
from webui.up.plan import Plan

BROKER_SECONDS = 30.0
# A terminal's Ctrl-C and a signal of whoever started us may come together: that is one wish, not two.
SECOND_SIGNAL_SECONDS = 1.0


class Printer(threading.Thread):
    """Prints lines without ever holding up the supervisor: a terminal that stands still loses lines instead."""

    def __init__(self) -> None:
        super().__init__(name="printer", daemon=True)
        self._lines: queue.Queue[str | None] = queue.Queue(maxsize=20_000)

    def line(self, name: str, text: str) -> None:
        with contextlib.suppress(queue.Full):
            self._lines.put_nowait(f"{name:<7}| {text}\n" if name else f"{text}\n")

    def run(self) -> None:
        while (line := self._lines.get()) is not None:
            with contextlib.suppress(OSError):
                os.write(1, line.encode(errors="replace"))

    def finish(self) -> None:
        with contextlib.suppress(queue.Full):
            self._lines.put_nowait(None)
        self.join(0.5)


class Supervisor:
    """`run` returns the exit code after a clean stop."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._children = [Child(child) for child in plan.children]
        self._selector = selectors.DefaultSelector()
        self._printer = Printer()
        self._stopping_since: float | None = None
        self._hurry = False
        self._announced = False

    def run(self) -> int:
        self._printer.start()
        self._catch_signals()
        try:
            self._start_all()
            while self._stopping_since is None:
                self._wait(self._start_due())
        finally:
            self._stop_all()
            self._announce()  # a password that was never shown would be lost
            self._printer.finish()
        return 0

    def _catch_signals(self) -> None:
        receiver, sender = socket.socketpair()
        receiver.setblocking(False)
        sender.setblocking(False)
        signal.set_wakeup_fd(sender.fileno(), warn_on_full_buffer=False)
        self._wake = (receiver, sender)
        self._selector.register(receiver, selectors.EVENT_READ, None)
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, self._on_stop)
        signal.signal(signal.SIGCHLD, lambda *_: None)  # only to wake up

    def _on_stop(self, *_: object) -> None:
        now = time.monotonic()
        if self._stopping_since is None:
            self._stopping_since = now
        elif now - self._stopping_since > SECOND_SIGNAL_SECONDS:
            self._hurry = True

    def _start_all(self) -> None:
        first, *rest = self._children
        self._start(first)
        if self._plan.broker_socket is not None:
            self._wait_for_broker(first)
        for child in rest:
            self._start(child)

    def _wait_for_broker(self, child: Child) -> None:
        """Large append-only files take their time to load; whoever comes after would only report errors."""
        from pathlib import Path

        assert self._plan.broker_socket is not None
        end = time.monotonic() + BROKER_SECONDS
        while self._stopping_since is None and time.monotonic() < end:
            if broker.answers(Path(self._plan.broker_socket)):
                return
            self._wait(0.01)
            if not child.is_running:
                self._start_due()

    def _start(self, child: Child) -> None:
        try:
            child.start()
        except OSError as error:
            self._printer.line("up", f"{child.name} can't be started: {error}")
            child.due = time.monotonic() + 5
            return
        self._selector.register(child.output, selectors.EVENT_READ, child)
        if child.ready >= 0:
            self._selector.register(child.ready, selectors.EVENT_READ, child)

    def _start_due(self) -> float | None:
        """Start what is due; seconds until the next start."""
        now = time.monotonic()
        for child in self._children:
            if child.due is not None and child.due <= now:
                self._start(child)
        waiting = [child.due for child in self._children if child.due is not None]
        return max(0.0, min(waiting) - now) if waiting else None

    def _wait(self, seconds: float | None) -> None:
        """Wait for anything to happen and see to it."""
        for key, _ in self._selector.select(seconds):
            child = key.data
            if child is None:
                with contextlib.suppress(BlockingIOError):
                    self._wake[0].recv(4096)
            elif key.fd == child.ready:
                self._take_readiness(child)
            else:
                self._show(child)
        for child in self._children:
            if child.process is not None and not child.is_running:
                self._bury(child)

    def _take_readiness(self, child: Child) -> None:
        if os.read(child.ready, 1):
            self._announce()
        self._selector.unregister(child.ready)
        os.close(child.ready)
        child.ready = -1

    def _announce(self) -> None:
        if not self._announced:
            self._announced = True
            for line in self._plan.lines:
                self._printer.line("", line)

    def _show(self, child: Child) -> None:
        for line in child.lines():
            self._printer.line(child.name, line)
        if child.is_silent:
            self._selector.unregister(child.output)

    def _bury(self, child: Child) -> None:
        if child.process is None:
            return
        for line in child.lines():
            self._printer.line(child.name, line)
        for descriptor in (child.output, child.ready):
            with contextlib.suppress(KeyError, ValueError):
                self._selector.unregister(descriptor)
        message = child.bury(again=self._stopping_since is None)
        if message:
            self._printer.line("up", message)

    def _stop_all(self) -> None:
        for child in self._children:
            child.due = None
        for stage in sorted({child.plan.stage for child in self._children}):
            self._stop([child for child in self._children if child.plan.stage == stage])

    def _stop(self, children: Iterable[Child]) -> None:
        """Ask these to stop, and kill those that take longer than their grace or the user's patience."""
        began = time.monotonic()
        running = [child for child in children if child.is_running]
        for child in running:
            child.signal(signal.SIGTERM)
        while running := [child for child in running if child.process is not None]:
            waited = time.monotonic() - began
            for child in running:
                if self._hurry or waited > child.plan.grace_seconds:
                    child.signal(signal.SIGKILL)
            self._wait(0.05)


def main() -> int:
    descriptor = int(sys.argv[1])
    with os.fdopen(descriptor, "rb") as file:
        plan = Plan.decode(file.read())
    # What must be inherited is named for each child; nothing else may leak into what it starts.
    for child in plan.children:
        for inherited in child.descriptors:
            os.set_inheritable(inherited, False)
    return Supervisor(plan).run()


if __name__ == "__main__":
    sys.exit(main())
