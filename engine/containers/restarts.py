"""Whether, and after how long, a container that died is started again.

Docker's rules (`docker run --restart`, and moby's restartmanager): the first restart comes after 100 ms, each
further one after twice the delay of the last, at most a minute; a run of ten seconds or more starts over at
100 ms. A container that a person stopped stays down, except that `always` comes back with the host.
"""

from __future__ import annotations

POLICIES = ("no", "on-failure", "always", "unless-stopped")

FIRST_DELAY_SECONDS = 0.1
LONGEST_DELAY_SECONDS = 60.0
STEADY_SECONDS = 10.0


def wants_restart(
    policy: str, limit: int | None, *, exit_code: int, restart_count: int, stopped: bool, unhealthy: bool = False
) -> bool:
    """Whether a run that ended with `exit_code` is followed by another.

    `restart_count` counts restarts by policy since a person last started the container, `limit` (for
    on-failure; None or 0 means no limit) bounds it, `stopped` says that a person asked for the end, `unhealthy` that
    it was ended to be restarted, which goes for every policy within its limit.
    """
    if stopped:
        return False
    if policy == "on-failure":
        return (unhealthy or exit_code != 0) and (not limit or restart_count < limit)
    return unhealthy or policy in ("always", "unless-stopped")


def wants_start_at_boot(policy: str, *, was_running: bool) -> bool:
    """Whether a container starts when its host comes up; `was_running` is what was wanted before."""
    return policy == "always" or (policy == "unless-stopped" and was_running)


def next_delay(previous_seconds: float, ran_seconds: float) -> float:
    """Seconds to wait before the next start; `previous_seconds` is 0 before the first restart."""
    if ran_seconds >= STEADY_SECONDS or previous_seconds <= 0:
        return FIRST_DELAY_SECONDS
    return min(previous_seconds * 2, LONGEST_DELAY_SECONDS)
