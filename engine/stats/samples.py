"""One look at a container, one at its host. Counters only grow, until a container starts again."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class ContainerSample:
    """`cpu_seconds` over all cores; `memory_bytes` without file cache that could be dropped at once.

    `memory_limit_bytes` is None without a limit; network figures are of all interfaces but loopback. `interfaces`:
    bytes received and sent by each, where there is more than one; empty otherwise, which is most containers' case.
    """

    cpu_seconds: float
    memory_bytes: int
    memory_limit_bytes: int | None
    pids: int
    network_rx_bytes: int
    network_tx_bytes: int
    block_read_bytes: int
    block_write_bytes: int
    interfaces: dict[str, tuple[int, int]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class HostSample:
    """`cpu_percent` 0 to 100 of the whole machine, since the sampler's last look (0 at its first).

    `memory_used_bytes` is what is not available to new processes; the disk is the one that holds the home.
    """

    cpu_percent: float
    memory_used_bytes: int
    memory_total_bytes: int
    load1: float
    disk_free_bytes: int
    disk_total_bytes: int


@dataclass(frozen=True, slots=True)
class CgroupUsage:
    """What a container's control groups count."""

    cpu_seconds: float
    memory_bytes: int
    memory_limit_bytes: int | None
    pids: int
    block_read_bytes: int
    block_write_bytes: int
