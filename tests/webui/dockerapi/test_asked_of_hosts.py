"""What a host is asked for: top, changes, stats, events, and what no host has."""

from __future__ import annotations

import asyncio
import base64
import json
import time
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from engine.errors import InvalidArgument
from tests.webui.cast import CONTAINER_ID, Caller
from tests.webui.dockerapi.asked import ask
from tests.webui.dockerapi.played import Session
from tests.webui.streams.fake_host import FakeHost
from webui.activity.models import Event
from webui.containers.models import Container
from webui.dockerapi.containers.top import columns_of
from webui.hosts.models import Host
from webui.images.models import Image
from webui.live.loop import in_thread
from webui.volumes.models import Volume
from worker.contract import frames, keys, sessions
from worker.contract.frames import Frame

pytestmark = pytest.mark.django_db(transaction=True)

PROCESS = {
    "pid": 1, "host_pid": 4711, "parent": 0, "host_parent": 4700, "user": "root", "cpu_percent": 1.5,
    "cpu_seconds": 61.0, "memory_bytes": 2048, "virtual_bytes": 4096, "threads": 1, "state": "sleeping",
    "started_at": 1.0, "command": "/bin/sleep 100",
}  # fmt: skip


async def told(host: FakeHost, value: Any) -> str:
    """Answer the next question; which it was."""
    asked = await host.next_control("stream.open")
    data = json.dumps(value).encode()
    await host.send(asked["stream_id"], Frame(frames.DATA, 1, len(data), 1.0, data), Frame(frames.END, 0, 0, 1.0))
    return str(asked["source"])


async def test_top_and_diff(fake_host: FakeHost, teammate: Caller, container: Container) -> None:
    asking = asyncio.create_task(ask("GET", "/v1.43/containers/web/top?ps_args=-o%20pid,comm", teammate))
    assert await told(fake_host, {"at": 1.0, "processes": [PROCESS]}) == "top"
    assert (await asking).json == {"Titles": ["PID", "COMMAND"], "Processes": [["4711", "sleep"]]}
    await Host.objects.filter(pk=container.host_id).aupdate(memory_bytes=8192)
    asking = asyncio.create_task(ask("GET", "/v1.43/containers/web/top?ps_args=-o%20pid,vsz,rss,pmem,stat", teammate))
    assert await told(fake_host, {"at": 1.0, "processes": [PROCESS]}) == "top"
    assert (await asking).json["Processes"] == [["4711", "4", "2", "25.0", "S"]]
    asking = asyncio.create_task(
        ask("GET", "/v1.43/containers/web/top?ps_args=-o%20pid,ppid,time,bsdtime,etime", teammate)
    )
    process = {**PROCESS, "started_at": time.time() - 90061.5, "cpu_seconds": 86461.0}
    assert (
        await told(fake_host, {"at": 1.0, "processes": [process, {**process, "started_at": time.time() - 61.5}]})
        == "top"
    )
    assert (await asking).json["Processes"] == [
        ["4711", "4700", "1-00:01:01", "1441:01", "1-01:01:01"], ["4711", "4700", "1-00:01:01", "1441:01", "01:01"],
    ]  # fmt: skip
    asking = asyncio.create_task(ask("GET", "/v1.43/containers/web/changes", teammate))
    words = {"/a": "added", "/b": "deleted", "/c": "changed"}
    changes = [{"path": path, "change": word} for path, word in words.items()]
    assert await told(fake_host, {"changes": changes, "more": False}) == "changes"
    assert (await asking).json == [{"Path": "/a", "Kind": 1}, {"Path": "/b", "Kind": 2}, {"Path": "/c", "Kind": 0}]


def test_the_columns_of_ps() -> None:
    assert [title for title, _ in columns_of("")] == ["UID", "PID", "PPID", "C", "STIME", "TTY", "TIME", "CMD"]
    aux = ["USER", "PID", "%CPU", "%MEM", "VSZ", "RSS", "TTY", "STAT", "START", "TIME", "COMMAND"]
    assert [title for title, _ in columns_of("aux")] == aux
    assert [title for title, _ in columns_of("-o pid,args=WHAT")] == ["PID", "WHAT"]
    for words in ("-eo pid,comm -o rss", "-eopid -o comm,rss", "axo pid,comm,rss", "--format=pid,comm,rss"):
        assert [title for title, _ in columns_of(words)] == ["PID", "COMMAND", "RSS"]
    for wrong in ("-o pid,nothing", "-o comm"):
        with pytest.raises(InvalidArgument):
            columns_of(wrong)


