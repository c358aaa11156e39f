"""Writes about hosts: they register by themselves, beat, and say goodbye; nobody creates them by hand."""

from __future__ import annotations

from datetime import UTC, datetime

from django.db import transaction
from django.utils import timezone

from engine.errors import NotFound
from webui.accounts.models import User
from webui.accounts.roles import Rights
from webui.accounts.seeing import sees_all
from webui.accounts.services import team_default
from webui.broadcast import change_publish
from webui.hosts.models import Host, HostQuerySet
from webui.hosts.representation import host_as_json
from webui.prepared import Prepared
from worker.contract.events import HostFacts
from worker.contract.wire import to_wire

_TEXT_FACTS = (
    "session", "name", "kernel", "architecture", "operating_system", "cgroup_version", "engine_version",
    "apparmor_profile", "apparmor_problem", "cpu_rt_problem", "swap_problem",
)  # fmt: skip
_ALL = Host.objects.select_related("team")
_FIRST_TWO = Prepared(_ALL, limit=2)
_BY_ID = Prepared(_ALL, "pk")
_BY_NAME = Prepared(_ALL.order_by("-heartbeat_at"), "name")
_NUMBER_FACTS = ("cores", "memory_bytes", "disk_total_bytes", "disk_free_bytes")


@transaction.atomic
def host_register(*, host_id: str, facts: HostFacts, at: float) -> Host:
    """A worker has started: make or refresh its row. `at` is Unix seconds, as in the event."""
    host, _ = Host.objects.get_or_create(pk=host_id, defaults={"team": team_default(), "name": facts.name})
    _take_facts(host, facts, at)
    host.stopped_at = None
    host.save()
    host_publish(host)
    return host


@transaction.atomic
def host_heartbeat(*, host_id: str, facts: HostFacts, at: float) -> Host:
    """A worker lives. Pages are told only when the host was offline or a fact that they show has changed."""
    host = _BY_ID.first(host_id)
    if host is None:
        return host_register(host_id=host_id, facts=facts, at=at)
    before = {**host_as_json(host), "heartbeat_at": None}
    _take_facts(host, facts, at)
    host.save()
    if before != {**host_as_json(host), "heartbeat_at": None}:
        host_publish(host)
    return host


@transaction.atomic
def host_stopped(*, host_id: str, at: float) -> None:
    """A worker said goodbye: the host is offline at once. A host that nobody knows is passed over."""
    host = Host.objects.select_related("team").filter(pk=host_id).first()
    if host is None:
        return
    # A clock of the host's that is slow must not let the goodbye look older than the last heartbeat.
    host.stopped_at = max(_moment(at), host.heartbeat_at or _moment(at))
    host.save(update_fields=["stopped_at"])
    host_publish(host)


def host_publish(host: Host) -> None:
    """Tell the open pages what the host looks like now; also when it fell silent."""
    change_publish(team_id=host.team_id, kind="host", action="updated", id=host.pk, object=host_as_json(host))


def host_choose(*, user: User, host: str | None) -> Host:
    """The host that `user` means by a name or an id; None means the only one there is.

    Of several of a name the one that is there is meant. Raises NotFound with the field `host` when it can't be told.
    """
    view = HostQuerySet.view_action
    if host:
        rights = Rights(user)
        for query in (_BY_ID, _BY_NAME):  # the second begins with those that were heard last
            found = [one for one in query.all(host) if view in rights.of(one.team_id, host=one)]
            if len(found) > 1 and found[1].is_online:
                ids = ", ".join(one.pk for one in found if one.is_online)
                raise _no_host(f"there are several hosts called {host}: say by its id which one ({ids})")
            if found:
                return found[0]
        raise _no_host(f"there is no host {host!r}: the list of hosts shows names and ids")
    hosts = _FIRST_TWO.all() if sees_all(user, view) else list(_ALL.visible_to(user)[:2])
    if not hosts:
        raise _no_host(why_none())
    if len(hosts) > 1:
        raise _no_host("there are several hosts: say which one, by its name or id")
    return hosts[0]


def why_none() -> str:
    """For somebody who sees no host: whether there is any. Queries the database."""
    if Host.objects.exists():
        return "there are hosts, but none is open to your team: ask an administrator to move one to it"
    return "no host has registered yet: start a worker on the machine that is to run containers"


def _no_host(message: str) -> NotFound:
    return NotFound(message, {"fields": {"host": [message]}})


def _take_facts(host: Host, facts: HostFacts, at: float) -> None:
    for name in _TEXT_FACTS:
        limit = Host._meta.get_field(name).max_length or 0
        setattr(host, name, getattr(facts, name)[:limit])
    for name in _NUMBER_FACTS:
        setattr(host, name, max(0, getattr(facts, name)))
    host.runtimes = to_wire(facts.runtimes)
    moment = min(_moment(at), timezone.now())  # one that is fast would keep a dead host online
    if host.heartbeat_at is None or moment > host.heartbeat_at:
        host.heartbeat_at = moment


def _moment(at: float) -> datetime:
    return datetime.fromtimestamp(at, UTC)
