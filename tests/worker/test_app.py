"""What Celery is told, seen at a broker."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
from kombu.exceptions import OperationalError

from tests.support.valkey import Valkey
from worker.app import make_app
from worker.contract import keys
from worker.settings import WorkerSettings

SECRET = "hunter2-of-a-registry"


@pytest.mark.parametrize("dies", [True, False])
def test_a_task_that_was_not_begun_is_written_nowhere_at_the_end(
    valkey: Valkey, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, dies: bool
) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr("tempfile.tempdir", None)
    monkeypatch.setenv("PORTSIDE_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("PORTSIDE_REDIS_URL", valkey.url)
    executor: Any = None
    app = make_app(WorkerSettings.from_environment(), "h1", executor)
    app.send_task(keys.TASK_NAME, kwargs={"job_id": "j", "command": {}, "secrets": {"password": SECRET}},
                  queue=keys.queue("h1"))  # fmt: skip
    with app.connection_for_read() as connection:
        channel = connection.channel()
        assert channel.basic_get(keys.queue("h1")) is not None
        if dies:
            valkey.kill()
        channel.close()
    if not dies:  # the site sends it again
        assert valkey.client().llen(keys.queue("h1")) == 0
    written = [Path(place) / name for place, _, names in os.walk(tmp_path) for name in names]
    assert [path for path in written if SECRET.encode() in path.read_bytes()] == []


def test_a_broker_that_is_away_is_looked_for_without_long_pauses(
    valkey: Valkey, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Kombu's own rise by two seconds each, up to thirty."""
    monkeypatch.setenv("PORTSIDE_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("PORTSIDE_REDIS_URL", valkey.url)
    executor: Any = None
    app = make_app(WorkerSettings.from_environment(), "h1", executor)
    valkey.stop()
    pauses: list[float] = []
    with app.connection_for_read() as connection, pytest.raises(OperationalError):
        connection.clone().ensure_connection(lambda _, pause: pauses.append(pause), 5)
    assert len(pauses) >= 4 and max(pauses) < 1
