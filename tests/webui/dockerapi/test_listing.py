"""The list of containers asks the database a number of times that does not grow with what there is."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.db.backends.utils import CursorWrapper
from django.test.utils import CaptureQueriesContext

from tests.webui.cast import IMAGE_ID, Caller, caller, member
from tests.webui.dockerapi.asked import ask
from webui.accounts.models import CustomRole, CustomRoleAction, Grant, Membership, Team
from webui.containers import listed as containers_listed
from webui.containers.models import Container
from webui.dockerapi.call import Call
from webui.dockerapi.containers import inspecting, listing, rows
from webui.hosts.models import Host
from webui.images.models import Image
from webui.live.loop import in_thread
from webui.networks.models import Endpoint, Network

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("site_broker")]
STATUSES = ("running", "stopped", "created", "paused", "restarting", "pending")

SPECS: tuple[dict[str, Any], ...] = (
    {"entrypoint": [], "command": ["sleep", "1 2"], "volumes": ["data:/data:ro"]},
    {"network": "net-1:ip=10.9.0.9,alias=front", "networks": ["net-2"], "labels": {"a": "b"}},
    {"network": "host", "expose": ["90/udp"], "ports": [{"container": 80, "host": 8080, "protocol": "tcp"}]},
    {"network": "later:alias=x", "entrypoint": ["/bin/true"]},
)
MOUNTED = [{"type": "volume", "name": "data", "destination": "/data", "read_only": True}]


async def _no_body() -> dict[str, Any]:
    return {}


def call_of(who: Caller, host: Host, query: str = "") -> Call:
    """As the door hands it to the function that answers."""
    scope = {"method": "GET", "query_string": query.encode(), "headers": []}
    call = Call(scope, _no_body, (1, 43), {}, None)
    assert who.user is not None
    call.user, call.host = who.user, host
    return call


def fill(container: Container, count: int, first: int = 0) -> None:
    """That many more, each on a network of its own besides and with an image of its own, older one by one."""
    team, host = container.team, container.host
    for number in range(first, count):
        pk, image = f"{number:064x}", f"sha256:{number:064x}"
        one = Container.objects.create(
            id=pk,
            team=team,
            host=host,
            name=f"web-{number}",
            image="alpine",
            image_id=image,
            spec=container.spec,
            observed_status=STATUSES[number % len(STATUSES)],
            ip_address=f"10.88.0.{number + 2}",
            created_at=container.created_at - timedelta(minutes=number + 1),
        )
        Image.objects.create(team=team, host=host, image_id=image, config={"labels": {"number": str(number)}})
        network = Network.objects.create(
            team=team, host=host, network_id=pk, name=f"net-{number}", subnet="10.9.0.0/24"
        )
        Endpoint.objects.create(network=network, container=one, ip="10.9.0.9", interface="eth0", aliases=["web"])


def listed(who: Caller, host: Host, query: str) -> tuple[list[dict[str, Any]], int]:
    with CaptureQueriesContext(connection) as captured:
        found = listing.listed(call_of(who, host, query))
    return found, len(captured)


def test_a_list_is_four_queries_however_long_it_is(teammate: Caller, container: Container) -> None:
    """Containers, rights, images, networks; of few the last two are asked for one by one."""
    fill(container, 2)
    assert listed(teammate, container.host, "all=1")[1] <= 2 + 2 * rows.FEW
    Container.objects.exclude(pk=container.pk).delete()
    Image.objects.all().delete()
    Network.objects.all().delete()
    fill(container, 12)
    found, queries = listed(teammate, container.host, "all=1")
    assert (len(found), queries) == (13, 4)
    for number, one in enumerate(found[1:]):
        assert (one["Names"], one["Labels"]["number"]) == ([f"/web-{number}"], str(number))
        assert f"net-{number}" in one["NetworkSettings"]["Networks"]


def test_of_many_images_and_places_those_of_the_list_are_read(teammate: Caller, container: Container) -> None:
    fill(container, 12)
    with CaptureQueriesContext(connection) as captured:
        alive = listing.listed(call_of(teammate, container.host, ""))
    asked = [one["sql"] for one in captured if "images_image" in one["sql"] or "networks_endpoint" in one["sql"]]
    stopped = Container.objects.filter(host=container.host).exclude(pk__in=[one["Id"] for one in alive])
    assert len(alive) > rows.FEW and stopped
    for sql in asked:
        assert alive[1]["Id"] in sql and not any(one.pk in sql for one in stopped)


@pytest.mark.parametrize("several", [rows.SEVERAL, rows.FEW])
def test_a_long_list_is_as_a_short_one(
    teammate: Caller, container: Container, monkeypatch: pytest.MonkeyPatch, several: int
) -> None:
    monkeypatch.setattr(rows, "SEVERAL", several)
    fill(container, 6)
    for number, one in enumerate(listed(teammate, container.host, "all=1")[0][1:]):
        assert one["Labels"]["number"] == str(number)
        assert f"net-{number}" in one["NetworkSettings"]["Networks"]


def test_long_specifications_are_not_kept(teammate: Caller, container: Container) -> None:
    Container.objects.update(spec={**container.spec, "labels": {"long": "x" * rows.KEPT_CHARACTERS}})
    kept = rows._known_spec.cache_info().currsize, containers_listed._known.cache_info().currsize
    assert len(listed(teammate, container.host, "")[0][0]["Labels"]["long"]) == rows.KEPT_CHARACTERS
    (row,) = containers_listed.listed(Container.objects.all())
    assert len(containers_listed.listed_as_json(row)["labels"]["long"]) == rows.KEPT_CHARACTERS
    assert (rows._known_spec.cache_info().currsize, containers_listed._known.cache_info().currsize) == kept


def test_a_list_shows_of_each_what_inspect_does(teammate: Caller, container: Container) -> None:
    fill(container, 6)
    for number, changed in enumerate(SPECS):
        spec = {**container.spec, **changed}
        Container.objects.filter(pk=f"{number:064x}").update(spec=spec, mounted=MOUNTED, observed_status="running")
    call = call_of(teammate, container.host, "all=1")
    for one in listing.listed(call):
        found = Container.objects.get(pk=one["Id"])
        image = Image.objects.filter(image_id=found.image_id).first()
        whole = json.loads(json.dumps(inspecting.inspected(call, found, image.config if image else {})))
        assert one["NetworkSettings"]["Networks"] == whole["NetworkSettings"]["Networks"]
        assert (one["State"], one["ImageID"]) == (whole["State"]["Status"], whole["Image"])
        assert one["Command"] == listing.shown_command([whole["Path"], *whole["Args"]])
        assert one["HostConfig"]["NetworkMode"] == whole["HostConfig"]["NetworkMode"]
        assert (one["Labels"], one["Mounts"]) == (whole["Config"]["Labels"], whole["Mounts"])


def test_what_is_left_out_is_left_out_by_the_database_too(teammate: Caller, container: Container) -> None:
    """Without `all` what is alive; with a limit the newest of all, and with a filter the newest that fit."""
    fill(container, 12)

    def names(query: str) -> list[str]:
        return [one["Names"][0] for one in listed(teammate, container.host, query)[0]]

    alive = [f"/web-{number}" for number in range(12) if STATUSES[number % 6] in ("running", "paused", "restarting")]
    assert names("") == ["/web", *alive]
    assert names("limit=3") == ["/web", "/web-0", "/web-1"]
    assert names("limit=99999999999999999999") == names("all=1") and len(names("limit=-1")) == len(names(""))
    assert names('limit=1&filters={"name":["web-7"]}') == ["/web-7"]
    assert names('all=1&filters={"before":["web-9"]}') == ["/web-10", "/web-11"]
    assert names('all=1&filters={"since":["web-1"]}') == ["/web", "/web-0"]
    assert names('filters={"before":["web-1"],"since":["web-5"]}') == ["/web-3", "/web-4"]


def test_an_image_that_is_not_seen_says_nothing_of_its_containers(team: Team, container: Container) -> None:
    """Who was let on to the host's containers alone; with a grant for the repository, as for anybody else."""
    user = member("guest", team, "")
    CustomRole.objects.create(key="watch", name="Watch")
    CustomRoleAction.objects.create(role_id="watch", action="containers.view")
    granted = Membership.objects.get(user=user)
    Grant.objects.create(membership=granted, role="watch", host=container.host)
    tags, config = ["docker.io/library/alpine:latest"], {"labels": {"of": "image"}}
    Image.objects.create(team=team, host=container.host, image_id=IMAGE_ID, tags=tags, config=config)
    Container.objects.update(image_id=IMAGE_ID)
    guest = caller(user)
    assert listed(guest, container.host, "")[0][0]["Labels"] == {}
    Grant.objects.create(membership=granted, role="viewer", repository="docker.io/library/*")
    assert listed(guest, container.host, "")[0][0]["Labels"] == {"of": "image"}


