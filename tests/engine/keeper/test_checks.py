"""When health checks are asked for: once at a time for each run, and again after an early look found nothing."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from engine.containers.health import FILE
from engine.keeper.checks import CHECK, Checks
from engine.keeper.dispatch import Outcome
from engine.keeper.watched import RUNNING


def test_a_run_has_one_course_of_checks_from_when_it_has_a_check(tmp_path: Path) -> None:
    asked: list[tuple[str, str, int]] = []
    due: list[Callable[[], None]] = []
    hands: Any = SimpleNamespace(ask=lambda *job: asked.append(job))
    watched: Any = SimpleNamespace(id="c", run=1, phase=RUNNING, directory=tmp_path)
    checks = Checks(hands, lambda _, action: due.append(action))

    checks.begin(watched)  # adopted before its check was written down
    assert asked == []
    (tmp_path / FILE).touch()
    for _ in range(3):
        checks.begin(watched)
    assert asked == [(CHECK, "c", 1)]

    checks.outcome(Outcome(CHECK, "c", 1), watched)  # the record did not tell of this run yet
    checks.begin(watched)
    assert asked == [(CHECK, "c", 1)] * 2

    checks.outcome(Outcome(CHECK, "c", 1, again_seconds=5), watched)
    checks.begin(watched)
    assert (len(asked), len(due)) == (2, 1)
    due.pop()()
    assert len(asked) == 3

    watched.run = 2
    checks.begin(watched)
    checks.outcome(Outcome(CHECK, "c", 1), watched)  # of the last run, too late
    checks.begin(watched)
    assert asked[3:] == [(CHECK, "c", 2)]
