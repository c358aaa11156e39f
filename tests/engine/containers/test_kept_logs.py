"""A real container's log after its removal."""

from __future__ import annotations

import os

import pytest

from engine.errors import NotFound
from tests.support.engine import Host
from tests.support.processes import eventually

pytestmark = pytest.mark.root


def test_the_log_of_a_removed_container_is_read_until_its_time_is_over(host: Host) -> None:
    engine = host.engine
    removed = host.run("echo", "last words")
    host.ended(removed.id)
    engine.container_remove(removed.id)
    by_itself = host.run("echo", "nobody waits for me", auto_remove=True)
    eventually(lambda: "removed" in host.events(by_itself.id), seconds=60, what="its removal")
    assert host.log(removed.id) == b"last words\n"
    assert host.log(by_itself.id) == b"nobody waits for me\n"
    assert engine.container_log_ask(removed.id, "lines", {})["lines"][0][3] == "last words"
    with pytest.raises(NotFound):
        engine.container_get(removed.id)
    assert host.is_clean(removed.id, by_itself.id)

    engine.keep_logs(0, 1 << 30)
    gone = host.run("true")
    host.ended(gone.id)
    engine.container_remove(gone.id)
    with pytest.raises(NotFound):
        engine.container_logs(gone.id)
    assert sorted(engine.tidy_kept_logs()) == sorted([removed.id, by_itself.id])
    assert os.listdir(host.home.config.kept_logs) == []
    with pytest.raises(NotFound):
        engine.container_logs(removed.id)
    entries = engine.journal.read(0, limit=100_000)
    told = [entry.attributes["log_kept"] for entry in entries if entry.kind == "container.removed"]
    assert told == [True, True, False]
    assert {entry.subject for entry in entries if entry.kind == "log.removed"} == {removed.id, by_itself.id}
