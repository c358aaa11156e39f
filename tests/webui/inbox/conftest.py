from __future__ import annotations

import json
import time
from typing import Any

import pytest

from tests.support.valkey import Valkey
from tests.webui.site_broker import HOST_ID, host, site_broker, team  # noqa: F401
from webui.inbox.reader import Inbox
from worker.contract import keys
from worker.contract.events import Event, HostFacts, encode_event
from worker.contract.wire import to_wire


class FakeHost:
    """A host's side of the wire: a journal in memory that can be published, in any order and repeatedly."""

    def __init__(self, server: Valkey, host_id: str = HOST_ID) -> None:
        self.server = server
        self.client = server.client()
        self.host_id = host_id
        self.journal: list[Event] = []

    def facts(self, **more: Any) -> dict[str, Any]:
        facts = HostFacts(
            name="pier",
            session="s1",
            cores=2,
            memory_bytes=1 << 30,
            kernel="6.1",
            architecture="x86_64",
            operating_system="Linux",
            engine_version="0.1.0",
            cgroup_version="v2",
            last_seq=len(self.journal),
        )
        return {**to_wire(facts), **more}

    def append(self, kind: str, subject: str, attributes: dict[str, Any] | None = None) -> Event:
        seq = len(self.journal) + 1
        event = Event(
            host_id=self.host_id, kind=kind, subject=subject, at=time.time(), seq=seq, attributes=attributes or {}
        )
        self.journal.append(event)
        return event

    def publish(self, *events: Event) -> None:
        for event in events:
            self.raw(json.dumps(encode_event(event)))

    def raw(self, body: str) -> None:
        self.client.xadd(keys.EVENTS, {"m": body})

    def say(self, kind: str, subject: str, attributes: dict[str, Any] | None = None) -> None:
        """Append and publish at once."""
        self.publish(self.append(kind, subject, attributes))

    def transient(self, kind: str, subject: str, attributes: dict[str, Any]) -> None:
        self.publish(Event(host_id=self.host_id, kind=kind, subject=subject, at=time.time(), attributes=attributes))

    def register(self) -> None:
        self.say("host.registered", self.host_id, self.facts())

    def heartbeat(self, **more: Any) -> None:
        self.transient("host.heartbeat", self.host_id, self.facts(**more))

    def controls(self) -> list[dict[str, Any]]:
        return [json.loads(fields[b"m"]) for _, fields in self.client.xrange(keys.control(self.host_id))]

    def acknowledged(self) -> int | None:
        raw = self.client.get(keys.acknowledged(self.host_id))
        return None if raw is None else int(raw)

    def changes(self, kind: str) -> list[dict[str, Any]]:
        found = [json.loads(fields[b"m"]) for _, fields in self.client.xrange(keys.CHANGES)]
        return [change for change in found if change["kind"] == kind]


@pytest.fixture
def pier(site_broker: Valkey, db: None) -> FakeHost:  # noqa: F811
    return FakeHost(site_broker)


@pytest.fixture
def inbox() -> Inbox:
    return Inbox()
