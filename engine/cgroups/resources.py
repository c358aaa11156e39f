"""The limits of one container, in units that people use."""

from __future__ import annotations

import os
from dataclasses import dataclass

from engine.errors import InvalidArgument

MINIMUM_MEMORY_BYTES = 6 * 1024 * 1024
"""Docker's minimum: below it a container's first process can't even start."""

MINIMUM_CPUS = 0.01
"""The kernel's smallest quota is 1 ms per period of 100 ms."""


@dataclass(frozen=True, slots=True)
class Resources:
    """`memory_bytes`, `cpus` (1.5 = one and a half cores), `pids_limit`; None = no limit.

    `memory_swap` is memory and swap together, -1 for any amount of swap; without it a limit has no swap on top.
    `cpu_quota`, `cpu_rt_*` and `cpu_period` are microseconds, `cpuset_*` lists such as "0-3,6", `blkio_weight` 10 to
    1000. `memory_swappiness`: 0 to 100, -1 or None for the host's. `disk_weights`: ("major:minor", 10 to 1000).
    `throttles`: ("read_bps" | "write_bps" | "read_iops" | "write_iops", "major:minor", a second).
    `device_rules`: version 1 rules ("c 10:229 rwm") beside those of every container; `all_devices`: no list at all.
    """

    memory_bytes: int | None = None
    cpus: float | None = None
    pids_limit: int | None = None
    memory_reservation: int | None = None
    memory_swap: int | None = None
    oom_kill_disable: bool = False
    cpu_shares: int | None = None
    cpu_quota: int | None = None
    cpu_period: int | None = None
    cpu_rt_runtime: int | None = None
    cpu_rt_period: int | None = None
    cpuset_cpus: str | None = None
    cpuset_mems: str | None = None
    blkio_weight: int | None = None
    throttles: tuple[tuple[str, str, int], ...] = ()
    memory_swappiness: int | None = None
    disk_weights: tuple[tuple[str, int], ...] = ()
    device_rules: tuple[str, ...] = ()
    all_devices: bool = False

    @property
    def wants_cpuset(self) -> bool:
        return self.cpuset_cpus is not None or self.cpuset_mems is not None

    def check(self, machine_cpus: int | None = None) -> None:
        """Raise InvalidArgument for a limit that no machine, or not this one, can hold to.

        `machine_cpus`: None to look how many there are, if anybody wants to know.
        """
        if self.memory_bytes is not None and self.memory_bytes < MINIMUM_MEMORY_BYTES:
            raise InvalidArgument(
                f"a memory limit of {self.memory_bytes} bytes is below the minimum of 6 MiB",
                {"field": "memory_bytes", "minimum": MINIMUM_MEMORY_BYTES},
            )
        if self.cpus is not None:
            most = machine_cpus or os.cpu_count() or 1
            if not MINIMUM_CPUS <= self.cpus <= most:
                raise InvalidArgument(
                    f"cpus must be from {MINIMUM_CPUS} to {most}, as this machine has {most}",
                    {"field": "cpus", "minimum": MINIMUM_CPUS, "maximum": most},
                )
        if self.pids_limit is not None and self.pids_limit < 1:
            raise InvalidArgument("pids_limit must be at least 1", {"field": "pids_limit", "minimum": 1})


def beyond_limit(used: int, memory_bytes: int) -> InvalidArgument:
    """What to say of a memory limit that what runs is beyond already."""
    return InvalidArgument(
        f"memory_bytes: the container uses {used} bytes just now, which can't be brought below {memory_bytes}: "
        "give it more, or let it free memory first",
        {"field": "memory_bytes", "used": used},
    )
