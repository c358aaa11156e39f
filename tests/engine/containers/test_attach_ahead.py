"""Attaching ahead of a start: no first byte is missed, no last word, and what was said before is heard."""

from __future__ import annotations

import os
from typing import Any

import pytest

from engine.errors import Conflict, NotFound
from tests.support.engine import Host
from tests.support.processes import eventually
from worker.contract import sessions
from worker.sessions.attach_source import AttachSource

pytestmark = [pytest.mark.root, pytest.mark.registry]


def read_all(source: AttachSource, channel: int) -> bytes:
    descriptor = next(reader for reader, number in source.outputs.items() if number == channel)
    found = b""
    while data := os.read(descriptor, 65536):
        found += data
    return found


def is_gone(host: Host, container_id: str) -> bool:
    try:
        host.engine.container_get(container_id)
    except NotFound:
        return True
    return False


def actions(host: Host, container_id: str) -> list[str]:
    entries = host.engine.journal.read(0, limit=10_000)
    return [
        str(one.attributes["action"]) for one in entries if one.kind == "action.done" and one.subject == container_id
    ]


def test_the_first_and_the_last_words_reach_who_attached_before_the_start(host: Host) -> None:
    spec = host.spec("sh", "-c", "echo first; echo other >&2; cat; echo last; exit 7", stdin_open=True,
                     stdin_once=True, auto_remove=True)  # fmt: skip
    host.engine.container_create(spec)
    wish: dict[str, Any] = {"ahead": True, "stdin": True}
    source = AttachSource(host.engine, spec.id, wish)
    assert source.described() == {"run": 1, "tty": False, "stdin": True, "ahead": True} and source.stdin is None
    with pytest.raises(Conflict, match="start it first"):
        host.engine.container_attach(spec.id)
    host.engine.container_start(spec.id)
    eventually(lambda: source.stdin is not None, seconds=60, what="its input")
    with pytest.raises(Conflict, match="attach to what runs"):
        host.engine.container_attach(spec.id, ahead=True)
    assert source.stdin is not None
    os.write(source.stdin, b"said\n")
    source.close_stdin()
    assert read_all(source, sessions.STDOUT) == b"first\nsaid\nlast\n"
    assert read_all(source, sessions.STDERR) == b"other\n"
    assert source.result() == {"exit_code": 7}
    assert host.log(spec.id).startswith(b"first")  # it waits for who is attached
    source.close()
    eventually(lambda: is_gone(host, spec.id), seconds=60, what="its removal")
    assert actions(host, spec.id) == ["attach"]  # who stays to the end has not left


def test_an_input_that_ended_before_the_start_ends_after_it(host: Host) -> None:
    spec = host.spec("cat", stdin_open=True, stdin_once=True)
    host.engine.container_create(spec)
    source = AttachSource(host.engine, spec.id, {"ahead": True, "stdin": True})
    source.close_stdin()
    host.engine.container_start(spec.id)
    assert read_all(source, sessions.STDOUT) == b"" and source.result() == {"exit_code": 0}
    source.close()
    assert actions(host, spec.id) == ["attach"]


def test_who_attached_ahead_hears_why_it_did_not_start(host: Host) -> None:
    spec = host.spec("/no/such/program")
    host.engine.container_create(spec)
    source = AttachSource(host.engine, spec.id, {"ahead": True})
    with pytest.raises(Exception, match="no such"):
        host.engine.container_start(spec.id)
    assert read_all(source, sessions.STDOUT) == b"" and source.result() == {"exit_code": 127}
    source.close()


def test_a_size_that_was_told_before_the_start_is_the_terminals(host: Host) -> None:
    spec = host.spec("sh", "-c", "read go; stty size", tty=True, stdin_open=True)
    host.engine.container_create(spec)
    source = AttachSource(host.engine, spec.id, {"ahead": True, "stdin": True, "size": {"rows": 33, "columns": 44}})
    host.engine.container_start(spec.id)
    eventually(lambda: source.stdin is not None, seconds=60, what="its input")
    assert source.stdin is not None
    os.write(source.stdin, b"\n")
    assert b"33 44" in read_all(source, sessions.STDOUT)
    source.close()
    assert actions(host, spec.id)[:2] == ["attach", "resize"]
