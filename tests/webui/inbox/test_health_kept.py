"""Each health check reaches the site as it happens, and the last of them stay."""

from __future__ import annotations

from typing import Any

import pytest

from tests.webui.inbox.conftest import FakeHost
from webui.activity import health
from webui.activity.health import health_results
from webui.containers.models import Container
from webui.hosts.models import Host
from webui.inbox.reader import Inbox

pytestmark = pytest.mark.django_db(transaction=True)

CONTAINER = "c0ffee" + "0" * 58


def state(**more: Any) -> dict[str, Any]:
    found = {"status": "starting", "failing_streak": 0, "log": [], **more}
    return {"id": CONTAINER, "name": "web", "image": "alpine", "status": "running", "health": found}


def checked(number: int, exit_code: int = 0) -> dict[str, Any]:
    result = {"start": 1000.0 + number, "end": 1000.5 + number, "exit_code": exit_code, "output": f"check {number}\0"}
    return {"run": 1, "failing_streak": int(exit_code != 0), **result}


def test_results_are_kept_in_order_and_the_row_has_the_last_five(
    pier: FakeHost, inbox: Inbox, host: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(health, "KEPT", 8)
    batch = [pier.append("container.started", CONTAINER, state())]
    batch += [pier.append("health.checked", CONTAINER, checked(number, number % 2)) for number in range(11)]
    pier.publish(*batch)
    inbox.read_once()
    pier.publish(*batch)
    inbox.read_once()
    container = Container.objects.get(pk=CONTAINER)
    kept = health_results(container)
    assert [one["output"] for one in kept] == [f"check {number}\ufffd" for number in range(3, 11)]
    assert kept[-1] | {"output": ""} == {
        "start": "1970-01-01T00:16:50.000Z",
        "end": "1970-01-01T00:16:50.500Z",
        "exit_code": 0,
        "output": "",
    }
    assert [one["start"] for one in container.health["log"]] == [1006.0, 1007.0, 1008.0, 1009.0, 1010.0]
    told = pier.changes("health")
    assert [(change["id"], change["object"]["failing_streak"]) for change in told] == [(CONTAINER, 0)]


def test_a_result_of_what_is_not_there_any_more_stops_nothing(pier: FakeHost, inbox: Inbox, host: Host) -> None:
    pier.say("health.checked", CONTAINER, checked(1))
    inbox.read_once()
    assert Host.objects.get(pk=host.pk).last_event_seq == 1
