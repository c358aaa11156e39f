"""Whatever the broker loses, repeats or reorders, the database ends where the host is."""

from __future__ import annotations

import json
import logging
import time
import uuid
from datetime import timedelta
from typing import Any

import pytest
from django.db import OperationalError, connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from tests.support.speed import slowness
from tests.webui.inbox.conftest import FakeHost
from webui.containers.models import Container
from webui.hosts.models import Host
from webui.hosts.services import host_stopped
from webui.images.models import Image
from webui.inbox import applying, sweeper
from webui.inbox.reader import Inbox
from webui.inbox.sweeper import Sweeper
from webui.jobs.models import Job
from webui.jobs.services import job_create
from webui.volumes.models import Volume
from worker.contract import keys
from worker.contract.commands import PullImage
from worker.contract.events import Event

pytestmark = pytest.mark.django_db(transaction=True)

CONTAINER = "c0ffee" + "0" * 58


def state(status: str, **more: Any) -> dict[str, Any]:
    return {"id": CONTAINER, "name": "web", "image": "alpine", "status": status, **more}


def job_on(host: Host) -> Job:
    return job_create(team=host.team, host=host, requested_by=None, command=PullImage(reference="alpine"))


def test_a_host_appears_when_its_worker_registers(pier: FakeHost, inbox: Inbox) -> None:
    pier.register()
    inbox.read_once()
    host = Host.objects.get(pk=pier.host_id)
    assert (host.name, host.cores, host.last_event_seq, host.is_online) == ("pier", 2, 1, True)
    assert pier.acknowledged() == 1
    assert pier.changes("host")


def test_a_job_goes_from_queued_over_progress_to_its_end(pier: FakeHost, inbox: Inbox, host: Host) -> None:
    job = job_on(host)
    pier.say("job.started", str(job.pk), {"fence": 1})
    inbox.read_once()
    job.refresh_from_db()
    assert job.status == "running" and job.started_at is not None
    items = [{"id": "l1", "status": "downloading", "done_bytes": 5, "total_bytes": 10}]
    pier.transient("job.progress", str(job.pk), {"phase": "pulling", "items": items})
    inbox.read_once()
    error = {"family": "not_found", "message": "No such image.", "detail": {}}
    pier.say("job.finished", str(job.pk), {"status": "failed", "result": {}, "error": error, "fence": 1})
    inbox.read_once()
    job.refresh_from_db()
    assert (job.status, job.error, job.progress["items"]) == ("failed", error, items)
    assert [change["object"]["status"] for change in pier.changes("job")] == ["queued", "running", "running", "failed"]


def test_an_event_that_comes_twice_is_applied_once(pier: FakeHost, inbox: Inbox, host: Host) -> None:
    started = pier.append("container.started", CONTAINER, state("running"))
    died = pier.append("container.died", CONTAINER, state("stopped", exit_code=3))
    pier.publish(started, died)
    inbox.read_once()
    pier.publish(started)
    inbox.read_once()
    container = Container.objects.get(pk=CONTAINER)
    assert (container.observed_status, container.exit_code) == ("stopped", 3)
    assert Host.objects.get(pk=host.pk).last_event_seq == 2


def test_a_missing_number_stops_the_sequence_and_is_asked_for(pier: FakeHost, inbox: Inbox, host: Host) -> None:
    first = pier.append("container.started", CONTAINER, state("running"))
    pier.append("container.died", CONTAINER, state("stopped", exit_code=1))
    third = pier.append("container.started", CONTAINER, state("running", restart_count=1))
    pier.publish(first, third)
    inbox.read_once()
    assert Host.objects.get(pk=host.pk).last_event_seq == 1 == pier.acknowledged()
    assert pier.controls() == [{"kind": "events.replay", "after_seq": 1}]
    pier.publish(*pier.journal[1:])
    inbox.read_once()
    assert Host.objects.get(pk=host.pk).last_event_seq == 3
    assert Container.objects.get(pk=CONTAINER).restart_count == 1


def test_a_replay_asked_for_in_vain_goes_on_where_the_journal_begins(pier: FakeHost, inbox: Inbox, host: Host) -> None:
    for _ in range(9):
        pier.append("container.started", CONTAINER, state("running"))
    pier.append("host.inventory", host.pk, {"containers": [state("stopped")], "images": []})
    pier.transient("host.journal_trimmed", host.pk, {"first_seq": 10})
    pier.publish(pier.journal[9])
    inbox.read_once()
    assert Host.objects.get(pk=host.pk).last_event_seq == 10
    assert Container.objects.get(pk=CONTAINER).observed_status == "stopped"


