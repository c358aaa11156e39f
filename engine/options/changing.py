"""What can be changed of a container while it runs: its limits and its restart policy, as `docker update` has it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

LIMITS = (
    "memory_bytes",
    "memory_swap",
    "memory_reservation",
    "cpus",
    "cpu_shares",
    "cpu_quota",
    "cpu_period",
    "cpuset_cpus",
    "cpuset_mems",
    "pids_limit",
    "blkio_weight",
)
CHANGEABLE = (*LIMITS, "restart", "restart_limit")

_FOLLOWS = {  # what makes no sense any more once the first is changed, unless it is changed too
    "cpus": ("cpu_quota", "cpu_period"),
    "cpu_quota": ("cpus",),
    "cpu_period": ("cpus",),
    "restart": ("restart_limit",),
}


def merged(present: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """The values of all of `CHANGEABLE` once `changes` are made to `present`. A value of None is no limit.

    Processor time is said by `cpus` or by quota and period: the one that is given replaces the other. A new restart
    policy begins without a limit of its own, and memory without a limit has none of swap. Whether the values can work
    is for the checks of a creation to say.
    """
    values = {name: present.get(name) for name in CHANGEABLE} | dict(changes)
    for name in changes:
        for other in _FOLLOWS.get(name, ()):
            if other not in changes and changes[name] is not None:
                values[other] = None
    if values["memory_bytes"] is None and "memory_swap" not in changes:
        values["memory_swap"] = None
    values["restart"] = values["restart"] or "no"
    return values
