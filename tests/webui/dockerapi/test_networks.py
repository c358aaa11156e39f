"""Networks at the Docker door: what is asked of the host, and what is shown of one that was removed or kept words."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.valkey import Valkey
from tests.webui.cast import CONTAINER_ID, NETWORK_ID, Caller
from tests.webui.dockerapi.asked import Answered, ask, command_of
from webui.containers.models import Container
from webui.containers.observed import container_apply_state
from webui.hosts.models import Host
from webui.live.loop import in_thread
from webui.networks.models import Endpoint, Network
from worker.contract.events import ContainerState

pytestmark = pytest.mark.django_db(transaction=True)

GONE = {"network_id": "d" * 64, "network": "back", "aliases": ["db"]}


async def join(network: Network, container: Container, status: str, **values: Any) -> None:
    await Endpoint.objects.acreate(network=network, container=container, ip="10.20.0.2", interface="eth0", **values)
    await Container.objects.aupdate(observed_status=status)


async def shown(container: Container, caller: Caller) -> dict[str, Any]:
    answer: Answered = await ask("GET", f"/v1.51/containers/{container.name}/json", caller)
    return dict(answer.json["NetworkSettings"]["Networks"])


async def test_only_who_runs_keeps_a_network(
    site_broker: Valkey, owner: Caller, network: Network, container: Container
) -> None:
    await join(network, container, "running")
    answer = await ask("DELETE", "/v1.51/networks/front", owner)
    assert (answer.status, "has active endpoints" in answer.message) == (403, True)
    await Container.objects.aupdate(observed_status="stopped")
    command = await command_of("DELETE", "/v1.51/networks/front", owner)
    assert command == {"kind": "network.remove", "network_id": NETWORK_ID, "from_stopped": True}


async def test_a_removed_network_is_shown_and_left(
    site_broker: Valkey, owner: Caller, network: Network, container: Container
) -> None:
    await Container.objects.aupdate(networks_gone=[GONE], observed_status="stopped")
    place = (await shown(container, owner))["back"]
    assert (place["NetworkID"], place["IPAddress"], place["Aliases"]) == ("d" * 64, "", ["db"])
    listed = (await ask("GET", "/v1.51/containers/json?all=1", owner)).json
    assert "back" in listed[0]["NetworkSettings"]["Networks"]
    for name in ("back", "dddd"):
        command = await command_of("POST", f"/v1.51/networks/{name}/disconnect", owner, {"Container": "web"})
        assert command == {"kind": "network.disconnect", "network_id": "d" * 64, "container_id": CONTAINER_ID}
    answer = await ask("POST", "/v1.51/networks/other/disconnect", owner, {"Container": "web"})
    assert (answer.status, answer.message) == (404, "network other not found")
    await Network.objects.aupdate(name="back")  # another of the name, which the container is not on
    command = await command_of("POST", "/v1.51/networks/back/disconnect", owner, {"Container": "web"})
    assert command["network_id"] == "d" * 64


async def test_an_address_that_was_asked_for_is_shown_as_such(
    owner: Caller, network: Network, container: Container
) -> None:
    await join(network, container, "running", asked={"ip": "10.20.0.2"})
    assert (await shown(container, owner))["front"]["IPAMConfig"] == {"IPv4Address": "10.20.0.2"}
    await Endpoint.objects.aupdate(asked={})
    assert (await shown(container, owner))["front"]["IPAMConfig"] is None


async def test_words_that_mean_nothing_here_are_kept(site_broker: Valkey, owner: Caller, host: Host) -> None:
    wishes = {"Name": "back", "Attachable": True, "Options": {"foo": "bar", "com.docker.network.driver.mtu": "1400"}}
    command = await command_of("POST", "/v1.51/networks/create", owner, wishes)
    assert (command["attachable"], command["options"], command["mtu"]) == (True, {"foo": "bar"}, 1400)
    refused = {"Name": "back", "Options": {"com.docker.network.bridge.name": "br0"}}
    answer = await ask("POST", "/v1.51/networks/create", owner, refused)
    assert (answer.status, "com.docker.network.bridge.name" in answer.message) == (501, True)
    kept = {"attachable": True, "options": {"foo": "bar"}, "mtu": 1400, "subnet": "10.20.0.0/24"}
    await in_thread(lambda: Network.objects.create(team=host.team, host=host, network_id="e" * 64, name="kept", **kept))
    told = (await ask("GET", "/v1.51/networks/kept", owner)).json
    assert told["Attachable"] is True
    assert told["Options"] == {"foo": "bar", "com.docker.network.driver.mtu": "1400"}


@pytest.mark.parametrize(
    ("mode", "now", "verb", "said"),
    [
        ("bridge", None, "connect", "endpoint with name web already exists in network bridge"),
        ("front", True, "connect", "endpoint with name web already exists in network bridge"),
        ("front", None, "disconnect", "is not connected to network bridge"),
        ("bridge", False, "disconnect", "is not connected to network bridge"),
    ],
)
async def test_the_default_network_is_neither_joined_nor_left_twice(
    site_broker: Valkey, owner: Caller, container: Container, mode: str, now: bool | None, verb: str, said: str
) -> None:
    await Container.objects.aupdate(spec={**container.spec, "network": mode}, on_default=now)
    answer = await ask("POST", f"/v1.51/networks/bridge/{verb}", owner, {"Container": "web"})
    assert (answer.status, said in answer.message) == (403, True), answer.message


@pytest.mark.parametrize(("mode", "verb"), [("front", "connect"), ("bridge", "disconnect")])
async def test_the_default_network_is_joined_and_left(
    site_broker: Valkey, owner: Caller, container: Container, mode: str, verb: str
) -> None:
    await Container.objects.aupdate(spec={**container.spec, "network": mode})
    command = await command_of("POST", f"/v1.51/networks/bridge/{verb}", owner, {"Container": "web"})
    asked = {name: command[name] for name in ("kind", "network_id", "container_id")}
    assert asked == {"kind": f"network.{verb}", "network_id": "bridge", "container_id": CONTAINER_ID}


async def test_no_address_is_chosen_on_the_default_network(
    site_broker: Valkey, owner: Caller, container: Container
) -> None:
    await Container.objects.aupdate(spec={**container.spec, "network": "front"})
    for settings in ({"IPAMConfig": {"IPv4Address": "10.1.2.3"}}, {"Aliases": ["db"]}):
        wish = {"Container": "web", "EndpointConfig": settings}
        answer = await ask("POST", "/v1.51/networks/bridge/connect", owner, wish)
        assert (answer.status, "user defined networks" in answer.message) == (400, True)


async def test_who_is_on_the_default_network_is_shown_there(owner: Caller, host: Host, container: Container) -> None:
    state = {"id": container.pk, "name": "web", "image": "x", "status": "running", "ip_address": "10.208.0.9"}

    async def told(network: str, on_default: bool | None, seq: int) -> bool:
        await Container.objects.aupdate(spec={**container.spec, "network": network})
        now = ContainerState(**state, on_default=on_default)
        await in_thread(lambda: container_apply_state(host=host, state=now, seq=seq))
        has = "bridge" in await shown(container, owner)
        listed = await ask("GET", '/v1.51/containers/json?filters={"network":["bridge"]}', owner)
        members = (await ask("GET", "/v1.51/networks/bridge", owner)).json["Containers"]
        assert bool(listed.json) == (container.pk in members) == has
        return has

    assert await told("front", True, 1001)
    assert not await told("front", None, 1002)
    assert await told("bridge", None, 1003)
    assert not await told("bridge", False, 1004)


@pytest.mark.parametrize(("word", "status"), [("maybe", 400), ("", 400)])
async def test_a_flag_of_a_driver_is_true_or_false(
    site_broker: Valkey, owner: Caller, host: Host, word: str, status: int
) -> None:
    wishes = {"Name": "back", "Options": {"com.docker.network.bridge.enable_icc": word}}
    answer = await ask("POST", "/v1.51/networks/create", owner, wishes)
    assert (answer.status, "neither true nor false" in answer.message) == (status, True)


async def test_who_has_left_all_networks_is_on_none(owner: Caller, container: Container) -> None:
    await Container.objects.aupdate(spec={**container.spec, "network": "front"}, observed_status="pending")
    assert list(await shown(container, owner)) == ["front"], "its host has not said anything yet"
    await Container.objects.aupdate(observed_status="stopped")
    assert await shown(container, owner) == {}
