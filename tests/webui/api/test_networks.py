"""Networks over REST: who may, what the host is asked, what is refused before."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.valkey import Valkey
from tests.webui.cast import CONTAINER_ID, NETWORK_ID, Caller
from webui.accounts.models import Membership, Role, Team, User
from webui.containers.models import Container
from webui.containers.services import container_apply_state
from webui.hosts.models import Host
from webui.jobs.models import Job
from webui.networks.models import Endpoint, Network
from worker.contract.events import ContainerState

pytestmark = pytest.mark.django_db(transaction=True)


def join(network: Network, container: Container) -> Endpoint:
    return Endpoint.objects.create(
        network=network, container=container, ip="10.20.0.2", mac="02:42:0a:14:00:02", interface="eth0", aliases=["db"]
    )


def test_a_network_is_shown_with_who_is_on_it(teammate: Caller, network: Network, container: Container) -> None:
    join(network, container)
    shown = teammate.get(f"networks/{network.pk}/").json()
    assert (shown["name"], shown["subnet"], shown["gateway"]) == ("front", "10.20.0.0/24", "10.20.0.1")
    assert (shown["ip_range"], shown["mtu"], shown["internal"], shown["icc"]) == (None, None, False, True)
    (one,) = shown["containers"]
    assert (one["id"], one["name"], one["ip"], one["aliases"]) == (CONTAINER_ID, "web", "10.20.0.2", ["db"])
    listed = teammate.get("networks/?search=fro&host=pier").json()
    assert [row["name"] for row in listed["results"]] == ["front"] and listed["results"][0] == shown
    assert teammate.get("networks/?name=fro").json()["count"] == 0


def test_another_teams_container_on_it_is_not_told(teammate: Caller, network: Network, container: Container) -> None:
    join(network, container)
    Container.objects.update(team=Team.objects.create(name="Lighthouse"))
    assert teammate.get(f"networks/{network.pk}/").json()["containers"] == []


def test_a_network_is_made_by_a_job(site_broker: Valkey, owner: Caller, host: Host) -> None:
    wishes = {
        "name": "back",
        "subnet": "10.30.0.0/24",
        "mtu": 1400,
        "internal": True,
        "icc": False,
        "labels": {"a": ""},
        "ipv6": True,
        "subnet6": "fd00:30::/64",
    }
    answer = owner.post("networks/", {**wishes, "gateway": "10.30.0.9", "ip_range": None, "host": "pier"})
    assert answer.status_code == 202
    job = Job.objects.get()
    made = job.command.pop("network_id")
    assert len(made) == 64 and job.subject == "back"
    left_out = dict.fromkeys(("parent", "mode", "ip_range", "gateway6", "ip_range6"))
    assert job.command == {
        "kind": "network.create",
        **left_out,
        **wishes,
        "driver": "bridge",
        "gateway": "10.30.0.9",
        "attachable": False,
        "options": {},
    }


def test_a_wire_of_the_hosts_is_for_those_who_may_loosen(site_broker: Valkey, owner: Caller, host: Host) -> None:
    wishes = {"name": "lan", "driver": "macvlan", "parent": "eth0.100", "subnet": "192.168.7.0/24", "host": "pier"}
    answer = owner.post("networks/", wishes)
    assert (answer.status_code, list(answer.json()["errors"])) == (403, ["driver"])
    User.objects.filter(pk=owner.user.pk).update(is_superuser=True)
    assert owner.post("networks/", wishes).status_code == 202
    command = Job.objects.get().command
    assert (command["driver"], command["parent"], command["mode"]) == ("macvlan", "eth0.100", None)


@pytest.mark.parametrize(
    ("wishes", "status", "fields"),
    [
        ({"name": "host"}, 400, ["name"]),
        ({"name": "back", "subnet": "10.30.0.1"}, 400, ["subnet"]),
        ({"name": "back", "subnet": "10.30.0.0/24", "gateway": "10.31.0.1", "mtu": 5}, 400, ["gateway", "mtu"]),
        ({"name": "back", "labels": {"a\0": "b"}}, 400, ["labels"]),
        ({"name": "back", "driver": "overlay"}, 400, ["driver"]),
        ({"name": "back", "driver": "ipvlan"}, 400, ["parent", "subnet"]),
        ({"name": "back", "parent": "eth0", "mode": "l2"}, 400, ["mode", "parent"]),
        ({"name": "back", "subnet6": "fd00::/64"}, 400, ["subnet6"]),
        ({"name": "back", "ipv6": True, "subnet6": "10.0.0.0/24"}, 400, ["subnet6"]),
        ({"name": "back", "ipv6": True, "subnet6": "fd00::/64", "gateway6": "fd01::1"}, 400, ["gateway6"]),
        ({"name": "front"}, 409, ["name"]),
    ],
)
def test_what_can_not_be_made_is_refused(
    site_broker: Valkey, owner: Caller, network: Network, wishes: dict[str, Any], status: int, fields: list[str]
) -> None:
    answer = owner.post("networks/", wishes)
    assert (answer.status_code, sorted(answer.json()["errors"])) == (status, fields)
    assert not Job.objects.exists()


def test_a_container_joins_and_leaves_by_jobs(
    site_broker: Valkey, owner: Caller, network: Network, container: Container
) -> None:
    wishes = {"ip": "10.20.0.5", "ip6": "fd00:20::5", "mac_address": "02:42:AC:11:00:02", "aliases": ["db"]}
    assert owner.post(f"networks/{network.pk}/connect/", {"container": "web", **wishes}).status_code == 202
    assert owner.post(f"networks/{network.pk}/disconnect/", {"container": CONTAINER_ID}).status_code == 202
    connect, disconnect = [job.command for job in Job.objects.order_by("created_at")]
    both = {"network_id": NETWORK_ID, "container_id": CONTAINER_ID}
    assert connect == {"kind": "network.connect", **both, **wishes, "mac_address": "02:42:ac:11:00:02"}
    assert disconnect == {"kind": "network.disconnect", **both}


@pytest.mark.parametrize(
    ("wishes", "status", "fields"),
    [
        ({"container": "other"}, 404, ["container"]),
        ({"container": CONTAINER_ID[:12]}, 404, ["container"]),
        ({}, 400, ["container"]),
        ({"container": "web", "ip": "::1", "aliases": ["a b"]}, 400, ["aliases", "ip"]),
        ({"container": "web", "mac_address": "01:00:00:00:00:01"}, 400, ["mac_address"]),
    ],
)
def test_a_joining_that_can_not_be_is_refused(
    site_broker: Valkey, owner: Caller, network: Network, container: Container, wishes: Any, status: int, fields: Any
) -> None:
    answer = owner.post(f"networks/{network.pk}/connect/", wishes)
    assert (answer.status_code, sorted(answer.json()["errors"])) == (status, fields)
    assert not Job.objects.exists()


def test_a_container_leaves_by_a_networks_name_also_one_that_was_removed(
    site_broker: Valkey, owner: Caller, host: Host, network: Network, container: Container
) -> None:
    gone = {"network_id": "d" * 64, "network": "back", "aliases": []}
    state = ContainerState(id=CONTAINER_ID, name="web", image="x", status="stopped", networks_gone=(gone,))
    container_apply_state(host=host, seq=1_000_000, state=state)
    assert owner.get(f"containers/{CONTAINER_ID}/").json()["networks_gone"] == [
        {"network_id": "d" * 64, "name": "back"}
    ]
    answer = owner.post(f"containers/{CONTAINER_ID}/leave/", {"network": "front"})
    assert (answer.status_code, list(answer.json()["errors"])) == (404, ["network"])
    join(network, container)
    for word in ("front", NETWORK_ID, "back", "d" * 64):
        assert owner.post(f"containers/{CONTAINER_ID}/leave/", {"network": word}).status_code == 202
    commands = [job.command for job in Job.objects.order_by("created_at")]
    assert {command["kind"] for command in commands} == {"network.disconnect"}
    assert [command["network_id"] for command in commands] == [NETWORK_ID, NETWORK_ID, "d" * 64, "d" * 64]


def test_another_teams_container_joins_nothing_here(
    site_broker: Valkey, owner: Caller, network: Network, container: Container
) -> None:
    Container.objects.update(team=Team.objects.create(name="Lighthouse"))
    for verb in ("connect", "disconnect"):
        assert owner.post(f"networks/{network.pk}/{verb}/", {"container": CONTAINER_ID}).status_code == 404
    assert not Job.objects.exists()


def test_a_network_in_use_stays(site_broker: Valkey, owner: Caller, network: Network, container: Container) -> None:
    endpoint = join(network, container)
    answer = owner.delete(f"networks/{network.pk}/")
    assert answer.status_code == 409 and "in use by web" in answer.json()["detail"]
    endpoint.delete()
    assert owner.delete(f"networks/{network.pk}/").status_code == 202
    assert Job.objects.get().command == {
        "kind": "network.remove",
        "network_id": NETWORK_ID,
        "from_stopped": False,
    }


def test_a_prune_is_rehearsed_and_asked_for(
    site_broker: Valkey, owner: Caller, network: Network, container: Container
) -> None:
    wanted = {"networks": [{"id": network.pk, "name": "front"}], "job": None}
    assert owner.post("networks/prune/", {"dry_run": True}).json() == wanted
    assert owner.post("networks/prune/", {"dry_run": True, "not_labels": ["a"]}).json() == wanted
    Network.objects.update(labels={"a": "b", "c": ""})
    assert owner.post("networks/prune/", {"dry_run": True, "not_labels": ["a", "d"]}).json() == wanted
    for wish in (
        {"labels": ["a=c"]},
        {"until": 5},
        {"not_labels": ["a=b", "c"]},
        {"labels": ["c"], "not_labels": ["a"]},
    ):
        assert owner.post("networks/prune/", {"dry_run": True, **wish}).json()["networks"] == []
    join(network, container)
    assert owner.post("networks/prune/", {"dry_run": True}).json()["networks"] == []
    assert not Job.objects.exists()
    assert owner.post("networks/prune/", {"labels": ["a=b"], "not_labels": ["c"], "until": 5}).json()["job"]
    assert Job.objects.get().command == {
        "kind": "network.prune",
        "until": 5.0,
        "labels": ["a=b"],
        "not_labels": ["c"],
    }


@pytest.mark.parametrize(
    ("role", "status"), [(Role.VIEWER, 403), (Role.OPERATOR, 403), (Role.DEVELOPER, 202), (Role.MAINTAINER, 202)]
)
def test_networks_take_the_right_to_create(
    site_broker: Valkey, teammate: Caller, network: Network, container: Container, role: str, status: int
) -> None:
    Membership.objects.filter(user=teammate.user).update(role=role)
    answers = [
        teammate.post("networks/", {"name": "back"}),
        teammate.post(f"networks/{network.pk}/connect/", {"container": "web"}),
        teammate.post(f"networks/{network.pk}/disconnect/", {"container": "web"}),
        teammate.delete(f"networks/{network.pk}/"),
        teammate.post(f"containers/{CONTAINER_ID}/leave/", {"network": "front"}),
    ]
    assert [answer.status_code for answer in answers[:-1]] == [status] * 4
    assert answers[-1].status_code == (404 if status == 202 else 403)  # who may is told that it isn't on it
    assert teammate.post("networks/prune/").status_code == (200 if status == 202 else 403)
    assert teammate.post("networks/prune/", {"dry_run": True}).status_code == 200


def test_the_topology_tells_who_is_connected_to_what(
    teammate: Caller, network: Network, container: Container, host: Host
) -> None:
    join(network, container)
    published = {"container": 80, "host": 8080, "protocol": "tcp", "address": "127.0.0.1", "x": 1}
    Container.objects.update(observed_status="running", ip_address="10.88.0.2", ports=[published])
    beside = Container.objects.create(
        id="be" * 32, team=host.team, host=host, name="beside", image="x", spec={"network": f"container:{CONTAINER_ID}"}
    )
    (shown,) = teammate.get("networks/topology/").json()["results"]
    assert (shown["name"], shown["online"], [one["name"] for one in shown["networks"]]) == ("pier", True, ["front"])
    by_name = {one["name"]: one for one in shown["containers"]}
    web = by_name["web"]
    assert web["links"] == [
        {"network": None, "ip": "10.88.0.2", "ip6": None, "interface": "eth0"},
        {"network": network.pk, "ip": "10.20.0.2", "ip6": None, "interface": "eth0"},
    ]
    assert web["ports"] == [{key: value for key, value in published.items() if key != "x"}]
    assert (by_name["beside"]["mode"], by_name["beside"]["shares"], by_name["beside"]["links"]) == (
        "container",
        CONTAINER_ID,
        [],
    )
    Container.objects.filter(pk=CONTAINER_ID).update(spec={"network": "front"}, on_default=True)
    (web,) = (one for one in teammate.get("networks/topology/").json()["results"][0]["containers"] if one["links"])
    assert [(link["network"], link["interface"]) for link in web["links"]] == [(None, "eth1"), (network.pk, "eth0")]
    Container.objects.filter(pk=CONTAINER_ID).update(observed_status="stopped", on_default=None)
    beside.delete()
    (only,) = teammate.get("networks/topology/?host=pier").json()["results"][0]["containers"]
    assert (only["mode"], only["ports"], [link["network"] for link in only["links"]]) == ("bridge", [], [network.pk])
    assert teammate.get("networks/topology/?host=none").status_code == 404


def test_the_topology_shows_nobody_what_is_anothers(
    outsider: Caller, teammate: Caller, network: Network, container: Container
) -> None:
    join(network, container)
    assert outsider.get("networks/topology/").json() == {"results": []}
    Container.objects.update(team=Team.objects.create(name="Pilots"))
    assert teammate.get("networks/topology/").json()["results"][0]["containers"] == []
