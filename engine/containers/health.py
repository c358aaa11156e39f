"""How well a container is: what its health check has found, kept as `health.json` in its directory.

Docker's rules (moby daemon/health.go). A start begins at `starting`; a check that succeeds makes `healthy`; so many
failures in a row as the check's `retries` make `unhealthy`. Failures of one that is still `starting` don't count
during the start period, in which checks come at the start interval.

The file is replaced atomically by whoever holds the container's lock. It is there for runs with a check alone.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from engine.options.healthcheck import Healthcheck

FILE = "health.json"
STARTING, HEALTHY, UNHEALTHY = "starting", "healthy", "unhealthy"
NONE = "none"
"""What a container that doesn't run is."""
KEPT = 5
TOLD = "health"
"""What the journal was told of, in `events.once`."""
OUTPUT_BYTES = 4096


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """One check: Unix seconds, the exit code (-1: it took too long) and what was printed, at most 4096 bytes."""

    start: float
    end: float
    exit_code: int
    output: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Health:
    """Of `run`. `log` holds the last five results, the oldest first, those of earlier runs among them.

    `checks` counts all that there ever were; `has_turned`: the last one changed the status.
    """

    run: int = 0
    status: str = STARTING
    failing_streak: int = 0
    log: tuple[Result, ...] = ()
    checks: int = 0
    has_turned: bool = False

    def after(self, result: Result, check: Healthcheck, started_at: float) -> Health:
        """What it is once `result` is known."""
        log = (*self.log, result)[-KEPT:]
        noted = replace(self, log=log, checks=self.checks + 1, has_turned=False)
        if result.exit_code == 0:
            return replace(noted, status=HEALTHY, failing_streak=0, has_turned=self.status != HEALTHY)
        if self.status == STARTING and result.start - started_at < check.start_period_seconds:
            return noted
        streak = self.failing_streak + 1
        status = UNHEALTHY if streak >= check.retries else self.status
        return replace(noted, status=status, failing_streak=streak, has_turned=status != self.status)

    def due_in(self, check: Healthcheck, started_at: float, now: float) -> float:
        """Seconds until the next check. Never more than its interval, whatever the clock does."""
        is_starting = self.status == STARTING and now - started_at < check.start_period_seconds
        interval = check.start_interval_seconds if is_starting else check.interval_seconds
        last = max([started_at, *(result.end for result in self.log)])
        return min(last + interval - now, interval)

    def as_state(self, *, is_alive: bool) -> dict[str, Any]:
        """In the shape of the contract's HealthState."""
        return {
            "status": self.status if is_alive else NONE,
            "failing_streak": self.failing_streak,
            "log": [asdict(result) for result in self.log],
        }


def exec_id(container_id: str) -> str:
    """The id of the exec that checks this container: always the same, so that what a crash leaves is found."""
    return hashlib.sha256(f"healthcheck {container_id}".encode()).hexdigest()


def load(directory: Path) -> Health:
    """What is kept in `directory`; a new one when that can't be read, as all of it can be found out again."""
    try:
        data: Mapping[str, Any] = json.loads((directory / FILE).read_bytes())
        return Health(**{**data, "log": tuple(Result(**result) for result in data["log"])})
    except (OSError, ValueError, KeyError, TypeError):
        return Health()


def save(directory: Path, health: Health) -> None:
    """Replace the file. Raises FileNotFoundError when the container is gone."""
    temporary = f"{directory}/.{FILE}.new"
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    with open(descriptor, "wb") as file:
        file.write(json.dumps(asdict(health), separators=(",", ":")).encode())
    os.rename(temporary, directory / FILE)


def begin(directory: Path, run: int) -> Health:
    """For a start: from the beginning again, with the history that there is."""
    before = load(directory)
    begun = Health(run=run, log=before.log, checks=before.checks)
    save(directory, begun)
    return begun
