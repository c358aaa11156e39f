"""Whose turn it is: what concerns one container is done in the order in which it was asked for.

Jobs run side by side, many threads of them. Of two that concern one container the later one waits: whoever says
stop and then start wants it to run in the end. Only a kill (and a removal by force) passes by a stop, a restart and a
removal that stops, since cutting their grace short is what it is for.

A worker that died may have left a job that can't be gone on with before the site sends it again, with the secrets that
belong to it. Its place is kept until then: what was asked for later has to come later still.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from engine.errors import Cancelled

PATIENT = frozenset({"container.stop", "container.restart"})
REMOVE = "container.remove"
LOOK_SECONDS = 0.2
CONTAINERS = ("container_id", "replaces")
"""Fields of a command that name a container which it changes."""


@dataclass(eq=False, slots=True)
class Turn:
    """One delivery's place in the lines of its containers; without any it waits for nobody.

    `number` counts all that one worker was asked for.
    """

    container_ids: tuple[str, ...]
    is_patient: bool
    hurries: bool
    number: int = 0
    over: threading.Event = field(default_factory=threading.Event)

    def waits_for(self, earlier: Turn) -> bool:
        return not (self.hurries and earlier.is_patient)


class Turns:
    """The lines of all containers. Every turn that was booked or begun has to be ended."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._lines: dict[str, list[Turn]] = {}
        self._booked: dict[str, Turn] = {}
        self._kept: dict[str, Turn] = {}
        self._count = 0

    def keep(self, job_id: str, command: Mapping[str, Any]) -> None:
        """Keep a place for the next delivery of a job, whichever that is, until it comes or `give_up` is called."""
        with self._lock:
            self._kept[job_id] = self._queue_up(command)

    def give_up(self, job_id: str) -> bool:
        """Keep no place for a job any more; whether there was one."""
        with self._lock:
            turn = self._kept.pop(job_id, None)
        if turn is not None:
            self.end(turn)
        return turn is not None

    def book(self, delivery: str, command: Mapping[str, Any], job_id: str = "") -> None:
        """Take a place for a delivery before a thread has been found for it: threads may overtake one another."""
        with self._lock:
            self._booked[delivery] = self._kept.pop(job_id, None) or self._queue_up(command)

    def begin(self, delivery: str, command: Mapping[str, Any], job_id: str = "") -> Turn:
        """The delivery's place: the one that was booked or kept, else one at the end of the line."""
        with self._lock:
            return self._booked.pop(delivery, None) or self._kept.pop(job_id, None) or self._queue_up(command)

    def comes_too_early(self, turn: Turn) -> bool:
        """Whether it would have to wait for a job that has not been delivered yet."""
        with self._lock:
            return any(kept in self._ahead_of(turn) for kept in self._kept.values())

    def wait(self, turn: Turn, cancel: threading.Event) -> None:
        """Return when everything that this turn waits for is over. Raises `Cancelled` when `cancel` is set."""
        with self._lock:
            ahead = self._ahead_of(turn)
        for other in ahead:
            while not other.over.wait(LOOK_SECONDS):
                if cancel.is_set():
                    raise Cancelled("Cancelled while it waited for what was asked of the container before.")

    def end(self, turn: Turn) -> None:
        with self._lock:
            for container_id in turn.container_ids:
                line = self._lines.get(container_id, [])
                if turn in line:
                    line.remove(turn)
                if not line:
                    self._lines.pop(container_id, None)
        turn.over.set()

    def _ahead_of(self, turn: Turn) -> list[Turn]:
        lines = [self._lines.get(container_id, []) for container_id in turn.container_ids]
        ahead = [other for line in lines if turn in line for other in line[: line.index(turn)]]
        return [other for other in ahead if turn.waits_for(other)]

    def _queue_up(self, command: Mapping[str, Any]) -> Turn:
        kind = str(command.get("kind"))
        stops = kind == REMOVE and command.get("stop") is True
        named = (command.get(field) for field in CONTAINERS)
        hurries = kind == "container.kill" or (kind == REMOVE and command.get("force") is True and not stops)
        self._count += 1
        containers = tuple(one for one in named if isinstance(one, str) and one)
        turn = Turn(containers, stops or kind in PATIENT, hurries, self._count)
        for container_id in turn.container_ids:
            self._lines.setdefault(container_id, []).append(turn)
        return turn
