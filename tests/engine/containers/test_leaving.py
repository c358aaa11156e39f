"""Stopped and removed in one: gently, told together, and with nothing left."""

from __future__ import annotations

import json
import threading

import pytest

from engine.errors import NotFound
from tests.support.engine import Host
from tests.support.processes import eventually

pytestmark = [pytest.mark.root, pytest.mark.registry]

POLITE = "trap 'echo saved > /data/said; exit 0' TERM; echo ready; while :; do sleep 1 & wait $!; done"


def test_what_runs_may_end_its_work_before_it_is_removed(host: Host) -> None:
    record = host.run("sh", "-c", POLITE, volumes=("data:/data",))
    host.says(record.id, b"ready\n")
    host.engine.container_remove(record.id, stop=True)
    with pytest.raises(NotFound):
        host.engine.container_get(record.id)
    assert host.is_clean()
    assert host.events(record.id) == ["created", "started", "killed", "died", "stopped", "removed"]
    reader = host.run("cat", "/data/said", volumes=("data:/data",))
    assert host.ended(reader.id).exit_code == 0
    assert host.log(reader.id) == b"saved\n"


def test_who_watches_is_told_that_the_removal_follows(host: Host) -> None:
    left, stopped = (host.run("sh", "-c", POLITE.replace("/data/", "/")) for _ in range(2))
    for record in (left, stopped):
        host.says(record.id, b"ready\n")
    host.engine.container_remove(left.id, stop=True)
    host.engine.container_stop(stopped.id)
    rows = host.engine.store.connection().execute("SELECT subject, attributes FROM event WHERE kind = 'container.died'")
    told = {row["subject"]: json.loads(row["attributes"]).get("leaving") for row in rows}
    assert told == {left.id: True, stopped.id: None}


def test_what_does_not_obey_is_killed_when_the_grace_is_over(host: Host) -> None:
    record = host.run("sh", "-c", "trap '' TERM; echo deaf; while :; do sleep 1; done", restart="always")
    host.says(record.id, b"deaf\n")
    host.engine.container_remove(record.id, stop=True, grace=0.3)
    assert host.is_clean()
    assert host.events(record.id)[-5:] == ["killed", "killed", "died", "stopped", "removed"]


def test_what_does_not_run_is_removed_as_ever(host: Host) -> None:
    ended = host.run("true")
    host.ended(ended.id)
    never = host.spec("true")
    host.engine.container_create(never)
    for container_id in (ended.id, never.id):
        host.engine.container_remove(container_id, stop=True)
    assert host.is_clean()
    assert host.events(ended.id) == ["created", "started", "died", "removed"]


def test_a_kill_from_elsewhere_shortens_the_wait(host: Host) -> None:
    record = host.run("sh", "-c", "trap '' TERM; echo deaf; while :; do sleep 1; done")
    host.says(record.id, b"deaf\n")
    removal = threading.Thread(
        target=host.engine.container_remove, args=(record.id,), kwargs={"stop": True, "grace": -1}
    )
    removal.start()
    eventually(lambda: "killed" in host.events(record.id), what="the stop's signal")
    host.engine.container_remove(record.id, force=True)
    removal.join(30)
    assert not removal.is_alive()
    assert host.is_clean()
