"""The worker as a process, with a real broker: what survives which death."""

from __future__ import annotations

import base64
import json
import os
import signal
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from celery import Celery

from tests.support.home import Home
from tests.support.processes import Program, eventually
from tests.support.valkey import Valkey
from worker.contract import keys
from worker.contract.commands import (
    CreateContainer,
    PullImage,
    RestartContainer,
    StartContainer,
    StopContainer,
    encode_command,
)

ROOT = Path(__file__).resolve().parents[2]


class Site:
    """What the site does, as far as a worker can see."""

    def __init__(self, home: Home) -> None:
        self.home = home
        self.valkey = Valkey(home.path)
        self.valkey.start()
        self.client = self.valkey.client()
        self.celery = Celery("tests", broker="redis+socket://" + str(self.valkey.socket), set_as_current=False)
        self.worker: Program | None = None

    @property
    def host_id(self) -> str:
        return (self.home.path / "host-id").read_text().strip()

    def start_worker(self, **more: str) -> None:
        environment = self.home.environment(PORTSIDE_REDIS_URL=self.valkey.url, PORTSIDE_HOST="pier", **more)
        before = len(self.events("host.registered"))
        command = [sys.executable, "-m", "tests.worker.fakes"]
        self.worker = Program(command, log=self.home.path / "worker.log", env=environment, cwd=ROOT)
        self.worker.wait_until(lambda: len(self.events("host.registered")) > before, what="host.registered")

    def send(self, job_id: str, command: Any, fence: int = 1, secrets: Any = None) -> None:
        wire = encode_command(command)
        self.celery.send_task(
            keys.TASK_NAME,
            kwargs={"job_id": job_id, "command": wire, "fence": fence, "secrets": secrets, "new": 1},
            queue=keys.queue(self.host_id),
            ignore_result=True,
        )

    def control(self, **message: Any) -> None:
        self.client.xadd(keys.control(self.host_id), {"m": json.dumps(message)})

    def events(self, kind: str | None = None) -> list[dict[str, Any]]:
        found = [json.loads(fields[b"m"]) for _, fields in self.client.xrange(keys.EVENTS)]
        return [event for event in found if kind is None or event["kind"] == kind]

    def ends(self, job_id: str) -> list[dict[str, Any]]:
        by_number = {event["seq"]: event for event in self.events("job.finished") if event["subject"] == job_id}
        return [event["attributes"] for _, event in sorted(by_number.items())]

    def calls(self) -> list[str]:
        path = self.home.path / "calls"
        lines = path.read_text().splitlines() if path.exists() else []
        return [line for line in lines if line not in ("reconcile", "ensure_helpers", "stop_launcher")]

    def close(self) -> None:
        if self.worker is not None:
            self.worker.stop(signal.SIGKILL)
        self.celery.close()
        self.client.close()
        self.valkey.stop()


@pytest.fixture
def site(home: Home) -> Iterator[Site]:
    made = Site(home)
    yield made
    made.close()


def test_a_job_is_done_once_although_it_is_delivered_often(site: Site) -> None:
    site.start_worker()
    for fence in (1, 1, 2, 3):
        site.send("j", PullImage(reference="alpine"), fence)
    site.send("last", StartContainer(container_id="c"))
    eventually(lambda: site.ends("j") and site.ends("last"), what="the ends")
    time.sleep(0.3)
    assert [call for call in site.calls() if "pull" in call] == ["begin pull alpine", "end pull alpine"]
    assert site.ends("j")[0]["status"] == "succeeded"


def test_what_waits_for_a_full_pool_is_begun_once_and_kept_nowhere_else(site: Site) -> None:
    site.start_worker()
    for number in range(6):
        site.send(f"slow{number}", PullImage(reference=f"slow/{number}"))
    eventually(lambda: len(site.calls()) == 4, what="a full pool")
    assert not site.client.keys("unacked*")
    for number in range(6):
        eventually(lambda n=number: f"begin pull slow/{n}" in site.calls(), what="the beginning")
        site.control(kind="job.cancel", job_id=f"slow{number}")
        eventually(lambda n=number: site.ends(f"slow{n}"), what="the end")
    begun = [call for call in site.calls() if call.startswith("begin")]
    assert sorted(begun) == [f"begin pull slow/{number}" for number in range(6)]


