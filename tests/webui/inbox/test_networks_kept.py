"""What hosts say of networks becomes rows and changes: who is on them, and when either goes."""

from __future__ import annotations

import json
import threading
from typing import Any

import pytest
from django.db import connection

from tests.support.processes import eventually
from tests.webui.inbox.conftest import FakeHost
from webui.activity.models import Event
from webui.containers.models import Container
from webui.hosts.models import Host
from webui.inbox.reader import Inbox
from webui.networks import telling
from webui.networks.models import Endpoint, Network
from worker.contract import keys

pytestmark = pytest.mark.django_db(transaction=True)

FRONT, BACK, CONTAINER = "ab" * 32, "cd" * 32, "c0ffee" + "0" * 58


def network(network_id: str = FRONT, name: str = "front", **more: Any) -> dict[str, Any]:
    return {"id": network_id, "name": name, "subnet": "10.1.0.0/22", "gateway": "10.1.0.1", "created_at": 5.0, **more}


def state(*networks: str, **more: Any) -> dict[str, Any]:
    joined = [
        {"network_id": one, "network": "x", "ip": "10.1.0.2", "mac": "02:00:00:00:00:02", "interface": "eth0",
         "aliases": ["db"], "prefix": 22, "gateway": "10.1.0.1"}
        for one in networks
    ]  # fmt: skip
    return {"id": CONTAINER, "name": "web", "image": "alpine", "status": "running", "networks": joined, **more}


def on(name: str) -> list[str]:
    return list(Endpoint.objects.filter(network__name=name).values_list("container__name", flat=True))


def test_a_network_appears_and_goes(pier: FakeHost, inbox: Inbox, host: Host) -> None:
    pier.say("network.created", FRONT, network(mtu=1400, internal=True, icc=False, labels={"a": "b"}))
    inbox.read_once()
    row = Network.objects.get()
    assert (row.name, row.subnet, row.gateway, row.mtu) == ("front", "10.1.0.0/22", "10.1.0.1", 1400)
    assert (row.internal, row.icc, row.labels, row.created_at.timestamp()) == (True, False, {"a": "b"}, 5.0)
    pier.say("network.removed", FRONT, {"type": "network", "name": "front", "labels": {}})
    inbox.read_once()
    assert not Network.objects.exists()
    assert [change["action"] for change in pier.changes("network")] == ["updated", "removed"]


def test_made_and_removed_in_one_batch_is_gone_and_made_anew_is_there(pier: FakeHost, inbox: Inbox, host: Host) -> None:
    pier.say("network.created", FRONT, network())
    pier.say("network.removed", FRONT, {"type": "network", "name": "front"})
    pier.say("network.created", BACK, network(BACK))
    inbox.read_once()
    assert [row.network_id for row in Network.objects.all()] == [BACK]


def test_containers_join_and_leave(pier: FakeHost, inbox: Inbox, host: Host) -> None:
    pier.say("network.created", FRONT, network())
    pier.say("network.created", BACK, network(BACK, "back"))
    pier.say("container.started", CONTAINER, state(FRONT))
    inbox.read_once()
    assert (on("front"), on("back")) == (["web"], [])
    pier.say("container.updated", CONTAINER, state(BACK))
    inbox.read_once()
    assert (on("front"), on("back")) == ([], ["web"])
    told = {change["object"]["name"]: change["object"]["containers"] for change in pier.changes("network")}
    assert told["front"] == []
    assert [(one["name"], one["ip"], one["aliases"]) for one in told["back"]] == [("web", "10.1.0.2", ["db"])]
    before = len(pier.changes("network"))
    pier.say("container.updated", CONTAINER, state(BACK, restart_count=1))
    inbox.read_once()
    assert len(pier.changes("network")) == before, "nothing new is not told"
    pier.say("container.removed", CONTAINER, {"type": "container"})
    inbox.read_once()
    assert not Container.objects.exists() and on("back") == []
    assert pier.changes("network")[-1]["object"]["containers"] == []


def test_a_network_that_is_unknown_is_passed_over(pier: FakeHost, inbox: Inbox, host: Host) -> None:
    pier.say("container.started", CONTAINER, state(FRONT))
    inbox.read_once()
    assert Container.objects.exists() and not Endpoint.objects.exists()