async def test_stats_come_to_the_share_that_the_host_has_told(
    fake_host: FakeHost, teammate: Caller, container: Container
) -> None:
    figures = {"cpu_percent": 50.0, "memory_bytes": 4096, "memory_limit_bytes": 8192, "pids": 3,
               "network_rx_bytes": 1, "network_tx_bytes": 2, "block_read_bytes": 3, "block_write_bytes": 4}  # fmt: skip
    for at in (100.0, 102.0):
        entry = json.dumps({"at": at, "containers": {CONTAINER_ID: figures}})
        await fake_host.client.xadd(keys.stats(str(container.host_id)), {"m": entry})
    found = (await ask("GET", "/v1.43/containers/web/stats?stream=0", teammate)).json
    used = found["cpu_stats"]["cpu_usage"]["total_usage"] - found["precpu_stats"]["cpu_usage"]["total_usage"]
    passed = found["cpu_stats"]["system_cpu_usage"] - found["precpu_stats"]["system_cpu_usage"]
    assert used / passed * found["cpu_stats"]["online_cpus"] == pytest.approx(0.5)
    assert (found["memory_stats"]["usage"], found["memory_stats"]["limit"]) == (4096, 8192)
    assert (found["pids_stats"]["current"], found["networks"]["eth0"]["tx_bytes"], found["name"]) == (3, 2, "/web")


async def test_processor_time_is_the_kernels_own_counter(
    fake_host: FakeHost, teammate: Caller, container: Container
) -> None:
    for at, seconds in ((100.0, 7.5), (102.0, 8.25)):
        figures = {"cpu_percent": 1.0, "cpu_seconds": seconds}
        entry = json.dumps({"at": at, "containers": {CONTAINER_ID: figures}})
        await fake_host.client.xadd(keys.stats(str(container.host_id)), {"m": entry})
    found = (await ask("GET", "/v1.43/containers/web/stats?stream=0", teammate)).json
    used = [found[name]["cpu_usage"]["total_usage"] for name in ("precpu_stats", "cpu_stats")]
    assert used == [7_500_000_000, 8_250_000_000]


async def test_the_first_stats_of_who_has_just_begun_are_waited_for(
    fake_host: FakeHost, teammate: Caller, container: Container
) -> None:
    asking = asyncio.create_task(ask("GET", "/v1.43/containers/web/stats?stream=0", teammate))
    for pids, running in ((1, "another"), (3, CONTAINER_ID)):
        await asyncio.sleep(0.2)
        assert not asking.done()
        entry = json.dumps({"at": 100.0 + pids, "containers": {running: {"pids": pids}}})
        await fake_host.client.xadd(keys.stats(str(container.host_id)), {"m": entry})
    assert (await asking).json["pids_stats"]["current"] == 3


async def test_events_of_the_past_by_filters(
    fake_host: FakeHost, teammate: Caller, outsider: Caller, container: Container
) -> None:
    row = {
        "host": container.host, "team": container.team, "type": "container", "verb": "start",
        "at": timezone.now() - timedelta(hours=1),
        "action": "start", "actor_id": container.pk, "container_id": container.pk, "name": "web", "image": "alpine",
        "labels": {"a": "b"},
    }  # fmt: skip
    await in_thread(lambda: Event.objects.create(seq=1, **row))
    await in_thread(lambda: Event.objects.create(seq=2, **{**row, "action": "die", "verb": "die"}))
    assert (await ask("GET", "/v1.43/events?since=1&until=99", teammate)).body == b""  # they are of now
    past = int(timezone.now().timestamp()) - 60
    for filters, expected in (
        ({}, ["start", "die"]),
        ({"event": ["die"]}, ["die"]),
        ({"container": ["web"], "label": ["a=b"]}, ["start", "die"]),
        ({"type": ["network"]}, []),
        ({"type": ["daemon"]}, []),
        ({"scope": ["swarm"]}, []),
    ):
        answer = await ask("GET", f"/v1.43/events?since=1&until={past}&filters={json.dumps(filters)}", teammate)
        actions = [json.loads(line)["Action"] for line in answer.body.splitlines()]
        assert actions == expected, filters
    one = json.loads((await ask("GET", f"/v1.43/events?since=1&until={past}", teammate)).body.splitlines()[0])
    assert (one["status"], one["id"], one["from"], one["Type"]) == ("start", container.pk, "alpine", "container")
    assert one["Actor"]["Attributes"] == {"a": "b", "image": "alpine", "name": "web"}
    assert (await ask("GET", f"/v1.43/events?since=1&until={past}", outsider)).status == 404
    wrong = await ask("GET", "/v1.43/events?since=20&until=10", teammate)
    assert (wrong.status, "cannot be after" in wrong.message) == (400, True)