def test_heartbeats_reveal_what_was_lost_at_the_end(pier: FakeHost, inbox: Inbox, host: Host) -> None:
    pier.append("container.started", CONTAINER, state("running"))  # never arrives
    for _ in range(2):
        pier.heartbeat()
        inbox.read_once()
    assert pier.controls() == [{"kind": "events.replay", "after_seq": 0}]


def test_a_heartbeat_that_merely_overtook_an_event_asks_for_nothing(pier: FakeHost, inbox: Inbox, host: Host) -> None:
    for _ in range(3):
        event = pier.append("container.started", CONTAINER, state("running"))
        pier.heartbeat()
        inbox.read_once()
        pier.publish(event)
        inbox.read_once()
    assert pier.controls() == []


def test_a_host_whose_store_was_lost_counts_anew(pier: FakeHost, inbox: Inbox, host: Host) -> None:
    for _ in range(5):
        pier.say("container.started", CONTAINER, state("running"))
    inbox.read_once()
    pier.journal.clear()
    pier.append("host.registered", host.pk, pier.facts())
    pier.append("host.inventory", host.pk, {"containers": [], "images": []})
    for _ in range(2):
        pier.heartbeat()
        inbox.read_once()
    assert pier.controls()[-1] == {"kind": "events.replay", "after_seq": 0}
    assert pier.acknowledged() == 0
    pier.publish(*pier.journal)
    inbox.read_once()
    assert not Container.objects.filter(pk=CONTAINER).exists()
    assert Host.objects.get(pk=host.pk).last_event_seq == 2 == pier.acknowledged()


def test_a_host_that_is_new_to_this_site_is_asked_for_all_it_has(pier: FakeHost, inbox: Inbox) -> None:
    pier.append("host.registered", pier.host_id, pier.facts())
    pier.publish(pier.append("container.started", CONTAINER, state("running")))
    inbox.read_once()
    assert pier.controls() == [{"kind": "events.replay", "after_seq": 0}]
    pier.publish(*pier.journal)
    inbox.read_once()
    assert Container.objects.get(pk=CONTAINER).observed_status == "running"


def test_an_inventory_adds_what_is_new_and_takes_away_what_is_gone(pier: FakeHost, inbox: Inbox, host: Host) -> None:
    pier.say("container.started", CONTAINER, state("running"))
    pier.say("image.updated", "sha256:old", {"id": "sha256:old", "tags": ["old:latest"]})
    inbox.read_once()
    other = {**state("running"), "id": "beef" + "0" * 60, "name": "found"}
    image = {"id": "sha256:new", "tags": ["new:latest"], "layers": 2}
    pier.say("host.inventory", host.pk, {"containers": [other], "images": [image]})
    inbox.read_once()
    assert [(row.name, row.team_id) for row in Container.objects.all()] == [("found", host.team_id)]
    assert [(row.image_id, row.layers) for row in Image.objects.all()] == [("sha256:new", 2)]
    assert pier.changes("container")[-1]["action"] in ("removed", "updated")


def test_volumes_come_and_go_as_their_host_says(pier: FakeHost, inbox: Inbox, host: Host) -> None:
    for name in ("kept", "gone", "again"):
        pier.say("volume.created", name, {"name": name, "labels": {"a": "b"}, "created_at": 5.0})
    for kind, name in (("removed", "gone"), ("removed", "again"), ("created", "again")):
        pier.say(f"volume.{kind}", name, {"name": name, "type": "volume"} if kind == "removed" else {"name": name})
    inbox.read_once()
    assert set(Volume.objects.values_list("name", flat=True)) == {"kept", "again"}
    kept = Volume.objects.get(name="kept")
    assert (kept.team_id, kept.labels, kept.created_at.timestamp()) == (host.team_id, {"a": "b"}, 5.0)
    assert {change["object"]["name"] for change in pier.changes("volume") if change["object"]} >= {"kept", "again"}
    pier.say("host.inventory", host.pk, {"containers": [], "images": [], "volumes": [{"name": "found"}]})
    inbox.read_once()
    assert [row.name for row in Volume.objects.all()] == ["found"]


def test_a_removed_container_goes(pier: FakeHost, inbox: Inbox, host: Host) -> None:
    pier.say("container.started", CONTAINER, state("running"))
    pier.say("container.removed", CONTAINER)
    inbox.read_once()
    assert not Container.objects.exists()


def test_poison_is_skipped_and_what_follows_is_applied(
    pier: FakeHost, inbox: Inbox, host: Host, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.ERROR):
        pier.raw("{not json")
        pier.raw(json.dumps({"host_id": host.pk}))
        pier.say("container.started", CONTAINER, {"id": CONTAINER})  # a state that lacks its status
        pier.say("job.started", "not-a-uuid", {})
        pier.say("moon.landed", "eagle", {})
        pier.say("container.started", CONTAINER, state("running"))
        inbox.read_once()
        pier.say("container.died", CONTAINER, {"id": CONTAINER})
        inbox.read_once()
    assert Container.objects.get(pk=CONTAINER).observed_status == "running"
    assert Host.objects.get(pk=host.pk).last_event_seq == 5
    assert "skipped" in caplog.text


