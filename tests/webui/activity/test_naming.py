"""A host's events in Docker's words: pure, event by event."""

from __future__ import annotations

from typing import Any

import pytest

from webui.activity.naming import Named, named
from worker.contract import events as e
from worker.contract.events import Event

ID = "c0" * 32
STATE = {
    "id": ID,
    "name": "web",
    "image": "alpine:3",
    "status": "stopped",
    "exit_code": 137,
    "started_at": 10.0,
    "finished_at": 13.75,
    "spec": {"labels": {"tier": "front", "odd": "a\0b"}},
}
LABELLED = {"name": "web", "image": "alpine:3", "labels": {"tier": "front"}}


def event(kind: str, attributes: dict[str, Any], subject: str = ID) -> Event:
    return Event(host_id="h", kind=kind, subject=subject, at=1.0, seq=1, attributes=attributes)


@pytest.mark.parametrize(
    ("kind", "more", "action", "attributes"),
    [
        (e.CONTAINER_CREATED, {}, "create", {}),
        (e.CONTAINER_STARTED, {}, "start", {}),
        (e.CONTAINER_OOM, {}, "oom", {}),
        (e.CONTAINER_DIED, {}, "die", {"exitCode": "137", "execDuration": "3"}),
        (e.CONTAINER_DIED, {"error": "lost"}, "die", {"exitCode": "137", "execDuration": "3", "error": "lost"}),
        (e.CONTAINER_KILLED, {"signal": 15}, "kill", {"signal": "15"}),
        (e.CONTAINER_STOPPED, {}, "stop", {}),
        (e.CONTAINER_RESTARTED, {}, "restart", {}),
        (e.CONTAINER_PAUSED, {}, "pause", {}),
        (e.CONTAINER_UNPAUSED, {}, "unpause", {}),
        (e.CONTAINER_UPDATED, {}, "update", {}),
        (e.CONTAINER_UPDATED, {"changed": ["labels", "ports"]}, "update", {"changed": "labels,ports"}),
        (e.CONTAINER_RENAMED, {"old_name": "old"}, "rename", {"oldName": "old"}),
        (e.CONTAINER_HEALTH, {"health": {"status": "healthy"}}, "health_status: healthy", {}),
    ],
)
def test_a_container_state_becomes_dockers_event(
    kind: str, more: dict[str, Any], action: str, attributes: dict[str, str]
) -> None:
    found = named(event(kind, {**STATE, **more}))
    assert found == Named(
        type="container",
        action=action,
        actor_id=ID,
        container_id=ID,
        name="web",
        image="alpine:3",
        labels={"tier": "front", "odd": "a\ufffdb"},
        attributes=attributes,
    )


def test_what_only_carries_state_is_no_event() -> None:
    for kind in (e.CONTAINER_RESTARTING, e.CONTAINER_SETTLED, e.IMAGE_UPDATED, e.HOST_INVENTORY, e.JOB_STARTED):
        assert named(event(kind, STATE)) is None


def test_a_removal_is_a_destroy_that_names_what_is_gone() -> None:
    found = named(event(e.CONTAINER_REMOVED, {"type": "container", **LABELLED}))
    assert found is not None and (found.action, found.name, found.labels) == ("destroy", "web", {"tier": "front"})
    bare = named(event(e.CONTAINER_REMOVED, {}))
    assert bare is not None and (bare.action, bare.name) == ("destroy", "")


def test_execs_name_their_command_and_belong_to_their_container() -> None:
    started = named(event(e.EXEC_STARTED, {"container": ID, "command": ["sh", "-c", "ls"], **LABELLED}, "e1"))
    assert started is not None
    assert (started.action, started.verb, started.actor_id) == ("exec_start: sh -c ls", "exec_start", ID)
    assert started.attributes == {"execID": "e1"}
    died = named(event(e.EXEC_DIED, {"container": ID, "exit_code": 3, **LABELLED}, "e1"))
    assert died is not None and died.attributes == {"execID": "e1", "exitCode": "3"}


def test_what_was_done_keeps_its_own_attributes() -> None:
    resized = named(
        event(e.ACTION_DONE, {"action": "resize", "type": "container", "height": 24, "width": 80, **LABELLED})
    )
    assert resized is not None
    assert (resized.action, resized.attributes) == ("resize", {"height": "24", "width": "80"})
    pulled = named(event(e.ACTION_DONE, {"action": "pull", "type": "image", "name": "alpine:3"}, "sha256:1"))
    assert pulled is not None
    assert (pulled.type, pulled.action, pulled.actor_id, pulled.container_id) == ("image", "pull", "sha256:1", "")
    joined = named(
        event(e.ACTION_DONE, {"action": "connect", "type": "network", "name": "bridge", "container": ID}, "bridge")
    )
    assert joined is not None and (joined.container_id, joined.attributes) == (ID, {"container": ID})


@pytest.mark.parametrize("attributes", [{}, {"type": "container"}, {"type": "planet", "action": "x"}])
def test_nonsense_is_refused(attributes: dict[str, Any]) -> None:
    with pytest.raises((KeyError, ValueError)):
        named(event(e.ACTION_DONE, attributes))
