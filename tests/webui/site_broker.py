"""Fixtures: the site's code against a real broker, with one team and one host in the database."""

from __future__ import annotations

import dataclasses
import json
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.utils import timezone

from tests.support.valkey import Valkey
from webui import broadcast
from webui.accounts.models import Team
from webui.hosts.models import Host
from worker.contract import keys

HOST_ID = "8a1d3b1e-0000-4000-8000-000000000001"


@pytest.fixture
def site_broker(settings: Any) -> Iterator[Valkey]:
    """A running broker that `webui.broadcast` and `webui.jobs.dispatch` are connected to."""
    with tempfile.TemporaryDirectory(prefix="ps") as directory:  # tmp_path is too long for a Unix socket
        server = Valkey(Path(directory))
        server.start()
        settings.PORTSIDE = dataclasses.replace(settings.PORTSIDE, redis_url=server.url)
        _forget_connections()
        yield server
        _forget_connections()
        server.stop()


def _forget_connections() -> None:
    for client in (broadcast.broker, broadcast.impatient):
        if client.cache_info().currsize:
            client().close()
        client.cache_clear()


@pytest.fixture
def team(db: None) -> Team:
    return Team.objects.create(name="Harbour")


@pytest.fixture
def host(team: Team) -> Host:
    return Host.objects.create(pk=HOST_ID, team=team, name="pier", heartbeat_at=timezone.now())


def changes_told(site_broker: Valkey, kind: str) -> int:
    """How often the pages were told of one of this kind; the audit log tells them of its own entries beside."""
    told = [json.loads(fields[b"m"]) for _, fields in site_broker.client().xrange(keys.CHANGES)]
    return sum(one["kind"] == kind for one in told)
