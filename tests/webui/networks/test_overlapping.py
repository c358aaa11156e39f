"""Subnets that overlap one that the site knows of are refused at once, beside their fields."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.valkey import Valkey
from tests.webui.cast import Caller
from webui.containers.models import Container
from webui.hosts.models import Host
from webui.jobs.models import Job
from webui.networks.models import Network

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.mark.parametrize(
    ("wishes", "fields"),
    [
        ({"subnet": "10.20.0.0/24"}, ["subnet"]),
        ({"subnet": "10.20.0.128/25"}, ["subnet"]),
        ({"subnet": "10.0.0.0/8", "ipv6": True, "subnet6": "fd00::/48"}, ["subnet", "subnet6"]),
        ({"subnet": "10.88.4.0/22"}, ["subnet"]),
        ({"subnet": "10.21.0.0/24", "ipv6": True, "subnet6": "fd01::/64"}, []),
        ({"subnet": "10.88.16.0/22"}, []),
        ({}, []),
    ],
)
def test_a_subnet_that_another_network_of_the_host_has_is_refused(
    site_broker: Valkey, owner: Caller, network: Network, container: Container, wishes: dict[str, Any], fields: Any
) -> None:
    Network.objects.update(ipv6=True, subnet6="fd00::/64")
    Container.objects.update(ip_address="10.88.0.7")
    answer = owner.post("networks/", {"name": "back", **wishes})
    assert answer.status_code == (409 if fields else 202)
    assert sorted(answer.json().get("errors", ())) == fields
    assert Job.objects.exists() == (not fields)


def test_the_sentence_names_the_other_network(
    site_broker: Valkey, owner: Caller, network: Network, container: Container
) -> None:
    said = owner.post("networks/", {"name": "back", "subnet": "10.20.0.0/16"}).json()
    assert said["errors"]["subnet"] == [
        "10.20.0.0/16 overlaps 10.20.0.0/24 of the network front: choose another, or leave it out to get a free one."
    ]
    Container.objects.update(ip_address="10.88.0.7", on_default=True, spec={"network": "none"})
    said = owner.post("networks/", {"name": "back", "subnet": "10.88.0.0/24"}).json()
    assert "of the default network" in said["detail"]


def test_another_hosts_networks_and_other_addresses_are_not_in_the_way(
    site_broker: Valkey, owner: Caller, network: Network, container: Container
) -> None:
    other = Host.objects.create(id="f" * 32, name="quay", team=network.team)
    Container.objects.update(ip_address="10.88.0.7", on_default=False)
    assert owner.post("networks/", {"name": "back", "subnet": "10.88.0.0/24", "host": "pier"}).status_code == 202
    assert owner.post("networks/", {"name": "b", "subnet": "10.20.0.0/24", "host": other.pk}).status_code == 202