def test_a_job_goes_on_after_its_worker_was_killed(site: Site) -> None:
    site.start_worker()
    site.send("j", PullImage(reference="slow/x"))
    eventually(lambda: site.calls() == ["begin pull slow/x"], what="the beginning")
    assert site.worker is not None
    os.kill(site.worker.pid, signal.SIGKILL)
    site.worker.process.wait(60)
    site.start_worker()
    site.send("j", PullImage(reference="slow/x"), 2)  # as the inbox does when a host registers
    eventually(lambda: len(site.calls()) == 2, what="the second attempt")
    site.control(kind="job.cancel", job_id="j")
    ends = eventually(lambda: site.ends("j"), what="the end")
    assert [end["status"] for end in ends] == ["cancelled"]


def test_a_task_that_is_no_job_harms_nobody_and_is_not_shown(site: Site) -> None:
    site.start_worker()
    secret = "hunter2-of-a-registry"
    queue = keys.queue(site.host_id)
    for odd in ({}, {"job_id": "j"}, {"job_id": "j", "command": 7, "secrets": secret}):
        site.celery.send_task(keys.TASK_NAME, kwargs=odd, queue=queue, ignore_result=True)
    headers = {"task": keys.TASK_NAME, "id": ["t"]}
    for body in (f'["{secret}', json.dumps([[], {"job_id": "j", "command": 7, "secrets": secret}, {}])):
        for kind in ("application/json", "application/x-python-serialize"):
            site.client.lpush(queue, envelope(queue, headers, body, kind))
    site.client.lpush(queue, envelope(queue, {}, "{}", "application/json"))
    site.client.lpush(queue, "{}")
    for number in range(6):  # more than there are threads for
        site.send(f"good{number}", PullImage(reference="alpine"))
    eventually(lambda: all(site.ends(f"good{number}") for number in range(6)), what="the ends")
    assert site.worker is not None and site.worker.process.poll() is None
    assert secret not in (site.home.path / "worker.log").read_text()


def test_what_was_cancelled_while_the_broker_was_away_never_begins(site: Site) -> None:
    """Tasks come by another connection than cancellations, and it may be the first that is back."""
    site.start_worker()
    for number in range(3):
        job_id = f"away{number}"
        site.valkey.stop()
        time.sleep(1.3 + 0.4 * number)  # both look for it at intervals of their own
        cut_off = Valkey(site.home.path)  # the same data, where the worker does not see it
        cut_off.socket = site.home.path / "other.sock"
        cut_off.url = f"unix://{cut_off.socket}"
        cut_off.start()
        client = cut_off.client()
        arguments = {"job_id": job_id, "command": encode_command(PullImage(reference="alpine")), "fence": 1}
        queue = keys.queue(site.host_id)
        headers = {"task": keys.TASK_NAME, "id": job_id}
        client.lpush(queue, envelope(queue, headers, json.dumps([[], arguments, {}]), "application/json"))
        client.set(keys.cancelled(job_id), "1")
        client.xadd(keys.control(site.host_id), {"m": json.dumps({"kind": "job.cancel", "job_id": job_id})})
        client.close()
        cut_off.stop()
        site.valkey.start()
        [end] = eventually(lambda j=job_id: site.ends(j), what="its end")
        assert end["status"] == "cancelled"
    assert site.calls() == []


def envelope(queue: str, headers: dict[str, Any], body: str, content_type: str) -> str:
    """A message as kombu's transport for Redis has it."""
    properties = {
        "delivery_info": {"exchange": "", "routing_key": queue},
        "body_encoding": "base64",
        "delivery_tag": str(time.monotonic_ns()),
    }
    return json.dumps(
        {
            "body": base64.b64encode(body.encode()).decode(),
            "content-encoding": "utf-8",
            "content-type": content_type,
            "headers": headers,
            "properties": properties,
        }
    )