async def test_what_another_team_has_is_in_no_list(owner: Caller, outsider: Caller, container: Container) -> None:
    assert (await ask("GET", "/v1.43/containers/json?all=1", owner)).json[0]["Id"] == container.pk
    call = call_of(outsider, await in_thread(Host.objects.get))
    assert await in_thread(listing.listed, call) == []


PATHS = (
    "containers/json?all=1",
    'containers/json?all=1&filters={"network":["net-1"]}',
    "images/json",
    "networks",
    "networks/bridge",
    "volumes",
    "info",
    "containers/web/json",
)


@pytest.mark.parametrize("path", PATHS)
async def test_no_endpoint_asks_more_often_when_there_is_more(
    teammate: Caller, container: Container, path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All that a request asks, from finding out who comes to its answer, in whichever thread."""
    asked: list[str] = []

    def noting(cursor: CursorWrapper, sql: str, parameters: Any = None) -> Any:
        asked.append(sql)
        return execute(cursor, sql, parameters)

    execute = CursorWrapper.execute
    monkeypatch.setattr(CursorWrapper, "execute", noting)

    async def queries() -> int:
        asked.clear()
        assert (await ask("GET", f"/v1.43/{path}", teammate)).status == 200
        return len(asked)

    await in_thread(fill, container, 2 * rows.FEW)
    await queries()
    before = await queries()
    await in_thread(fill, container, 5 * rows.FEW, 2 * rows.FEW)
    assert (await queries()) == before <= 8, asked
