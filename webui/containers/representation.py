"""How a container looks in REST, broadcasts and pages."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from webui.accounts.representation import team_reference_as_json, time_as_json
from webui.containers.models import Container, RemovedContainer
from webui.containers.options import loosened_in_run, options_as_json
from webui.hosts.representation import host_reference_as_json

if TYPE_CHECKING:
    from webui.containers.listed import Listed

_PORT_FIELDS = ("container", "host", "protocol", "address", "host_last")
_MOUNT_FIELDS = ("type", "name", "source", "destination", "read_only")


def container_as_json(container: Container) -> dict[str, Any]:
    """`status` is what the host saw, `desired_status` what was asked for; `ports` as published, else as asked."""
    return seen_as_json(container, asked_as_json(container.spec))


def asked_as_json(spec: Mapping[str, Any]) -> dict[str, Any]:
    """Of the above what the request alone decides."""
    return {
        "ports": _ports(spec.get("ports", [])),
        "command": spec.get("command") or [],
        "entrypoint": spec.get("entrypoint"),
        "user": spec.get("user"),
        "workdir": spec.get("workdir"),
        "hostname": spec.get("hostname"),
        "env": spec.get("env") or {},
        "labels": spec.get("labels") or {},
        "memory_bytes": spec.get("memory_bytes"),
        "cpus": spec.get("cpus"),
        "pids_limit": spec.get("pids_limit"),
        "restart": spec.get("restart") or "no",
        "restart_limit": spec.get("restart_limit"),
        **options_as_json(spec),
    }


def seen_as_json(container: Container | Listed, asked: Mapping[str, Any]) -> dict[str, Any]:
    """All of it, with `asked` of its spec, which is left as it is."""
    return {
        "id": container.pk,
        "short_id": container.pk[:12],
        "name": container.name,
        "image": container.image,
        "image_id": container.image_id,
        "host": host_reference_as_json(container.host),
        "team": team_reference_as_json(container.team),
        "status": container.observed_status,
        "desired_status": container.desired_status,
        "exit_code": container.exit_code,
        "oom_killed": container.oom_killed,
        "error": container.error or None,
        "ip_address": container.ip_address,
        **asked,
        "ports": _ports(container.ports) if container.ports else asked["ports"],
        "mounted": [_mount(mount) for mount in container.mounted],
        "networks_gone": [{"network_id": one["network_id"], "name": one["network"]} for one in container.networks_gone],
        "loosened": loosened_in_run(asked, userns=container.observed_userns, apparmor=container.apparmor_profile),
        "userns_problem": container.userns_problem or None,
        "apparmor_profile": container.apparmor_profile or None,
        "health": _health(container.health),
        "restart_count": container.restart_count,
        "created_by": container.created_by.username if container.created_by else None,
        "created_at": time_as_json(container.created_at),
        "started_at": time_as_json(container.started_at),
        "finished_at": time_as_json(container.finished_at),
        "url": f"/api/v1/containers/{container.pk}/",
    }


def removed_as_json(container: RemovedContainer) -> dict[str, Any]:
    """One that is gone and whose log is kept, by what its team wants now."""
    return {
        "id": container.pk,
        "short_id": container.short_id,
        "name": container.name,
        "image": container.image,
        "host": host_reference_as_json(container.host),
        "team": team_reference_as_json(container.team),
        "exit_code": container.exit_code,
        "created_at": time_as_json(container.created_at),
        "removed_at": time_as_json(container.removed_at),
        "log_kept_until": time_as_json(container.removed_at + timedelta(days=container.team.keep_logs_days)),
    }


def _ports(ports: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    return [{name: port.get(name) for name in _PORT_FIELDS} for port in ports]


def _mount(found: Mapping[str, Any]) -> dict[str, Any]:
    """`source` of an image, and of a directory that was asked for: where a volume lies is nobody's business."""
    shown = {name: found.get(name) for name in _MOUNT_FIELDS}
    return shown if found.get("type") in ("bind", "image") else shown | {"source": ""}


def _health(found: Mapping[str, Any] | None) -> dict[str, Any] | None:
    """The contract's HealthState with times as everywhere else."""
    if found is None:
        return None
    log = [
        {
            **{name: time_as_json(datetime.fromtimestamp(result[name], UTC)) for name in ("start", "end")},
            "exit_code": result["exit_code"],
            "output": result["output"],
        }
        for result in found["log"]
    ]
    return {"status": found["status"], "failing_streak": found["failing_streak"], "log": log}