def test_an_inventory_is_the_whole_truth(pier: FakeHost, inbox: Inbox, host: Host) -> None:
    pier.say("network.created", FRONT, network())
    pier.say("container.started", CONTAINER, state(FRONT))
    inbox.read_once()
    said = {"containers": [state(BACK)], "images": [], "networks": [network(BACK, "front")]}
    pier.say("host.inventory", pier.host_id, said)
    inbox.read_once()
    assert [row.network_id for row in Network.objects.all()] == [BACK]
    assert on("front") == ["web"]
    pier.say("host.inventory", pier.host_id, {"containers": [state()], "images": []})
    inbox.read_once()
    assert not Network.objects.exists() and Container.objects.exists()


def test_the_activity_has_dockers_words(pier: FakeHost, inbox: Inbox, host: Host) -> None:
    for action in ("create", "prune", "destroy"):
        about = {"action": action, "type": "network", "name": "front", "labels": {}}
        pier.say("action.done", "" if action == "prune" else FRONT, about)
    for action in ("connect", "disconnect"):
        about = {"action": action, "type": "network", "name": "front", "container": CONTAINER}
        pier.say("action.done", "front", about)
    inbox.read_once()
    kept = Event.objects.order_by("id").values_list("type", "action", "container_id")
    assert [one[:2] for one in kept] == [
        ("network", action) for action in ("create", "prune", "destroy", "connect", "disconnect")
    ]
    assert [one[2] for one in kept][-2:] == [CONTAINER] * 2


def test_a_burst_of_containers_is_told_of_its_network_once_and_after_them(pier: FakeHost, host: Host) -> None:
    pier.say("network.created", FRONT, network())
    inbox, stop = Inbox(), threading.Event()
    running = threading.Thread(target=lambda: (inbox.run(stop), connection.close()))
    running.start()
    try:
        eventually(lambda: pier.acknowledged() == 1)
        for number in range(20):
            joined = state(FRONT)["networks"]
            container_id = f"{number:064x}"
            pier.say("container.started", container_id, {**state(), "id": container_id, "name": f"c{number}",
                                                         "networks": joined})  # fmt: skip
        eventually(lambda: len(pier.changes("network")[-1]["object"]["containers"]) == 20)
        assert len(pier.changes("network")) <= 10, "each start wrote the whole network anew"
        last = pier.client.xrevrange(keys.CHANGES, count=1)[0][1][b"m"]
        assert json.loads(last)["kind"] == "network"
    finally:
        stop.set()
        running.join()


def test_what_waits_is_told_before_the_inbox_stops(pier: FakeHost, host: Host) -> None:
    pier.say("network.created", FRONT, network())
    pier.say("container.started", CONTAINER, state(FRONT))
    stop = threading.Event()
    stop.set()
    Inbox().run(stop)
    assert len(pier.changes("network")[-1]["object"]["containers"]) == 1


def test_what_the_database_refuses_of_a_batch_takes_nothing_else_along(
    pier: FakeHost, inbox: Inbox, host: Host
) -> None:
    """All are applied in one transaction, which on PostgreSQL an error would end."""
    pier.say("network.created", FRONT, network())
    for number, pid in enumerate((1, 1 << 80, 3)):
        joined = {**state(FRONT), "id": f"{number:064x}", "name": f"c{number}", "pid": pid}
        pier.say("container.started", f"{number:064x}", joined)
    inbox.read_once()
    assert sorted(Container.objects.values_list("name", flat=True)) == ["c0", "c2"]
    assert sorted(Endpoint.objects.values_list("container__name", flat=True)) == ["c0", "c2"]
    assert Host.objects.get(pk=host.pk).last_event_seq == pier.acknowledged() == 4
    wrong = {**state(), "id": f"{0:064x}", "name": "c0", "pid": 1 << 80}
    pier.say("container.died", f"{0:064x}", wrong)
    pier.say("container.removed", f"{2:064x}")
    inbox.read_once()
    assert list(Endpoint.objects.values_list("container__name", flat=True)) == ["c0"], "it is as it was before"
    assert len(pier.changes("network")[-1]["object"]["containers"]) == 1


def test_a_network_of_which_nothing_can_be_said_stops_nobody(
    pier: FakeHost, host: Host, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    pier.say("network.created", FRONT, network())
    pier.say("network.created", BACK, network(BACK, "back"))

    def said(row: Network) -> dict[str, Any]:
        if row.name == "front":
            raise ValueError("front")
        return {"name": row.name}

    monkeypatch.setattr(telling, "network_as_json", said)
    stop = threading.Event()
    stop.set()
    Inbox().run(stop)
    assert [change["object"]["name"] for change in pier.changes("network")] == ["back"]
    assert "nothing can be told of network" in caplog.text
