"""What a host is: the figures that it introduces itself with."""

from __future__ import annotations

import os
import platform
import shutil
from typing import TypedDict

from engine.cgroups import Cgroups
from engine.config import EngineConfig
from engine.runtime import probe
from engine.runtime.apparmor import host, loading, profile
from engine.runtime.foreign.installed import RuntimeFacts

ENGINE_VERSION = "0.1.0"


class HostFacts(TypedDict):
    """Sizes in bytes; disk figures are those of the file system that holds the home.

    `runtimes` are the OCI runtimes that a container can choose instead of ours. `userns_problem` is why containers
    can't have user namespaces of their own; empty if they can, and until it is known. `apparmor_profile` is what
    confines containers unasked, empty for none; `apparmor_problem` is why, where the kernel has AppArmor.
    `cpu_rt_problem` is why none can have real-time processor time (cpu_rt_runtime); empty where the kernel gives it.
    `swap_problem` is why none can be limited in what it swaps; empty where the kernel counts it.
    """

    cores: int
    memory_bytes: int
    kernel: str
    architecture: str
    operating_system: str
    engine_version: str
    cgroup_version: str
    disk_total_bytes: int
    disk_free_bytes: int
    containers_running: int
    runtimes: list[RuntimeFacts]
    userns_problem: str
    apparmor_profile: str
    apparmor_problem: str
    cpu_rt_problem: str
    swap_problem: str


def host_facts(
    config: EngineConfig, cgroups: Cgroups, containers_running: int, runtimes: list[RuntimeFacts]
) -> HostFacts:
    disk = shutil.disk_usage(config.home)
    unconfined = loading.problem(config.run)
    return HostFacts(
        cores=os.cpu_count() or 1,
        memory_bytes=os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"),
        kernel=platform.release(),
        architecture=platform.machine(),
        operating_system=_operating_system(),
        engine_version=ENGINE_VERSION,
        cgroup_version=cgroups.version,
        disk_total_bytes=disk.total,
        disk_free_bytes=disk.free,
        containers_running=containers_running,
        runtimes=runtimes,
        userns_problem=probe.known(str(config.run)) or "",
        apparmor_profile=profile.NAME if host.is_enabled() and not unconfined else "",
        apparmor_problem=unconfined,
        cpu_rt_problem=cgroups.real_time_problem,
        swap_problem=cgroups.swap_problem,
    )


def _operating_system() -> str:
    """PRETTY_NAME of os-release(5)."""
    try:
        return platform.freedesktop_os_release().get("PRETTY_NAME", "Linux")
    except OSError:
        return "Linux"
