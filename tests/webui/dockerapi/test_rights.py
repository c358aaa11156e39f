"""Images, networks and volumes at Docker's door: strangers see none of a team's, a viewer changes none."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.webui.cast import Caller
from tests.webui.dockerapi.asked import ask
from webui.accounts.models import Membership, Role, Team
from webui.containers.models import Container
from webui.hosts.models import Host
from webui.images.models import Image
from webui.jobs.models import Job
from webui.live.loop import in_thread
from webui.networks.models import Network
from webui.volumes.models import Volume

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("site_broker")]

NETWORK_ID = "ab" * 32


@pytest.fixture
def things(host: Host, image: Image) -> tuple[Image, Network, Volume]:
    network = Network.objects.create(
        host=host, team=host.team, network_id=NETWORK_ID, name="front", subnet="10.9.0.0/24", gateway="10.9.0.1"
    )
    return image, network, Volume.objects.create(host=host, team=host.team, name="data")


ASKING = [
    ("GET", "/images/{image}/json", None),
    ("GET", "/images/{image}/history", None),
    ("GET", "/images/{image}/get", None),
    ("GET", "/images/get?names={image}", None),
    ("POST", "/images/{image}/tag?repo=mine&tag=1", None),
    ("DELETE", "/images/{image}", None),
    ("GET", "/networks/front", None),
    ("GET", "/networks/" + NETWORK_ID, None),
    ("DELETE", "/networks/front", None),
    ("POST", "/networks/front/connect", {"Container": "web"}),
    ("POST", "/networks/front/disconnect", {"Container": "web"}),
    ("GET", "/volumes/data", None),
    ("DELETE", "/volumes/data", None),
    ("GET", "/images/json", None),
    ("GET", "/volumes", None),
    ("GET", "/networks", None),
]
CHANGING: list[tuple[str, str, Any]] = [
    ("POST", "/images/{image}/tag?repo=mine&tag=1", None),
    ("DELETE", "/images/{image}?force=1", None),
    ("POST", "/images/prune", None),
    ("POST", "/images/load", b"tar"),
    ("POST", "/images/create?fromSrc=-&repo=mine", b"tar"),
    ("POST", "/images/create?fromImage=alpine&tag=1", None),
    ("POST", "/build?t=mine", b"FROM alpine"),
    ("POST", "/build/prune", None),
    ("POST", "/networks/create", {"Name": "back"}),
    ("DELETE", "/networks/front", None),
    ("POST", "/networks/prune", None),
    ("POST", "/volumes/create", {"Name": "more"}),
    ("DELETE", "/volumes/data", None),
    ("POST", "/volumes/prune", None),
]


async def test_a_stranger_finds_nothing(host: Host, outsider: Caller, things: tuple[Image, Network, Volume]) -> None:
    """Not even by the host's own path: there is no such host."""
    for method, path, body in ASKING:
        for before in ("/v1.43", f"/hosts/{host.name}/v1.43"):
            answer = await ask(method, before + path.format(image="alpine"), outsider, body)
            assert answer.status == 404, (method, path, answer.body)
            assert "front" not in answer.message and "10.9.0" not in answer.message
    assert await in_thread(Job.objects.count) == 0


async def test_who_only_looks_changes_nothing(
    host: Host, teammate: Caller, things: tuple[Image, Network, Volume]
) -> None:
    await in_thread(lambda: Membership.objects.filter(user=teammate.user).update(role=Role.VIEWER))
    for method, path, body in CHANGING:
        answer = await ask(method, "/v1.43" + path.format(image="alpine"), teammate, body)
        assert answer.status == 403, (method, path, answer.status, answer.body)
    assert await in_thread(Job.objects.count) == 0
    listed = await ask("GET", "/v1.43/volumes", teammate)
    assert [one["Name"] for one in listed.json["Volumes"]] == ["data"]


async def test_lists_have_dockers_form_for_each_version(owner: Caller, things: tuple[Image, Network, Volume]) -> None:
    for version, has_virtual in (("1.24", True), ("1.43", True), ("1.51", False)):
        (one,) = (await ask("GET", f"/v{version}/images/json", owner)).json
        assert ("VirtualSize" in one) is has_virtual
    names = [one["Name"] for one in (await ask("GET", "/v1.43/networks", owner)).json]
    assert sorted(names) == ["bridge", "front", "host", "none"]
    one = (await ask("GET", f"/v1.43/networks/{NETWORK_ID[:12]}", owner)).json
    assert (one["Name"], one["IPAM"]["Config"]) == ("front", [{"Subnet": "10.9.0.0/24", "Gateway": "10.9.0.1"}])
    bridge = (await ask("GET", "/v1.43/networks/bridge", owner)).json
    assert (await ask("GET", f"/v1.43/networks/{bridge['Id'][:12]}", owner)).json["Name"] == "bridge"


