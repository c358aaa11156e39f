"""One sampler per host looks at all containers in one go, however many people watch."""

from __future__ import annotations

import resource
from collections.abc import Mapping
from pathlib import Path

from engine.cgroups import Cgroups
from engine.config import EngineConfig
from engine.stats import cgroup_v1, cgroup_v2
from engine.stats.files import Kept, read
from engine.stats.host import HostStats
from engine.stats.samples import ContainerSample, HostSample

FILES = 8
"""At most so many are kept open of a container."""


class Sampler:
    """Samples the containers and the host of one home. For one thread at a time."""

    def __init__(self, config: EngineConfig, cgroups: Cgroups | None = None) -> None:
        self._cgroups = cgroups or Cgroups(config)
        self._usage = cgroup_v2.usage if self._cgroups.version == "v2" else cgroup_v1.usage
        self._host = HostStats(config.home)
        self._known: dict[str, tuple[Mapping[str, Path], Kept]] = {}

    def sample(self, containers: Mapping[str, int]) -> dict[str, ContainerSample]:
        """A sample for each of `containers` (id → pid of a process in it); those that are gone are left out."""
        for gone in self._known.keys() - containers.keys():
            self._known.pop(gone)[1].close()
        room = resource.getrlimit(resource.RLIMIT_NOFILE)[0] // 4  # of descriptors: others need some as well
        found = {}
        for container_id, pid in containers.items():
            sample = self._sample(container_id, pid, keeps=len(self._known) * FILES < room)
            if sample is not None:
                found[container_id] = sample
        return found

    def host(self) -> HostSample:
        return self._host.sample()

    def _sample(self, container_id: str, pid: int, *, keeps: bool) -> ContainerSample | None:
        devices = read(f"/proc/{pid}/net/dev")  # not kept open, which would keep the namespace
        known = self._known.get(container_id)
        if known is None and keeps:
            known = self._known[container_id] = (self._cgroups.directories(container_id), Kept())
        if known is None:
            usage = self._usage(self._cgroups.directories(container_id), read)
        else:
            usage = self._usage(known[0], known[1].read)
        if not devices and not usage.pids:
            return None
        interfaces = _network(devices)
        return ContainerSample(
            cpu_seconds=usage.cpu_seconds,
            memory_bytes=usage.memory_bytes,
            memory_limit_bytes=usage.memory_limit_bytes,
            pids=usage.pids,
            network_rx_bytes=sum(received for received, _ in interfaces.values()),
            network_tx_bytes=sum(sent for _, sent in interfaces.values()),
            block_read_bytes=usage.block_read_bytes,
            block_write_bytes=usage.block_write_bytes,
            interfaces=interfaces if len(interfaces) > 1 else {},
        )


def _network(text: bytes) -> dict[str, tuple[int, int]]:
    """Bytes received and sent by device, from /proc/<pid>/net/dev: two lines of headings, then a line a device."""
    found = {}
    for line in text.splitlines()[2:]:
        name, _, figures = line.partition(b":")
        if name.strip() != b"lo":
            fields = figures.split()
            found[name.strip().decode(errors="replace")] = (int(fields[0]), int(fields[8]))
    return found
