"""The names of a network over REST: those that its resolver answers, and nobody else's."""

from __future__ import annotations

import pytest

from tests.webui.cast import CONTAINER_ID, Caller
from webui.accounts.models import Team
from webui.containers.models import Container
from webui.networks.models import Endpoint, Network

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def endpoint(network: Network, container: Container) -> Endpoint:
    labels = {"com.docker.compose.service": "shop"}
    Container.objects.update(observed_status="running", spec={"hostname": "Box", "labels": labels})
    return Endpoint.objects.create(
        network=network, container=container, ip="10.20.0.2", ip6="fd00::2", interface="eth0", aliases=["DB", "web"]
    )


def test_names_are_told_with_their_addresses(teammate: Caller, network: Network, endpoint: Endpoint) -> None:
    answer = teammate.get(f"networks/{network.pk}/names/")
    assert answer.status_code == 200
    found = {one["name"]: one for one in answer.json()["names"]}
    kinds = {name: one["kinds"] for name, one in found.items()}
    assert kinds == {
        "web": ["name"], "box": ["hostname"], "shop": ["service"], "db": ["alias"], CONTAINER_ID[:12]: ["id"],
    }  # fmt: skip
    for one in found.values():
        assert one["addresses"] == ["10.20.0.2", "fd00::2"]
        assert one["containers"] == [{"id": CONTAINER_ID, "name": "web"}]


def test_a_name_that_several_have_leads_to_all(
    teammate: Caller, network: Network, endpoint: Endpoint, container: Container
) -> None:
    other = Container.objects.create(
        id="f" * 64, host=container.host, team=container.team, name="api", image="x", observed_status="running"
    )
    Endpoint.objects.create(network=network, container=other, ip="10.20.0.3", interface="eth0", aliases=["db"])
    found = {one["name"]: one for one in teammate.get(f"networks/{network.pk}/names/").json()["names"]}
    assert found["db"]["addresses"] == ["10.20.0.2", "fd00::2", "10.20.0.3"]
    assert [one["name"] for one in found["db"]["containers"]] == ["web", "api"]
    assert found["f" * 12]["kinds"] == ["id"]


def test_who_rests_or_is_another_teams_is_not_told(teammate: Caller, network: Network, endpoint: Endpoint) -> None:
    Container.objects.update(observed_status="stopped")
    assert teammate.get(f"networks/{network.pk}/names/").json() == {"names": []}
    Container.objects.update(observed_status="running", team=Team.objects.create(name="Lighthouse"))
    assert teammate.get(f"networks/{network.pk}/names/").json() == {"names": []}