async def test_there_is_no_swarm_and_there_are_no_plugins(owner: Caller, container: Container) -> None:
    for path in ("/services", "/nodes", "/tasks", "/secrets", "/configs", "/swarm"):
        answer = await ask("GET", f"/v1.43{path}", owner)
        assert (answer.status, "not a swarm manager" in answer.message) == (503, True)
    assert (await ask("POST", "/v1.43/swarm/init", owner, {})).status == 501
    assert (await ask("GET", "/v1.43/plugins", owner)).json == []
    assert (await ask("GET", "/v1.43/plugins/a/b/json", owner)).status == 404


async def test_all_tags_are_asked_for_with_the_login_of_the_request(
    fake_host: FakeHost, owner: Caller, host: Host
) -> None:
    login = base64.urlsafe_b64encode(b'{"username": "ann", "password": "s3"}').decode()
    path = "/v1.43/images/create?fromImage=registry.example.com/private"
    asking = asyncio.create_task(ask("POST", path, owner, **{"X-Registry-Auth": login}))
    session = await Session.asked_for(fake_host)
    secrets = (await session.parameters())["secrets"]
    assert (session.source, secrets["username"], secrets["password"]) == (sessions.REGISTRY_TAGS, "ann", "s3")
    await session.refuse("not_found", "no such repository")
    assert (await asking).status == 404


async def test_the_log_of_a_host_that_is_away_is_refused_with_the_reason(
    fake_host: FakeHost, owner: Caller, container: Container
) -> None:
    await in_thread(Host.objects.update, heartbeat_at=None)
    answer = await ask("GET", "/v1.43/containers/web/logs?stdout=1", owner)
    assert (answer.status, "does not answer" in answer.message) == (503, True)


async def test_a_search_is_narrowed_by_stars(fake_host: FakeHost, owner: Caller, host: Host) -> None:
    found = [{"name": name, "description": "", "stars": stars, "is_official": False, "is_automated": False}
             for name, stars in (("few", 2), ("many", 30))]  # fmt: skip
    for stars, expected in (("3", ["many"]), ("%C2%B2", ["few", "many"])):
        path = f'/v1.43/images/search?term=a&filters={{"stars":["{stars}"]}}'
        asking = asyncio.create_task(ask("GET", path, owner))
        session = await Session.asked_for(fake_host)
        await session.send(sessions.OPENED)
        await session.send(sessions.END, {"repositories": found})
        assert [one["name"] for one in (await asking).json] == expected


async def test_who_uses_what_is_on_the_disk(
    fake_host: FakeHost, owner: Caller, container: Container, image: Image
) -> None:
    def mount() -> None:
        """The image, asked for by a name that a volume has too."""
        container.image_id = "sha256:" + "e" * 64
        Volume.objects.create(team=container.team, host=container.host, name="data")
        container.mounted = [{"type": "image", "name": "data", "source": image.image_id, "destination": "/x"}]
        container.save()

    await in_thread(mount)
    usage = {"layers_bytes": 9, "images": [], "build_cache_bytes": 0, "containers": []}
    asking = asyncio.create_task(ask("GET", "/v1.43/system/df?type=image&type=volume", owner))
    assert await told(fake_host, usage) == "disk.usage"
    found = (await asking).json
    assert [one["Containers"] for one in found["Images"]] == [1]
    assert [one["UsageData"]["RefCount"] for one in found["Volumes"]] == [0]


async def test_what_is_on_the_disk(fake_host: FakeHost, owner: Caller, container: Container) -> None:
    usage = {"layers_bytes": 9, "images": [], "build_cache_bytes": 0,
             "containers": [{"id": container.pk, "writable_bytes": 4096, "file_bytes": 7}]}  # fmt: skip
    asking = asyncio.create_task(ask("GET", "/v1.43/system/df?type=container", owner))
    assert await told(fake_host, usage) == "disk.usage"
    (one,) = (await asking).json["Containers"]
    assert (one["Id"], one["SizeRw"], one["SizeRootFs"]) == (container.pk, 7, 7)
    await in_thread(Host.objects.update, heartbeat_at=None)
    volumes = await ask("GET", "/v1.43/system/df?type=volume", owner)  # which no host has to be asked for
    assert (volumes.status, volumes.json) == (200, {"Volumes": []})
    assert (await ask("GET", "/v1.43/system/df", owner)).status == 503
