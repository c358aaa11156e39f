"""How a host looks in REST, broadcasts and pages."""

from __future__ import annotations

from typing import Any

from webui.accounts.representation import team_reference_as_json, time_as_json
from webui.hosts.models import Host


def host_reference_as_json(host: Host) -> dict[str, Any]:
    """The short form inside other objects."""
    return {"id": host.pk, "name": host.name}


def host_as_json(host: Host) -> dict[str, Any]:
    return {
        "id": host.pk,
        "name": host.name,
        "team": team_reference_as_json(host.team),
        "online": host.is_online,
        "cores": host.cores,
        "memory_bytes": host.memory_bytes,
        "disk_total_bytes": host.disk_total_bytes,
        "disk_free_bytes": host.disk_free_bytes,
        "kernel": host.kernel,
        "architecture": host.architecture,
        "operating_system": host.operating_system,
        "cgroup_version": host.cgroup_version,
        "engine_version": host.engine_version,
        "runtimes": host.runtimes,
        "apparmor_profile": host.apparmor_profile,
        "apparmor_problem": host.apparmor_problem,
        "cpu_rt_problem": host.cpu_rt_problem,
        "swap_problem": host.swap_problem,
        "registered_at": time_as_json(host.registered_at),
        "heartbeat_at": time_as_json(host.heartbeat_at),
        "url": f"/api/v1/hosts/{host.pk}/",
    }