def test_what_came_with_poison_is_applied_and_told_once(
    pier: FakeHost, inbox: Inbox, host: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All that was done before the poison was found is undone, and done again."""
    jobs = [job_on(host) for _ in range(2)]
    told = len(pier.changes("job"))

    def broken(**_: Any) -> None:
        Volume.objects.create(host=host, team=host.team, name="half done")
        raise RuntimeError

    monkeypatch.setattr(applying.images, "image_apply_state", broken)
    pier.publish(
        pier.append("job.started", str(jobs[0].pk), {"fence": 1}),
        pier.append("container.started", CONTAINER, state("running")),
        pier.append("image.updated", "sha256:1", {"id": "sha256:1"}),
        pier.append("job.started", str(jobs[1].pk), {"fence": 1}),
    )
    inbox.read_once()
    assert Container.objects.get(pk=CONTAINER).observed_status == "running"
    assert [Job.objects.get(pk=job.pk).status for job in jobs] == ["running", "running"]
    assert (len(pier.changes("container")), len(pier.changes("job")) - told) == (1, 2)
    assert not Volume.objects.exists()
    assert Host.objects.get(pk=host.pk).last_event_seq == 4
    assert host.events.count() == 1


def test_a_run_takes_few_queries_and_no_savepoint(pier: FakeHost, inbox: Inbox, host: Host) -> None:
    job = job_on(host)
    Container.objects.create(id=CONTAINER, team=host.team, host=host, name="web", image="alpine")
    pier.publish(
        pier.append("job.started", str(job.pk), {"fence": 1}),
        pier.append("container.created", CONTAINER, state("created")),
        pier.append("action.done", "bridge", {"action": "connect", "type": "network", "container": CONTAINER}),
        pier.append("container.started", CONTAINER, state("running")),
    )
    with CaptureQueriesContext(connection) as asked:
        inbox.read_once()
    assert Container.objects.get(pk=CONTAINER).observed_status == "running"
    verbs = [query["sql"].partition(" ")[0] for query in asked]
    # The host, whose the containers are, the job, the container, its networks; and what is written of each.
    assert sorted(verbs) == ["BEGIN", "COMMIT", "INSERT", *["SELECT"] * 5, *["UPDATE"] * 3]


def test_a_host_that_talks_nonsense_is_no_other_hosts_trouble(pier: FakeHost, inbox: Inbox, host: Host) -> None:
    mad = FakeHost(pier.server, "mad")
    mad.say("host.registered", "mad", mad.facts(memory_bytes=1 << 80))
    pier.say("container.started", CONTAINER, state("running"))
    inbox.read_once()
    assert Container.objects.get(pk=CONTAINER).observed_status == "running"
    assert inbox.read_once() == 0


def test_trouble_of_the_database_is_not_poison(
    pier: FakeHost, inbox: Inbox, host: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    pier.say("container.started", CONTAINER, state("running"))
    with monkeypatch.context() as patch:

        def locked(**_: Any) -> None:
            raise OperationalError("database is locked")

        patch.setattr(applying.containers, "container_apply_state", locked)
        with pytest.raises(OperationalError):
            inbox.read_once()
    assert Host.objects.get(pk=host.pk).last_event_seq == 0
    inbox.read_once()
    assert Container.objects.get(pk=CONTAINER).observed_status == "running"


def test_a_registering_host_hears_of_its_unfinished_jobs_again(pier: FakeHost, inbox: Inbox, host: Host) -> None:
    job = job_on(host)
    done = job_on(host)
    pier.say("job.finished", str(done.pk), {"status": "succeeded"})
    pier.client.delete(keys.queue(host.pk))  # the broker lost them
    pier.register()
    inbox.read_once()
    [message] = pier.client.lrange(keys.queue(host.pk), 0, -1)
    assert json.loads(message)["headers"]["id"] == f"{job.pk}.2"


def test_a_job_whose_secrets_cannot_be_had_keeps_no_other_from_being_sent(
    pier: FakeHost, inbox: Inbox, host: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken, fine = job_on(host), job_on(host)
    pier.client.delete(keys.queue(host.pk))

    def secrets(job: Job) -> None:
        if job.pk == broken.pk:
            raise ValueError("made with another key")

    monkeypatch.setattr(sweeper, "job_secrets", secrets)
    pier.register()
    inbox.read_once()
    [message] = pier.client.lrange(keys.queue(host.pk), 0, -1)
    assert json.loads(message)["headers"]["id"] == f"{fine.pk}.2"


def test_a_lost_job_is_sent_again_but_not_one_that_waits_in_the_queue(pier: FakeHost, host: Host) -> None:
    job = job_on(host)
    long_ago = timezone.now() - timedelta(minutes=2)
    Job.objects.filter(pk=job.pk).update(dispatched_at=long_ago)
    Sweeper().send_lost_jobs()
    assert pier.client.llen(keys.queue(host.pk)) == 1
    pier.client.delete(keys.queue(host.pk))
    Sweeper().send_lost_jobs()
    assert pier.client.llen(keys.queue(host.pk)) == 1
    Sweeper().send_lost_jobs()
    assert pier.client.llen(keys.queue(host.pk)) == 1


def test_a_job_that_the_broker_refused_is_sent_when_it_is_back(pier: FakeHost, host: Host) -> None:
    pier.server.kill()
    job = job_on(host)
    pier.server.start()
    Job.objects.filter(pk=job.pk).update(created_at=timezone.now() - timedelta(seconds=5))
    Sweeper().send_lost_jobs()
    assert pier.client.llen(keys.queue(host.pk)) == 1


def test_pages_hear_that_a_host_fell_silent(pier: FakeHost, host: Host) -> None:
    sweeper = Sweeper()
    sweeper.look_at_hosts()
    Host.objects.filter(pk=host.pk).update(heartbeat_at=timezone.now() - timedelta(minutes=1))
    sweeper.look_at_hosts()
    sweeper.look_at_hosts()
    assert [change["object"]["online"] for change in pier.changes("host")] == [False]


def test_a_host_that_stops_is_offline_at_once(pier: FakeHost, inbox: Inbox, host: Host) -> None:
    pier.heartbeat()
    pier.say("host.stopped", host.pk)
    inbox.read_once()
    assert not Host.objects.get(pk=host.pk).is_online


def test_what_is_read_leaves_the_broker(pier: FakeHost, inbox: Inbox, host: Host) -> None:
    pier.say("container.started", CONTAINER, state("running"))
    inbox.read_once()
    assert pier.client.xlen(keys.EVENTS) == 0


def test_a_thousand_events_cost_less_than_a_second_of_processor_time(pier: FakeHost, inbox: Inbox, host: Host) -> None:
    """The mix of a busy host: 50 jobs with progress, 50 containers that come and go."""
    batch: list[Event] = []
    made = [job_on(host) for _ in range(50)]
    ids = [uuid.uuid4().hex * 2 for _ in made]
    for number, job in enumerate(made):
        web = {**state("running"), "id": ids[number], "name": f"web{number}"}
        batch.append(pier.append("job.started", str(job.pk), {"fence": 1}))
        for done in range(16):
            attributes = {"phase": "pulling", "items": [{"id": "l", "status": "downloading", "done_bytes": done}]}
            batch.append(
                Event(host_id=host.pk, kind="job.progress", subject=str(job.pk), at=1.0, attributes=attributes)
            )
        batch.append(pier.append("container.created", ids[number], {**web, "status": "created"}))
        batch.append(pier.append("container.started", ids[number], web))
        batch.append(pier.append("job.finished", str(job.pk), {"status": "succeeded"}))
    pier.publish(*batch)
    start, used = time.perf_counter(), time.process_time()
    applied = 0
    while count := inbox.read_once():
        applied += count
    seconds, used = time.perf_counter() - start, time.process_time() - used
    print(f"inbox: {applied / seconds:.0f} events/s, {applied / used:.0f} per second of processor time")
    assert applied == len(batch) == 1000
    assert Job.objects.filter(status="succeeded").count() == 50
    assert used < slowness()


@pytest.mark.parametrize("skew", [-3600, 3600])
def test_a_host_whose_clock_is_wrong_is_online_while_it_beats_and_not_a_moment_longer(
    pier: FakeHost, inbox: Inbox, host: Host, monkeypatch: pytest.MonkeyPatch, skew: int
) -> None:
    Host.objects.filter(pk=host.pk).update(heartbeat_at=None)
    right = time.time
    monkeypatch.setattr("tests.webui.inbox.conftest.time.time", lambda: right() + skew)
    pier.register()
    pier.heartbeat()
    monkeypatch.undo()
    inbox.read_once()
    host.refresh_from_db()
    assert host.is_online
    assert host.heartbeat_at is not None and abs((timezone.now() - host.heartbeat_at).total_seconds()) < 600
    host_stopped(host_id=host.pk, at=right() + skew)
    host.refresh_from_db()
    assert not host.is_online
