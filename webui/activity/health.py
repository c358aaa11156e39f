"""What health checks have found, as it comes: the last of each container, with what they printed.

A container's own row tells how it is; here is how it came to be so. The inbox calls `health_record` once per batch.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from webui.accounts.representation import time_as_json
from webui.activity.models import HealthResult
from webui.broadcast import change_publish
from webui.containers.models import Container
from webui.hosts.models import Host
from worker.contract import events as contract
from worker.contract.wire import from_wire, to_wire

KEPT = 50
KEPT_IN_ROW = 5
"""As many as Docker's inspect tells."""


def health_record(*, host: Host, events: Iterable[contract.Event]) -> None:
    """Keep the results among these numbered events, and tell the pages. Call inside a transaction."""
    told: dict[str, list[contract.Event]] = defaultdict(list)
    for event in events:
        if event.kind == contract.HEALTH_CHECKED and event.seq is not None:
            told[event.subject].append(event)
    if not told:
        return
    for container in Container.objects.filter(pk__in=told, host=host):
        _record(container, told[container.pk])


def _record(container: Container, events: list[contract.Event]) -> None:
    results = [_readable(from_wire(contract.HealthResult, event.attributes)) for event in events[-KEPT:]]
    rows = [
        HealthResult(
            container=container,
            start=datetime.fromtimestamp(result.start, UTC),
            end=datetime.fromtimestamp(result.end, UTC),
            exit_code=result.exit_code,
            output=result.output,
        )
        for result in results
    ]
    HealthResult.objects.bulk_create(rows)
    old = HealthResult.objects.filter(container=container).order_by("-id").values_list("id", flat=True)[KEPT:]
    HealthResult.objects.filter(pk__in=list(old)).delete()
    streak = int(events[-1].attributes.get("failing_streak") or 0)
    _renew(container, results, streak)
    change_publish(
        team_id=container.team_id,
        kind="health",
        action="updated",
        id=container.pk,
        object={"failing_streak": streak, "result": result_as_json(rows[-1])},
    )


def _readable(result: contract.HealthResult) -> contract.HealthResult:
    """Databases take no NUL."""
    return replace(result, output=result.output.replace("\0", "\ufffd"))


def _renew(container: Container, results: list[contract.HealthResult], streak: int) -> None:
    """The row has the last few, too, with which its host's next word about it begins anew."""
    known = container.health
    if known is None:
        return
    newest = max((result["start"] for result in known["log"]), default=0.0)
    fresh = [to_wire(result) for result in results if result.start > newest]
    if fresh:
        container.health = {**known, "failing_streak": streak, "log": [*known["log"], *fresh][-KEPT_IN_ROW:]}
        container.save(update_fields=["health"])


def health_results(container: Container) -> list[dict[str, Any]]:
    """The last results, the oldest first."""
    return [result_as_json(row) for row in reversed(HealthResult.objects.filter(container=container).order_by("-id"))]


def result_as_json(row: HealthResult) -> dict[str, Any]:
    return {
        "start": time_as_json(row.start),
        "end": time_as_json(row.end),
        "exit_code": row.exit_code,
        "output": row.output,
    }