def test_what_was_cancelled_while_no_worker_ran_never_begins(site: Site) -> None:
    site.start_worker()
    assert site.worker is not None
    site.worker.stop(signal.SIGKILL)
    site.client.set(keys.cancelled("away"), "1")
    site.send("away", PullImage(reference="alpine"))
    site.start_worker()
    assert eventually(lambda: site.ends("away"), what="its end")[0]["status"] == "cancelled"
    site.send("next", PullImage(reference="alpine"))
    eventually(lambda: site.ends("next"), what="the next one's end")
    assert site.calls() == ["begin pull alpine", "end pull alpine"]


def test_what_a_killed_worker_left_is_done_before_what_waits_in_the_queue(site: Site) -> None:
    site.start_worker()
    site.send("stop", StopContainer(container_id="stubborn-once"))
    eventually(lambda: len(site.calls()) == 1, what="the stop's beginning")
    assert site.worker is not None
    os.kill(site.worker.pid, signal.SIGKILL)
    site.worker.process.wait(30)
    site.send("start", StartContainer(container_id="stubborn-once"))  # the site doesn't know of the death yet
    site.start_worker()
    eventually(lambda: site.ends("start"), seconds=30, what="the end of both")
    assert [call.split()[0] for call in site.calls()] == ["stop", "stop", "start"]
    assert [end["status"] for end in site.ends("stop")] == ["succeeded"]


def test_what_was_asked_for_after_a_creation_with_credentials_is_done_after_it_though_its_worker_is_killed(
    site: Site,
) -> None:
    """Nobody but the site has them, so the next worker waits for it: else the stop would find nothing to stop."""
    site.start_worker()
    create = CreateContainer(container_id="c" * 64, name="slow-once", image="registry.example.com/a", start=True)
    stop, restart = StopContainer(container_id="c" * 64), RestartContainer(container_id="c" * 64)
    login = {"username": "u", "password": "hunter2"}
    site.send("create", create, secrets=login)
    eventually(lambda: len(site.calls()) == 1, what="the creation's beginning")
    site.send("stop", stop)  # which is claimed, and waits for its turn
    eventually(lambda: {event["subject"] for event in site.events("job.started")} == {"create", "stop"}, what="both")
    assert site.worker is not None
    os.kill(site.worker.pid, signal.SIGKILL)
    site.worker.process.wait(30)
    site.send("restart", restart)
    site.start_worker()
    site.send("other", StartContainer(container_id="d"))
    eventually(lambda: site.ends("other"), what="what has nothing to do with it")
    assert [call.split()[0] for call in site.calls()] == ["create", "start"] and not site.ends("stop")
    for job_id, command, secrets in (("create", create, login), ("stop", stop, None), ("restart", restart, None)):
        site.send(job_id, command, 2, secrets=secrets)  # as the inbox does when a host registers
    eventually(lambda: site.ends("stop") and site.ends("restart"), what="the ends")
    calls = [call for call in site.calls() if not call.startswith("start d ")]
    assert [call.split()[0] for call in calls] == ["create", "create", "start", "stop", "restart"]
    assert calls[:2] == [f"create {'c' * 64} u"] * 2
    assert [len(site.ends(job_id)) for job_id in ("create", "stop", "restart")] == [1, 1, 1]
    for left in (site.home.path / "engine.db", site.home.path / "engine.db-wal"):
        assert not left.exists() or b"hunter2" not in left.read_bytes()


def test_a_worker_outlives_its_broker_and_tells_what_happened_meanwhile(site: Site) -> None:
    site.start_worker()
    site.send("before", StartContainer(container_id="c"))
    eventually(lambda: site.ends("before"), what="the first end")
    site.send("during", PullImage(reference="slow/x"))
    eventually(lambda: "begin pull slow/x" in site.calls(), what="the beginning")
    site.valkey.kill()
    time.sleep(1)
    site.valkey.start()
    site.control(kind="job.cancel", job_id="during")
    eventually(lambda: [site.control(kind="job.cancel", job_id="during"), site.ends("during")][1], what="an end")
    site.send("after", StartContainer(container_id="d"))
    eventually(lambda: site.ends("after"), what="a job after the broker's restart")