async def test_what_can_not_be_is_refused_in_dockers_words(
    owner: Caller, things: tuple[Image, Network, Volume]
) -> None:
    for method, path, body, status, words in (
        ("POST", "/networks/create", {"Name": "host"}, 403, "operation is not permitted on predefined host network"),
        ("POST", "/networks/create", {"Name": "front"}, 409, "network with name front already exists"),
        ("POST", "/networks/create", {"Name": "x", "Driver": "overlay"}, 404, 'plugin "overlay" not found'),
        ("POST", "/networks/create", {"Name": 7}, 400, "has to be a string"),
        ("POST", "/networks/create", {"Name": "x", "IPAM": {"Config": [{"Subnet": "x"}]}}, 400, "invalid CIDR"),
        (
            "POST",
            "/networks/create",
            {"Name": "x", "Options": {"com.docker.network.b": "c"}},
            501,
            "com.docker.network.b",
        ),
        ("DELETE", "/networks/bridge", None, 403, "bridge is a pre-defined network and cannot be removed"),
        ("GET", "/networks/nope", None, 404, "network nope not found"),
        ("GET", "/volumes/nope", None, 404, "get nope: no such volume"),
        ("DELETE", "/volumes/nope", None, 404, "get nope: no such volume"),
        ("POST", "/volumes/create", {"Name": "x", "Driver": "nfs"}, 404, 'plugin "nfs" not found'),
        ("PUT", "/volumes/data", {}, 503, "only valid for cluster volumes"),
        ("GET", "/images/nope/json", None, 404, "No such image: nope:latest"),
        ("GET", "/images/json?filters=zz", None, 400, "invalid filter"),
        ("POST", "/images/create?fromImage=BAD&tag=1", None, 400, "invalid reference format"),
        ("POST", "/build?version=2", b"", 400, "no BuildKit"),
        ("POST", "/build?t=BAD", b"", 400, "lower"),
        ("POST", "/build?buildargs=7", b"", 400, "error reading buildargs"),
    ):
        answer = await ask(method, f"/v1.43{path}", owner, body)
        assert (answer.status, words in answer.message) == (status, True), (method, path, answer.body)
    assert (await ask("DELETE", "/v1.43/volumes/nope?force=1", owner)).status == 204
    found = await ask("POST", "/v1.43/volumes/create", owner, {"Name": "data"})
    assert (found.status, json.loads(found.body)["Name"]) == (201, "data")
    assert await in_thread(Job.objects.count) == 0


PREFIXES = (1, 4, 12, 63, 64)


async def test_the_beginning_of_a_strangers_id_or_name_says_nothing(
    host: Host, outsider: Caller, container: Container, things: tuple[Image, Network, Volume]
) -> None:
    """Not that it is there, and not by being one of several: the outsider's own begin alike."""
    team = await in_thread(lambda: Team.objects.get(name="Lighthouse"))
    rock = await in_thread(lambda: Host.objects.create(pk="r" * 36, team=team, name="rock"))
    own = container.pk[:63] + "1"
    await in_thread(lambda: Container.objects.create(id=own, team=team, host=rock, name="webcam", image="alpine"))
    await in_thread(lambda: Container.objects.filter(pk=own).update(observed_status="running", observed_seq=1))
    image_id = things[0].image_id[:-1] + "9"
    await in_thread(lambda: Image.objects.create(team=team, host=rock, image_id=image_id, tags=["mine:1"]))
    network = {"network_id": NETWORK_ID[:63] + "1", "name": "frontier", "subnet": "10.8.0.0/24", "gateway": "10.8.0.1"}
    await in_thread(lambda: Network.objects.create(team=team, host=rock, **network))
    for length in PREFIXES:
        is_whole = length == 64
        for path, mine in (
            (f"/containers/{container.pk[:length]}/json", own),
            (f"/networks/{NETWORK_ID[:length]}", network["network_id"]),
        ):
            answer = await ask("GET", "/v1.43" + path, outsider)
            assert answer.status == (404 if is_whole else 200), (path, answer.body)
            assert is_whole or answer.json["Id"] == mine
            assert "web" not in answer.json.get("message", "").replace(path, "")
        # Of an image that is found its host is asked, which is away here; a whole id is no reference.
        answer = await ask("GET", f"/v1.43/images/{things[0].image_id[7:][:length]}/json", outsider)
        assert answer.status == (400 if is_whole else 404 if length < 4 else 503), (length, answer.body)
    for name in ("we", "web", "fro", "front", "dat", "data", "alpin", "alpine"):
        for kind in ("containers/{}/json", "images/{}/json", "networks/{}", "volumes/{}"):
            answer = await ask("GET", f"/v1.43/{kind.format(name)}", outsider)
            assert answer.status == 404, (kind, name, answer.body)
            missing = await ask("GET", f"/v1.43/{kind.format('no-such')}", outsider)
            assert answer.message.replace(name, "").replace(":latest", "") == missing.message.replace(
                "no-such", ""
            ).replace(":latest", ""), "what is there and what isn't are told apart"
    for wanted in ("c0", "web", "frontier"):
        filters = json.dumps({"name": [wanted], "id": [wanted]} if wanted != "frontier" else {"network": [wanted]})
        listed = (await ask("GET", f"/v1.43/containers/json?all=1&filters={filters}", outsider)).json
        assert {one["Id"] for one in listed} <= {own}
