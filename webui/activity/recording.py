"""Writes down what the hosts tell, each number once, and wakes those who follow.

The inbox calls `events_record` in the transaction that moves the host's number on, so that a row is there if and only
if the number counts as applied: a batch that is applied again writes nothing twice, one that was lost comes again.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Collection, Iterable
from datetime import UTC, datetime, timedelta
from typing import Any

from django.conf import settings
from django.db.models import Max
from django.utils import timezone

from webui.activity.models import Event
from webui.activity.naming import named
from webui.broadcast import wake_publish
from webui.containers.models import Container
from webui.hosts.models import Host
from webui.prepared import Prepared
from webui.prepared_writes import PreparedInsert
from worker.contract import events as contract

logger = logging.getLogger(__name__)

ROWS_MAXIMUM = 1_000_000
TRIM_ROWS = 5_000
TOGETHER = 16
"""So many rows at most are what a verb tells; SQL for each number of them is kept."""
_NEW = PreparedInsert(Event, ignore_conflicts=True)
_CONTAINERS = Prepared(Container.objects.only("team_id"), "host_id", "pk")


def events_record(*, host: Host, events: Iterable[contract.Event]) -> None:
    """Keep those of the host's numbered events that are events to people too. Call inside a transaction."""
    rows = [row for event in events if event.seq is not None and (row := _row(host, event)) is not None]
    if not rows:
        return
    _give_teams(host, rows)
    if len(rows) <= TOGETHER:
        _NEW.all(rows)
    else:
        Event.objects.bulk_create(rows, ignore_conflicts=True)
    wake({str(row.team_id) for row in rows}, {row.container_id for row in rows if row.container_id})


def _row(host: Host, event: contract.Event) -> Event | None:
    try:
        found = named(event)
    except (KeyError, TypeError, ValueError) as error:
        logger.warning("%s number %s of host %s is no event: %r", event.kind, event.seq, host.pk, error)
        return None
    if found is None:
        return None
    return Event(
        host=host,
        journal_era=host.journal_era,
        seq=event.seq,
        at=datetime.fromtimestamp(event.at, UTC),
        type=found.type,
        verb=found.verb[:32],
        action=found.action,
        actor_id=found.actor_id[:128],
        container_id=found.container_id[:64],
        name=found.name[:512],
        image=found.image[:512],
        labels=dict(found.labels),
        attributes=dict(found.attributes),
    )


def _give_teams(host: Host, rows: Collection[Event]) -> None:
    """An event belongs to the team of its container, also after that is gone; all else to the host's."""
    ids = {row.container_id for row in rows if row.container_id}
    teams: dict[str, Any] = {one.pk: one.team_id for one in _CONTAINERS.any_of(ids, host.pk)}
    for container_id in ids - teams.keys():
        earlier = Event.objects.filter(container_id=container_id, host=host).order_by("-id").values_list("team_id")
        teams[container_id] = (earlier.first() or (host.team_id,))[0]
    for row in rows:
        row.team_id = teams.get(row.container_id, host.team_id)


def wake(teams: Collection[str], containers: Collection[str]) -> None:
    """On commit, tell the web processes for whom there is something new; empty `teams`: for everybody."""
    message = json.dumps({"teams": sorted(teams), "containers": sorted(containers)}, separators=(",", ":"))
    wake_publish(message)


def events_trim() -> int:
    """Forget what is older than the site keeps, and what goes beyond `ROWS_MAXIMUM`; how many rows went."""
    before = timezone.now() - timedelta(days=settings.PORTSIDE.events_days)
    newest = Event.objects.aggregate(newest=Max("id"))["newest"] or 0
    gone = 0
    for old in (Event.objects.filter(at__lt=before), Event.objects.filter(id__lte=newest - ROWS_MAXIMUM)):
        while ids := list(old.order_by("id").values_list("id", flat=True)[:TRIM_ROWS]):
            gone += Event.objects.filter(pk__in=ids).delete()[0]
    return gone
