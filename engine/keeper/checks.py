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

    def begin(self, watched: Watched) -> None:
        """For a run that was just adopted."""
        if (watched.directory / FILE).exists():
            self._ask(CHECK, watched, watched.run)

    def outcome(self, outcome: Outcome, watched: Watched) -> None:
        """Go on after what was asked for has been done."""
        if outcome.again_seconds is not None:
            verb = HEAL if outcome.heals else CHECK
            self._after(outcome.again_seconds, lambda: self._ask(verb, watched, outcome.run))

    def _ask(self, verb: str, watched: Watched, run: int) -> None:
        if watched.run == run and watched.phase == RUNNING:
            self._hands.ask(verb, watched.id, run)
