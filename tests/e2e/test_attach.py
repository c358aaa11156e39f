"""Attaching to a container by WebSocket: its own process' streams, its terminal, and an end that is not ours."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

import pytest
from websockets.sync.client import connect

from tests.e2e.test_exec import Exec
from tests.support.portside import Portside
from tests.support.processes import PATIENCE_SECONDS

pytestmark = [pytest.mark.root, pytest.mark.registry]


@contextlib.contextmanager
def attached(portside: Portside, container_id: str, **first: Any) -> Iterator[Exec]:
    headers = {"Authorization": f"Bearer {portside.rest.token}"}
    url = f"ws://{portside.address}/ws/containers/{container_id}/attach/"
    with connect(url, additional_headers=headers, max_size=None, open_timeout=PATIENCE_SECONDS) as connection:
        made = Exec(connection)
        made.say(**{"type": "open", "stdin": True, **first})
        yield made


def test_input_comes_back_and_its_end_ends_the_container(portside: Portside, tiny_image: str) -> None:
    script = "cat; echo all >&2; exit 4"
    container = portside.rest.run(tiny_image, "sh", "-c", script, stdin_open=True, stdin_once=True)
    with attached(portside, container["id"]) as made:
        for number in range(40):
            made.connection.send(b"%09d\n" % number * 1000)
        made.say(type="eof")
        assert made.end() == {"type": "end", "exit_code": 4}
    assert made.data == {1: b"".join(b"%09d\n" % number * 1000 for number in range(40)), 2: b"all\n"}


def test_a_shell_on_a_terminal_outlives_those_who_attach(portside: Portside, tiny_image: str) -> None:
    container = portside.rest.run(tiny_image, "sh", tty=True, stdin_open=True)
    with attached(portside, container["id"], rows=40, columns=123) as first:
        first.connection.send(b"stty size; n=41\r")
        first.until(lambda: b"40 123" in first.data[1], "size")
        first.say(type="close")
    with attached(portside, container["id"], logs=10) as second, attached(portside, container["id"]) as third:
        second.until(lambda: b"40 123" in second.data[1], "the last lines of its log")
        third.until(lambda: third.last("opened"), "opening")
        second.say(type="resize", rows=50, columns=90)
        second.connection.send(b"sh -c 'echo up-$((1+1)); exec sleep 100'\r")
        second.until(lambda: b"up-2" in second.data[1], "program")
        second.connection.send(b"\x03")
        second.connection.send(b"stty size; echo $((n+1)) $?\r")
        for each in (second, third):
            each.until(lambda each=each: b"50 90\r\n42 " in each.data[1], "what both see")  # type: ignore[misc]
        third.connection.send(b"exit 3\r")
        assert second.end() == third.end() == {"type": "end", "exit_code": 3}
    assert b"40 123" not in third.data[1]


def test_who_does_not_run_can_not_be_attached_to(portside: Portside, tiny_image: str) -> None:
    container = portside.rest.run(tiny_image, "true")
    portside.rest.wait_status(container["id"], "stopped")
    with attached(portside, container["id"]) as made:
        assert "start it first" in made.end()["error"]["message"]
    with attached(portside, container["id"], logs=-1) as made:
        assert "logs" in made.end()["error"]["message"]
