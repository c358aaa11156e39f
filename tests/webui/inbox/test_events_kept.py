"""What the hosts tell is kept once, in order, for the right team, whatever is repeated, lost or begun anew."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from tests.webui.inbox.conftest import FakeHost
from webui.accounts.models import Team
from webui.activity import recording
from webui.activity.models import Event
from webui.containers.models import Container
from webui.hosts.models import Host
from webui.inbox import applying
from webui.inbox.reader import Inbox
from worker.contract import keys

pytestmark = pytest.mark.django_db(transaction=True)

CONTAINER = "c0ffee" + "0" * 58


def state(status: str, **more: Any) -> dict[str, Any]:
    return {"id": CONTAINER, "name": "web", "image": "alpine", "status": status, **more}


def actions() -> list[str]:
    return list(Event.objects.values_list("action", flat=True))


def test_a_batch_is_kept_whole_though_only_its_last_state_counts(pier: FakeHost, inbox: Inbox, host: Host) -> None:
    batch = [
        pier.append("container.created", CONTAINER, state("created")),
        pier.append("container.started", CONTAINER, state("running")),
        pier.append("container.died", CONTAINER, state("stopped", exit_code=3)),
        pier.append("container.started", CONTAINER, state("running")),
    ]
    pier.publish(*batch)
    inbox.read_once()
    pier.publish(*batch)  # a worker that does not know that they arrived
    inbox.read_once()
    assert actions() == ["create", "start", "die", "start"]
    assert Event.objects.get(action="die").attributes == {"exitCode": "3"}
    woken = [json.loads(fields[b"m"]) for _, fields in pier.client.xrange(keys.ACTIVITY)]
    assert woken[-1] == {"teams": [str(host.team_id)], "containers": [CONTAINER]}


def test_a_batch_that_could_not_be_applied_is_kept_once_when_it_can(
    pier: FakeHost, inbox: Inbox, host: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    from django.db import OperationalError

    pier.say("container.started", CONTAINER, state("running"))
    with monkeypatch.context() as patch:

        def broken(*_: Any, **__: Any) -> None:
            raise OperationalError("gone")

        patch.setattr(applying, "condensed", broken)
        with pytest.raises(OperationalError):
            inbox.read_once()
    assert actions() == []
    inbox.read_once()
    assert actions() == ["start"]


def test_an_event_stays_its_containers_teams_also_after_the_end(pier: FakeHost, inbox: Inbox, host: Host) -> None:
    other = Team.objects.create(name="Dock")
    Container.objects.create(pk=CONTAINER, team=other, host=host, name="web", image="alpine")
    pier.say("container.started", CONTAINER, state("running"))
    inbox.read_once()
    pier.say("container.removed", CONTAINER, {"type": "container", "name": "web"})
    inbox.read_once()
    pier.say("exec.died", "e" * 64, {"container": CONTAINER, "exit_code": 0})
    pier.say("action.done", "sha256:1", {"action": "pull", "type": "image", "name": "alpine:3"})
    inbox.read_once()
    assert not Container.objects.exists()
    assert [(event.action, event.team.name) for event in Event.objects.select_related("team")] == [
        ("start", "Dock"),
        ("destroy", "Dock"),
        ("exec_die", "Dock"),
        ("pull", "Harbour"),
    ]


def test_a_host_that_counts_anew_is_believed_again(pier: FakeHost, inbox: Inbox, host: Host) -> None:
    pier.say("container.started", CONTAINER, state("running"))
    inbox.read_once()
    inbox._begin_anew(host.pk)
    pier.journal.clear()
    pier.say("container.died", CONTAINER, state("stopped", exit_code=0))
    inbox.read_once()
    assert list(Event.objects.values_list("action", "seq", "journal_era")) == [("start", 1, 0), ("die", 1, 1)]


def test_nonsense_is_left_out_and_stops_nothing(pier: FakeHost, inbox: Inbox, host: Host) -> None:
    pier.say("action.done", "x", {"type": "planet", "action": "explode"})
    pier.say("container.started", CONTAINER, state("running"))
    inbox.read_once()
    assert actions() == ["start"] and Host.objects.get(pk=host.pk).last_event_seq == 2


def test_old_events_go_and_too_many_go(
    pier: FakeHost, inbox: Inbox, host: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(6):
        pier.say("container.started" if number % 2 == 0 else "container.died", CONTAINER, state("running"))
    inbox.read_once()
    first, second = Event.objects.all()[:2]
    Event.objects.filter(pk=first.pk).update(at=timezone.now() - timedelta(days=31))
    assert recording.events_trim() == 1
    monkeypatch.setattr(recording, "ROWS_MAXIMUM", 4)
    assert recording.events_trim() == 1
    assert Event.objects.count() == 4 and not Event.objects.filter(pk=second.pk).exists()
