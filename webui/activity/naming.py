"""From what a host says to Docker's event of the same: type, action, attributes. Pure.

Names and attributes are those of `docker events` (docs.docker.com, "docker system events"); values are strings there
and here; `error` of a death is ours, and says why; so is `changed` of an update, the names of what is other now. What
only carries state (an image's new size, a start that was taken back) is no event: None.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from worker.contract import events
from worker.contract.events import Event

ACTION_MAXIMUM = 256
CONTAINER, IMAGE, NETWORK, VOLUME, BUILDER = "container", "image", "network", "volume", "builder"
TYPES = (CONTAINER, IMAGE, NETWORK, VOLUME, BUILDER)


@dataclass(frozen=True, slots=True, kw_only=True)
class Named:
    """One event in Docker's words. `container_id` is empty where no container is meant."""

    type: str
    action: str
    actor_id: str
    container_id: str = ""
    name: str = ""
    image: str = ""
    labels: Mapping[str, str] = field(default_factory=dict)
    attributes: Mapping[str, str] = field(default_factory=dict)

    @property
    def verb(self) -> str:
        return self.action.partition(":")[0]


_PLAIN = {
    events.CONTAINER_CREATED: "create",
    events.CONTAINER_STARTED: "start",
    events.CONTAINER_OOM: "oom",
    events.CONTAINER_DIED: "die",
    events.CONTAINER_KILLED: "kill",
    events.CONTAINER_STOPPED: "stop",
    events.CONTAINER_RESTARTED: "restart",
    events.CONTAINER_PAUSED: "pause",
    events.CONTAINER_UNPAUSED: "unpause",
    events.CONTAINER_UPDATED: "update",
    events.CONTAINER_RENAMED: "rename",
    events.CONTAINER_REMOVED: "destroy",
}
_SILENT = frozenset({events.CONTAINER_RESTARTING, events.CONTAINER_SETTLED})


def named(event: Event) -> Named | None:
    """The event in Docker's words; None for what is none. Raises KeyError, TypeError or ValueError for nonsense."""
    if event.kind in _SILENT:
        return None
    if event.kind == events.CONTAINER_HEALTH:
        return _of_container(event, f"health_status: {(event.attributes.get('health') or {}).get('status', 'none')}")
    if event.kind in _PLAIN:
        return _of_container(event, _PLAIN[event.kind])
    maker = _OTHERS.get(event.kind)
    return None if maker is None else maker(event)


def _of_container(event: Event, action: str) -> Named:
    said = event.attributes
    labels = said.get("labels") if action == "destroy" else (said.get("spec") or {}).get("labels")
    return Named(
        type=CONTAINER,
        action=action,
        actor_id=event.subject,
        container_id=event.subject,
        name=str(said.get("name") or ""),
        image=str(said.get("image") or ""),
        labels=_texts(labels),
        attributes=_texts(_more(event, action)),
    )


def _more(event: Event, action: str) -> dict[str, Any]:
    said = event.attributes
    if action == "die":
        began, ended = said.get("started_at"), said.get("finished_at")
        took = {} if began is None or ended is None or ended < began else {"execDuration": int(ended - began)}
        return {"exitCode": said.get("exit_code"), **took, "error": said.get("error")}
    if action == "kill":
        return {"signal": said.get("signal")}
    if action == "update":
        return {"changed": ",".join(str(name) for name in said.get("changed") or ()) or None}
    if action == "rename":
        return {"oldName": said.get("old_name")}
    return {}


def _exec(event: Event) -> Named:
    said = event.attributes
    if event.kind == events.EXEC_DIED:
        action, more = "exec_die", {"execID": event.subject, "exitCode": said.get("exit_code")}
    else:
        verb = "exec_create" if event.kind == events.EXEC_CREATED else "exec_start"
        words = " ".join(str(word) for word in said.get("command") or ())
        action, more = f"{verb}: {words}"[:ACTION_MAXIMUM], {"execID": event.subject}
    return Named(
        type=CONTAINER,
        action=action,
        actor_id=str(said["container"]),
        container_id=str(said["container"]),
        name=str(said.get("name") or ""),
        image=str(said.get("image") or ""),
        labels=_texts(said.get("labels")),
        attributes=_texts(more),
    )


def _image_removed(event: Event) -> Named:
    return Named(type=IMAGE, action="delete", actor_id=event.subject, name=event.subject)


def _volume(event: Event) -> Named:
    action = _VOLUME_ACTIONS[event.kind]
    labels = _texts(event.attributes.get("labels"))
    return Named(type=VOLUME, action=action, actor_id=event.subject, name=event.subject, labels=labels)


def _done(event: Event) -> Named:
    said = dict(event.attributes)
    kind, action = str(said.pop("type")), str(said.pop("action"))
    if kind not in TYPES:
        raise ValueError(f"{kind[:40]!r} is no type of an event")
    name, image, labels = said.pop("name", ""), said.pop("image", ""), said.pop("labels", {})
    return Named(
        type=kind,
        action=action[:ACTION_MAXIMUM],
        actor_id=event.subject,
        container_id=event.subject if kind == CONTAINER else str(said.get("container") or ""),
        name=str(name),
        image=str(image),
        labels=_texts(labels),
        attributes=_texts(said),
    )


_VOLUME_ACTIONS = {
    events.VOLUME_CREATED: "create",
    events.VOLUME_UPDATED: "update",
    events.VOLUME_RENAMED: "rename",
    events.VOLUME_REMOVED: "destroy",
}
_OTHERS: dict[str, Callable[[Event], Named]] = {
    events.EXEC_CREATED: _exec,
    events.EXEC_STARTED: _exec,
    events.EXEC_DIED: _exec,
    events.IMAGE_REMOVED: _image_removed,
    **dict.fromkeys(_VOLUME_ACTIONS, _volume),
    events.ACTION_DONE: _done,
}


def _texts(values: Any) -> dict[str, str]:
    """What is there, as text: Docker's attributes are strings, true and false among them. Databases take no NUL."""
    found = values.items() if isinstance(values, Mapping) else ()
    return {str(name): _text(value) for name, value in found if value is not None}


def _text(value: Any) -> str:
    text = str(value).lower() if isinstance(value, bool) else str(value)
    return text.replace("\0", "\ufffd")