def test_a_stream_that_was_opened_while_no_worker_listened_is_served_by_the_next(site: Site) -> None:
    site.start_worker()
    assert site.worker is not None
    site.worker.stop(signal.SIGKILL)
    site.control(kind="stream.open", stream_id="s", source="logs", container_id="nobody")
    site.start_worker()
    eventually(lambda: site.client.xlen(keys.frames("s")), what="an answer")


def test_an_emptied_broker_is_filled_again_on_request(site: Site) -> None:
    site.start_worker()
    site.send("j", StartContainer(container_id="c"))
    eventually(lambda: site.ends("j"), what="the end")
    site.client.flushall()
    site.send("k", StartContainer(container_id="d"))
    eventually(lambda: site.ends("k"), what="a job after the flush")
    assert not site.ends("j")
    site.control(kind="events.replay", after_seq=0)

    def replayed() -> bool:
        numbers = [event["seq"] for event in site.events() if event["seq"]]
        return numbers[-1] == max(numbers) and numbers[-numbers[-1] :] == list(range(1, numbers[-1] + 1))

    eventually(lambda: site.ends("j") and replayed(), what="the replay")


def test_a_worker_goes_on_from_what_the_site_has_acknowledged(site: Site) -> None:
    site.start_worker()
    site.send("j", StartContainer(container_id="c"))
    eventually(lambda: site.ends("j"), what="the end")
    assert site.worker is not None
    site.worker.stop(signal.SIGKILL)
    site.client.set(keys.acknowledged(site.host_id), 2)
    site.client.delete(keys.EVENTS)
    site.start_worker()
    assert next(event["seq"] for event in site.events() if event["seq"]) == 3


def test_a_clean_stop_is_prompt_says_goodbye_and_leaves_the_job_to_the_next(site: Site) -> None:
    site.start_worker()
    site.send("j", PullImage(reference="slow/x"))
    eventually(lambda: site.calls() == ["begin pull slow/x"], what="the beginning")
    assert site.worker is not None and site.worker.stop(signal.SIGTERM) == 0
    assert "end pull slow/x" not in site.calls(), "it waited for the pull"
    assert site.events("host.stopped") and not site.ends("j")


def test_a_command_that_cannot_be_broken_off_does_not_hold_up_a_stop(site: Site) -> None:
    site.start_worker()
    site.send("j", StopContainer(container_id="stubborn"))
    eventually(site.calls, what="the beginning")
    assert site.worker is not None and site.worker.stop(signal.SIGTERM, seconds=40) == 0  # that takes 60 s
    assert site.events("host.stopped")


def test_the_host_beats_and_sends_figures(site: Site) -> None:
    site.start_worker()
    beat = eventually(lambda: site.events("host.heartbeat"), what="a heartbeat")[-1]
    assert beat["seq"] is None and beat["attributes"]["name"] == "pier" and beat["attributes"]["last_seq"] >= 2
    key = keys.stats(site.host_id)
    eventually(lambda: site.client.xlen(key) >= 2, what="two samples")

    def half() -> bool:  # of the fake's clock and the worker's, one is read after the other
        sample = json.loads(site.client.xrevrange(key, count=1)[0][1][b"m"])
        assert sample["host"]["cpu_percent"] == 12.5
        assert sample["containers"]["c1"]["cpu_seconds"] > 0
        return 45 < sample["containers"]["c1"]["cpu_percent"] < 55

    eventually(half, what="half a processor")
    assert site.client.ttl(key) > 0


def test_a_job_begins_at_once_and_not_at_the_next_look(site: Site) -> None:
    site.start_worker()
    site.send("warm", StartContainer(container_id="warm"))
    eventually(lambda: site.ends("warm"), what="the end")
    times = []
    for number in range(20):
        sent = time.time()
        site.send(f"j{number}", StartContainer(container_id=f"c{number}"))
        call = eventually(lambda n=number: [c for c in site.calls() if c.startswith(f"start c{n} ")], what="the call")
        times.append(float(call[0].split()[-1]) - sent)
    median = sorted(times)[10]
    print(f"send_task to engine call: median {median * 1000:.1f} ms")
    assert sorted(times)[5] < 0.1, "a look each second would find few so early; the machine may be busy"
