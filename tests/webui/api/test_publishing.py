"""Where a team publishes ports: at the host's loopback, and where an administrator allows; by every door."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.valkey import Valkey
from tests.webui.cast import Caller, caller
from webui.accounts.models import Team, User
from webui.containers.models import Container
from webui.hosts.models import Host
from webui.jobs.models import Job

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def administrator(team: Team) -> Caller:
    return caller(User.objects.create_superuser(username="root"))


def run(who: Caller, *ports: dict[str, Any]) -> Any:
    return who.post("containers/", {"image": "alpine", "ports": list(ports)})


def change(who: Caller, team: Team, **wish: Any) -> Any:
    return who.call("patch", f"teams/{team.pk}/", wish)


def test_members_publish_at_loopback_alone_until_more_is_allowed(
    site_broker: Valkey, owner: Caller, administrator: Caller, host: Host, team: Team
) -> None:
    for address in ("127.0.0.1", "127.0.0.9", None):
        assert run(owner, {"container": 80, "address": address}).status_code == 202, address
    refused = run(owner, {"container": 80}, {"container": 81, "address": "0.0.0.0"})
    assert refused.status_code == 403
    assert "ask an administrator to allow it under Settings" in refused.json()["detail"]
    wanted = "The team Harbour publishes at 127.0.0.1 alone: choose that, or ask an administrator to allow 0.0.0.0."
    assert refused.json()["errors"] == {"ports.1.address": [wanted]}
    assert run(administrator, {"container": 81, "address": "0.0.0.0"}).status_code == 202
    assert change(administrator, team, publish_addresses=["10.0.0.0/8", "192.168.1.5"]).status_code == 200
    for address, status in (
        ("10.9.9.9", 202),
        ("192.168.1.5", 202),
        ("192.168.1.6", 403),
        ("0.0.0.0", 403),
        ("::", 403),
    ):
        assert run(owner, {"container": 80, "address": address}).status_code == status, address
    assert change(administrator, team, publish_addresses=["0.0.0.0/0", "::"]).json()["publish_addresses"] == [
        "0.0.0.0/0",
        "::/0",
    ]
    for address in ("0.0.0.0", "::", "2001:db8::1", "8.8.8.8"):
        assert run(owner, {"container": 80, "address": address}).status_code == 202, address


def test_a_port_without_an_address_is_at_the_teams_usual_one(
    site_broker: Valkey, owner: Caller, administrator: Caller, host: Host, team: Team
) -> None:
    usual = {"publish_addresses": ["10.0.0.5"], "publish_default": "10.0.0.5"}
    assert change(administrator, team, **usual).json()["publish_default"] == "10.0.0.5"
    assert run(owner, {"container": 80}).status_code == 202
    assert Container.objects.get().spec["ports"][0]["address"] == "10.0.0.5"


def test_all_that_is_exposed_is_published_where_the_team_does(
    site_broker: Valkey, owner: Caller, administrator: Caller, host: Host, team: Team
) -> None:
    everything = {"image": "alpine", "publish_all": True}
    assert change(administrator, team, publish_addresses=["10.0.0.5"], publish_default="10.0.0.5").status_code == 200
    assert owner.post("containers/", everything).status_code == 202
    assert Container.objects.get().spec["publish_address"] == "10.0.0.5"
    refused = owner.post("containers/", everything | {"publish_address": "0.0.0.0"})
    assert (refused.status_code, list(refused.json()["errors"])) == (403, ["publish_address"])
    assert owner.post("containers/", everything | {"publish_address": "127.0.0.1"}).status_code == 202


def test_ranges_become_ports_and_one_of_a_range_stays_a_range(site_broker: Valkey, owner: Caller, host: Host) -> None:
    ports = (
        {"container": 80, "container_last": 81, "host": 8000, "host_last": 8001, "protocol": "udp"},
        {"container": 90, "host": 9000, "host_last": 9005},
    )
    assert run(owner, *ports).status_code == 202
    made = Container.objects.get()
    wanted = [(80, 8000, None, "udp"), (81, 8001, None, "udp"), (90, 9000, 9005, "tcp")]
    assert [
        tuple(one[name] for name in ("container", "host", "host_last", "protocol")) for one in made.spec["ports"]
    ] == wanted
    path = f"containers/{made.pk}/update/"
    assert owner.post(path, {"add_ports": [ports[0] | {"protocol": "tcp"}]}).status_code == 202
    added = Job.objects.get(kind="container.update").command["changes"]["add_ports"]
    assert [(one["container"], one["host"]) for one in added] == [(80, 8000), (81, 8001)]
    refused = owner.post(path, {"add_ports": [{"container": 1}, {"container": 80, "container_last": 7}]})
    assert (refused.status_code, list(refused.json()["errors"])) == (400, ["add_ports.1.container_last"])


def test_a_change_of_ports_is_held_to_it_too_and_leaves_what_there_was(
    site_broker: Valkey, owner: Caller, host: Host, container: Container
) -> None:
    path = f"containers/{container.pk}/update/"
    open_port = {"container": 80, "host": 80, "protocol": "tcp", "address": "0.0.0.0"}
    for wish in ({"ports": [open_port]}, {"add_ports": [open_port]}):
        answer = owner.post(path, wish)
        assert answer.status_code == 403
        assert list(answer.json()["errors"]) == [f"{next(iter(wish))}.0.address"]
    assert not Job.objects.exists()
    Container.objects.update(spec={**container.spec, "ports": [open_port]})
    assert owner.post(path, {"ports": [open_port, {"container": 81}]}).status_code == 202
    assert owner.post(path, {"ports": [{**open_port, "container": 8080}]}).status_code == 202
    for change in ({"host": 22}, {"host": None}, {"protocol": "udp"}):
        answer = owner.post(path, {"ports": [open_port, {**open_port, **change}]})
        assert (answer.status_code, list(answer.json()["errors"])) == (403, ["ports.1.address"]), change


@pytest.mark.parametrize(
    ("wish", "field"),
    [
        ({"publish_addresses": ["10.0.0.1/8"]}, "publish_addresses"),
        ({"publish_addresses": ["everywhere"]}, "publish_addresses"),
        ({"publish_addresses": ["10.0.0.0/8"] * 51}, "publish_addresses"),
        ({"publish_default": "pier"}, "publish_default"),
        ({"publish_default": "0.0.0.0"}, "publish_default"),
    ],
)
def test_what_can_not_be_allowed_is_told(administrator: Caller, team: Team, wish: dict[str, Any], field: str) -> None:
    answer = change(administrator, team, **wish)
    assert (answer.status_code, list(answer.json()["errors"])) == (400, [field])
    team.refresh_from_db()
    assert (team.publish_addresses, team.publish_default) == ([], "127.0.0.1")


def test_it_is_for_administrators_to_say(owner: Caller, team: Team) -> None:
    answer = change(owner, team, publish_addresses=["0.0.0.0/0"])
    assert (answer.status_code, list(answer.json()["errors"])) == (403, ["publish_addresses"])
    team.refresh_from_db()
    assert team.publish_addresses == []
