"""How builds look in REST, broadcasts and pages."""

from __future__ import annotations

from typing import Any

from webui.accounts.representation import team_reference_as_json, time_as_json
from webui.builds.models import Build, BuildContext, BuildDelivery, BuildRule
from webui.hosts.representation import host_reference_as_json


def build_as_json(build: Build) -> dict[str, Any]:
    """`status` and times are its job's. Of secrets it has the ids alone; `wish` is what was asked for."""
    job, requested_by = build.job, build.requested_by
    steps = build.steps
    return {
        "id": build.pk.hex,
        "url": f"/api/v1/builds/{build.pk.hex}/",
        "name": build.name,
        "status": str(job.status),
        "error": job.error,
        "job": {"id": str(job.pk), "url": f"/api/v1/jobs/{job.pk}/"},
        "wish": build.wish,
        "context": None if build.context is None else context_as_json(build.context),
        "steps": len(steps),
        "steps_cached": sum(1 for step in steps if step.get("state") == "cached"),
        "image_id": build.image_id or None,
        "commit": build.commit or None,
        "trigger": build.trigger or None,
        "again_of": None if build.again_of_id is None else build.again_of_id.hex,
        "requested_by": requested_by.get_username() if requested_by else None,
        "host": host_reference_as_json(build.host),
        "team": team_reference_as_json(build.team),
        "created_at": time_as_json(build.created_at),
        "started_at": time_as_json(job.started_at),
        "finished_at": time_as_json(job.finished_at),
        "duration_seconds": job.duration_seconds,
        "cancel_requested": job.cancel_requested_at is not None,
    }


_STEP = {"stage": "", "inputs": [], "state": "done", "started_at": None, "seconds": None, "size_bytes": None}


def steps_as_json(build: Build) -> list[dict[str, Any]]:
    """The steps of a build that has ended, in the order of their beginning."""
    return [
        {"id": str(step.get("id", "")), "name": str(step.get("name", ""))}
        | {key: step.get(key, _STEP[key]) for key in _STEP}
        for step in build.steps
    ]


def context_as_json(context: BuildContext) -> dict[str, Any]:
    """`size_bytes` and `files` are what the host has found in it."""
    return {
        "id": context.pk.hex,
        "name": context.name,
        "size_bytes": context.size_bytes,
        "files": context.files,
        "host": host_reference_as_json(context.host),
        "created_at": time_as_json(context.created_at),
    }


def rule_as_json(rule: BuildRule) -> dict[str, Any]:
    """The secret is shown when it is made, and never again. `hook`: the path that a forge calls."""
    created_by = rule.created_by
    return {
        "id": rule.pk.hex,
        "url": f"/api/v1/builds/rules/{rule.pk.hex}/",
        "hook": f"/hooks/builds/{rule.pk.hex}/",
        "push": False,
        "ssh_keys": {},
        "name": rule.name,
        **rule.wish,
        "enabled": rule.enabled,
        "refused_at": time_as_json(rule.refused_at),
        "refusal": rule.refusal,
        "created_by": created_by.get_username() if created_by else None,
        "host": host_reference_as_json(rule.host),
        "team": team_reference_as_json(rule.team),
        "created_at": time_as_json(rule.created_at),
    }


def delivery_as_json(delivery: BuildDelivery) -> dict[str, Any]:
    """`outcome`: built, ignored or refused; `reason` says why of the last two."""
    return {
        "id": delivery.pk.hex,
        "url": f"/api/v1/builds/rules/{delivery.rule_id.hex}/deliveries/{delivery.pk.hex}/",
        "delivery_id": delivery.delivery_id,
        "event": delivery.event,
        "ref": delivery.ref,
        "commit": delivery.commit,
        "sender": delivery.sender,
        "outcome": delivery.outcome,
        "reason": delivery.reason,
        "build": None if delivery.build_id is None else delivery.build_id.hex,
        "received_at": time_as_json(delivery.received_at),
    }
