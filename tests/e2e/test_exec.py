"""A process in a running container by WebSocket: bytes both ways, terminals, exit codes, broken connections."""

from __future__ import annotations

import contextlib
import json
import struct
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection, connect

from tests.support.portside import Portside
from tests.support.processes import PATIENCE_SECONDS

pytestmark = [pytest.mark.root, pytest.mark.registry]


class Exec:
    """The browser's side of one exec socket."""

    def __init__(self, connection: ClientConnection) -> None:
        self.connection = connection
        self.data = {1: b"", 2: b""}
        self.cursor = 0
        self.confirmed = 0
        self.messages: list[dict[str, Any]] = []

    def say(self, **message: Any) -> None:
        self.connection.send(json.dumps(message))

    def receive(self, seconds: float) -> None:
        got = self.connection.recv(timeout=seconds)
        if isinstance(got, bytes):
            channel, self.cursor = struct.unpack(">BQ", got[:9])
            self.data[channel] += got[9:]
            with contextlib.suppress(ConnectionClosed):  # the end may be on its way already
                self.say(type="taken", bytes=self.cursor)
            return
        message = json.loads(got)
        self.messages.append(message)
        if message["type"] == "confirmed":
            self.confirmed = message["bytes"]

    def until(self, claim: Callable[[], object], what: str, seconds: float = PATIENCE_SECONDS) -> None:
        end = time.monotonic() + seconds
        while not claim():
            left = end - time.monotonic()
            assert left > 0, f"no {what}; {self.data} {self.messages[-3:]}"
            with contextlib.suppress(TimeoutError):
                self.receive(left)

    def last(self, kind: str) -> dict[str, Any] | None:
        return next((message for message in reversed(self.messages) if message["type"] == kind), None)

    def end(self, seconds: float = PATIENCE_SECONDS) -> dict[str, Any]:
        self.until(lambda: self.last("end") or self.last("error"), "end", seconds)
        return self.last("end") or self.last("error") or {}


@contextlib.contextmanager
def opened(portside: Portside, container_id: str, **first: Any) -> Iterator[Exec]:
    headers = {"Authorization": f"Bearer {portside.rest.token}"}
    url = f"ws://{portside.address}/ws/containers/{container_id}/exec/"
    with connect(url, additional_headers=headers, max_size=None, open_timeout=PATIENCE_SECONDS) as connection:
        made = Exec(connection)
        made.say(**{"type": "open", **first})
        yield made


@pytest.fixture
def container_id(portside: Portside, tiny_image: str) -> str:
    return str(portside.rest.run(tiny_image, "sleep", "600", env={"COLOUR": "blue"})["id"])


def test_streams_and_exit_code_of_a_command(portside: Portside, container_id: str) -> None:
    command = ["sh", "-c", "echo $COLOUR $SHAPE; id -u; pwd; echo oops >&2; exit 7"]
    with opened(portside, container_id, command=command, env={"SHAPE": "round"}, user="12", workdir="/tmp") as made:
        assert made.end() == {"type": "end", "exit_code": 7}
    assert made.data == {1: b"blue round\n12\n/tmp\n", 2: b"oops\n"}


def test_input_reaches_it_and_ends(portside: Portside, container_id: str) -> None:
    with opened(portside, container_id, command=["wc", "-c"], stdin=True) as made:
        for _ in range(50):
            made.connection.send(b"x" * 20_000)
        made.say(type="eof")
        assert made.end() == {"type": "end", "exit_code": 0}
    assert made.data[1].strip() == b"1000000"


def test_a_terminal_has_a_size_a_prompt_and_control_c(portside: Portside, container_id: str) -> None:
    with opened(portside, container_id, command=["sh"], tty=True, rows=40, columns=123) as made:
        made.connection.send(b"stty size\r")
        made.until(lambda: b"40 123" in made.data[1], "size")
        made.say(type="resize", rows=50, columns=90)
        made.connection.send(b"stty size\r")
        made.until(lambda: b"50 90" in made.data[1], "new size")
        made.connection.send(b"sh -c 'echo up-$((1+1)); exec sleep 100'\r")
        made.until(lambda: b"up-2" in made.data[1], "program")
        made.connection.send(b"\x03")
        made.connection.send(b"echo code $?\r")
        made.until(lambda: b"code 130" in made.data[1], "interrupt")
        made.connection.send(b"exit 3\r")
        assert made.end() == {"type": "end", "exit_code": 3}


def test_a_broken_connection_is_joined_again_without_gap_or_repeat(portside: Portside, container_id: str) -> None:
    with opened(portside, container_id, command=["sh"], tty=True, rows=24, columns=80) as made:
        made.until(lambda: b"# " in made.data[1], "prompt")  # until then the terminal echoes as well
        made.connection.send(b"n=41\r")
        made.until(lambda: made.last("opened") and made.confirmed == 5, "confirmed input")
        session = (made.last("opened") or {})["session"]
        before = made.data[1]
    again = {"type": "join", "session": session, "taken": len(before), "sent": 5}
    with opened(portside, container_id, **again) as joined:
        joined.connection.send(b"echo $((n+1)).\r")
        joined.until(lambda: b"42." in joined.data[1], "answer of the same shell")
        joined.connection.send(b"exit\r")
        joined.end()
    assert (before + joined.data[1]).count(b"n=41") == 1


def test_an_end_of_the_container_ends_it(portside: Portside, container_id: str) -> None:
    with opened(portside, container_id, command=["sh", "-c", "echo up; exec sleep 600"]) as made:
        made.until(lambda: b"up" in made.data[1], "program")
        portside.rest.act(container_id, "kill")
        assert made.end()["exit_code"] == 137


@pytest.mark.parametrize(
    ("first", "words"),
    [
        ({"command": ["nosuch"]}, "nosuch"),
        ({"command": "sh -c ls"}, "command"),
        ({"command": ["true"], "user": "nobody-here"}, "nobody-here"),
        ({"command": ["true"], "tty": True, "rows": -1, "columns": 80}, "rows"),
        ({"type": "join", "session": "0" * 32, "taken": 0, "sent": 0}, "open a new one"),
        ({"type": "dance"}, "open or join"),
    ],
)
def test_what_can_not_be_is_an_error_that_says_why(
    portside: Portside, container_id: str, first: dict[str, Any], words: str
) -> None:
    with opened(portside, container_id, **first) as made:
        assert words in made.end()["error"]["message"]
        with pytest.raises(ConnectionClosed):
            made.receive(PATIENCE_SECONDS)


def test_a_stopped_container_says_so(portside: Portside, tiny_image: str) -> None:
    container = portside.rest.run(tiny_image, "true")
    portside.rest.wait_status(container["id"], "stopped")
    with opened(portside, container["id"], command=["sh"]) as made:
        assert "start it first" in made.end()["error"]["message"]
