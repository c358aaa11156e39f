"""The loop's side of health checks: when to ask the hands for the next one. The hands know what is due and do it.

adopt ─► "check" ─► again in n seconds ─► "check" ─► … unhealthy and to be restarted ─► "heal" ─► its end is seen
"""

from __future__ import annotations

from collections.abc import Callable

from engine.containers.health import FILE
from engine.keeper.dispatch import Hands, Outcome
from engine.keeper.watched import RUNNING, Watched

CHECK, HEAL = "check", "heal"
VERBS = frozenset({CHECK, HEAL})


class Checks:
    """What is due is known by the files alone, so a keeper that has just been started goes on where one was killed."""

    def __init__(self, hands: Hands, after: Callable[[float, Callable[[], None]], None]) -> None:
        self._hands, self._after = hands, after
        self._going: dict[str, int] = {}  # container → the run whose checks go on by themselves

    def begin(self, watched: Watched) -> None:
        """Whenever a run is seen: one may be adopted before it has its check, or a record that tells of it."""
        if self._going.get(watched.id) != watched.run and (watched.directory / FILE).exists():
            self._going[watched.id] = watched.run
            self._ask(CHECK, watched, watched.run)

    def outcome(self, outcome: Outcome, watched: Watched) -> None:
        """Go on after what was asked for has been done."""
        if outcome.again_seconds is None:
            self._stop(watched.id, outcome.run)
        else:
            verb = HEAL if outcome.heals else CHECK
            self._after(outcome.again_seconds, lambda: self._ask(verb, watched, outcome.run))

    def _ask(self, verb: str, watched: Watched, run: int) -> None:
        if watched.run == run and watched.phase == RUNNING:
            self._hands.ask(verb, watched.id, run)
        else:
            self._stop(watched.id, run)

    def _stop(self, container_id: str, run: int) -> None:
        if self._going.get(container_id) == run:
            del self._going[container_id]
