"""Containers as Docker shows them, of what the site knows; nobody is asked for anything."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any
from urllib.parse import quote

import pytest
from django.utils import timezone

from tests.webui.cast import Caller
from tests.webui.dockerapi.asked import ask
from webui.audit.models import AuditEntry
from webui.containers.models import Container
from webui.dockerapi import times
from webui.dockerapi.containers import creating
from webui.dockerapi.objects.networks import network_object
from webui.images.models import Image
from webui.live.loop import in_thread
from webui.networks.models import Endpoint, Network

# Whoever asks for a change listens to the broker first, and would wait for one that is away.
pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("site_broker")]


def filtered(**filters: list[str]) -> str:
    return quote(json.dumps(filters))


async def listed(caller: Caller, query: str = "") -> list[dict[str, Any]]:
    answer = await ask("GET", f"/v1.43/containers/json?{query}", caller)
    assert answer.status == 200, answer.body
    return answer.json  # type: ignore[no-any-return]


async def test_a_list_has_what_runs(owner: Caller, container: Container) -> None:
    (one,) = await listed(owner)
    assert (one["Id"], one["Names"], one["Image"]) == (container.pk, ["/web"], "alpine")
    assert (one["State"], one["Status"][:3]) == ("running", "Up ")
    await in_thread(change, container, observed_status="stopped", exit_code=3, finished_at=timezone.now())
    assert await listed(owner) == []
    (one,) = await listed(owner, "all=1")
    assert (one["State"], one["Status"]) == ("exited", "Exited (3) Less than a second ago")


FILTERS: list[tuple[dict[str, list[str]], bool]] = [
    ({"name": ["we"]}, True),
    ({"name": ["^/web$"]}, True),
    ({"name": ["^x"]}, False),
    ({"id": ["c0c0"]}, True),
    ({"id": ["d"]}, False),
    ({"label": ["tier"]}, True),
    ({"label": ["tier=front", "from"]}, True),
    ({"label": ["tier=back"]}, False),
    ({"status": ["running"]}, True),
    ({"status": ["exited"]}, False),
    ({"ancestor": ["alpine"]}, True),
    ({"ancestor": ["busybox"]}, False),
    ({"publish": ["8080"]}, True),
    ({"publish": ["8081/udp"]}, False),
    ({"expose": ["80/tcp"]}, True),
    ({"health": ["none"]}, True),
    ({"network": ["bridge"]}, True),
    ({"network": ["other"]}, False),
    ({"volume": ["data"]}, True),
    ({"volume": ["/data"]}, True),
    ({"volume": ["other"]}, False),
    ({"is-task": ["true"]}, False),
]


async def test_filters(owner: Caller, container: Container, image: Image) -> None:
    await in_thread(furnish, container, image)
    for filters, is_found in FILTERS:
        assert bool(await listed(owner, f"filters={filtered(**filters)}")) is is_found, filters


async def test_filters_that_can_not_be(owner: Caller, container: Container) -> None:
    for filters, said in (
        ({"color": ["red"]}, "invalid filter 'color'"),
        ({"status": ["up"]}, "invalid filter 'status=up'"),
        ({"exited": ["x"]}, "exited=x"),
        ({"before": ["nothing"]}, "No such container: nothing"),
    ):
        answer = await ask("GET", f"/v1.43/containers/json?filters={filtered(**filters)}", owner)
        assert said in answer.message
    assert await listed(owner, f"filters={quote(json.dumps({'name': {'web': True}}))}")  # as older clients say it


async def test_inspect_by_name_id_and_the_beginning_of_it(owner: Caller, container: Container, image: Image) -> None:
    await in_thread(furnish, container, image)
    for name in ("web", container.pk, container.pk[:5]):
        found = (await ask("GET", f"/v1.43/containers/{name}/json", owner)).json
        assert (found["Id"], found["Name"], found["State"]["Status"]) == (container.pk, "/web", "running")
    assert found["Path"] == "/bin/sh"
    assert found["Config"]["Labels"] == {"tier": "front", "from": "image"}
    assert found["HostConfig"]["PortBindings"] == {"80/tcp": [{"HostIp": "127.0.0.1", "HostPort": "8080"}]}
    assert found["NetworkSettings"]["Ports"] == {"80/tcp": [{"HostIp": "127.0.0.1", "HostPort": "8080"}]}
    assert found["Mounts"][0]["Name"] == "data"
    await in_thread(Container.objects.update, apparmor_profile="portside-default")
    found = (await ask("GET", f"/v1.43/containers/{container.pk}/json", owner)).json
    assert found["AppArmorProfile"] == "portside-default"
    missing = await ask("GET", "/v1.43/containers/nothing/json", owner)
    assert (missing.status, missing.message) == (404, "No such container: nothing")


async def test_what_is_so_already_is_not_done_again(teammate: Caller, container: Container) -> None:
    assert (await ask("POST", "/v1.43/containers/web/start", teammate)).status == 304
    await in_thread(change, container, observed_status="stopped")
    assert (await ask("POST", "/v1.43/containers/web/stop", teammate)).status == 304
    killed = await ask("POST", "/v1.43/containers/web/kill", teammate)
    assert (killed.status, killed.message) == (
        409, f"cannot kill container: web: container {container.pk} is not running",
    )  # fmt: skip
    assert (await ask("POST", "/v1.43/containers/web/unpause", teammate)).status == 409


async def test_rights_are_asked(teammate: Caller, container: Container) -> None:
    """A teammate may start and stop, but neither remove nor rename."""
    for method, path in (("DELETE", "web?force=1"), ("POST", "web/rename?name=other"), ("POST", "web/update")):
        body = {"Memory": 64 << 20} if path.endswith("update") else None
        answer = await ask(method, f"/v1.43/containers/{path}", teammate, body)
        assert (answer.status, "role" in answer.message) == (403, True), answer.body
        entry = await in_thread(lambda: AuditEntry.objects.order_by("-id")[0])
        assert (entry.door, entry.actor_name, entry.result) == ("docker", "teammate", "refused")


async def test_a_container_that_runs_is_not_removed(owner: Caller, container: Container) -> None:
    answer = await ask("DELETE", "/v1.43/containers/web", owner)
    assert (answer.status, answer.message) == (
        409, 'cannot remove container "web": container is running: stop the container before removing or force remove',
    )  # fmt: skip


async def test_create_says_which_image_or_policy_is_missing(owner: Caller, host: Any, image: Image) -> None:
    missing = await ask("POST", "/v1.43/containers/create", owner, {"Image": "nothing"})
    assert (missing.status, missing.message) == (404, "No such image: nothing:latest")
    for host_config, said in (
        ({"Privileged": True}, "privileged"),
        ({"Binds": ["/:/host"]}, "the host's /"),
        ({"PidMode": "host"}, "processes"),
        ({"PortBindings": {"80/tcp": [{"HostIp": "0.0.0.0", "HostPort": "80"}]}}, "publishes at 127.0.0.1 alone"),
    ):
        answer = await ask("POST", "/v1.43/containers/create", owner, {"Image": "alpine", "HostConfig": host_config})
        assert (answer.status, said in answer.message) == (403, True), answer.body
    for source in ("a\nb", "A", "b" * 140_000):
        mounts = [{"Type": "image", "Source": source, "Target": "/x"}]
        asked = {"Image": "alpine", "HostConfig": {"Mounts": mounts}}
        answer = await ask("POST", "/v1.48/containers/create", owner, asked)
        assert (answer.status, "type=image" in answer.message) == (400, True), answer.body
    for host_config in ({"Links": ["db"]}, {"CgroupParent": "/x"}, {"DeviceRequests": [{"Count": -1}]}):
        answer = await ask("POST", "/v1.43/containers/create", owner, {"Image": "alpine", "HostConfig": host_config})
        assert (answer.status, len(answer.message) > 40) == (501, True)
    assert await in_thread(Container.objects.count) == 0


async def test_too_many_mounts_are_refused_before_any_is_looked_for(
    owner: Caller, image: Image, monkeypatch: pytest.MonkeyPatch
) -> None:
    mounts = [{"Type": "image", "Source": f"{number:08x}", "Target": f"/{number}"} for number in range(2000)]
    looked: list[str] = []
    monkeypatch.setattr(creating, "_mountable", lambda _, name: looked.append(name) or name)
    asked = {"Image": "alpine", "HostConfig": {"Mounts": mounts}}
    answer = await ask("POST", "/v1.48/containers/create", owner, asked)
    assert (answer.status, "at most" in answer.message, looked) == (400, True, []), answer.body


def test_only_what_may_be_an_id_is_looked_for_among_all_images() -> None:
    assert creating._mountable(None, "alpine:3") == "alpine:3"  # type: ignore[arg-type]  # with nothing to look in


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (0.5, "Less than a second"), (1, "1 second"), (59, "59 seconds"), (60, "About a minute"), (130, "2 minutes"),
        (3600, "About an hour"), (7200, "2 hours"), (86_400 * 3, "3 days"), (86_400 * 20, "2 weeks"),
        (86_400 * 90, "3 months"), (86_400 * 800, "2 years"),
    ],
)  # fmt: skip
def test_spans_in_words(seconds: float, said: str) -> None:
    assert times.human(timedelta(seconds=seconds)) == said


def test_the_containers_on_a_network_are_asked_for_at_once(
    container: Container, django_assert_num_queries: Any
) -> None:
    network = Network.objects.create(host=container.host, team=container.team, network_id="ab" * 32, name="front")
    for number in range(3):
        other = Container.objects.get(pk=container.pk)
        other.pk, other.name = f"{number:064x}", f"web{number}"
        other.save(force_insert=True)
        Endpoint.objects.create(network=network, container=other, ip=f"10.9.0.{number}", interface="eth0")
    with django_assert_num_queries(1):
        found = network_object(network, (1, 43), is_whole=True)
    assert sorted(one["Name"] for one in found["Containers"].values()) == ["web0", "web1", "web2"]


def change(container: Container, **fields: Any) -> None:
    Container.objects.filter(pk=container.pk).update(**fields)


def furnish(container: Container, image: Image) -> None:
    """With an image, labels, a port and a volume."""
    image.config = {"entrypoint": [], "cmd": ["/bin/sh"], "labels": {"from": "image"}, "exposed_ports": []}
    image.save()
    port = {"container": 80, "host": 8080, "protocol": "tcp", "address": "127.0.0.1"}
    mounted = {"type": "volume", "name": "data", "destination": "/data", "read_only": False}
    spec = {**container.spec, "labels": {"tier": "front"}, "ports": [port], "volumes": ["data:/data"]}
    change(container, image_id=image.image_id, ports=[port], mounted=[mounted], spec=spec, ip_address="10.1.2.3")
