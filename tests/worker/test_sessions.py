"""Sessions between a real broker and real processes: bytes both ways, credit, ends, broken connections."""

from __future__ import annotations

import json
import os
import pty
import secrets
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from engine.errors import Conflict
from tests.support.processes import eventually
from tests.support.valkey import Valkey
from worker.broker import connect
from worker.contract import keys, sessions
from worker.contract.frames import Frame, OpenSession
from worker.sessions import carriers
from worker.sessions.server import SessionServer


class Program:
    """A source: a program with pipes or with a terminal; with `zeros`, what it says is what never ends."""

    def __init__(self, parameters: Mapping[str, Any]) -> None:
        self.is_closed = self.is_left = False
        self.sizes: list[tuple[int, int]] = []
        if parameters.get("tty"):
            self._master, slave = pty.openpty()
            self.process = subprocess.Popen(
                parameters["command"], stdin=slave, stdout=slave, stderr=slave, start_new_session=True
            )
            os.close(slave)
            self.stdin: int | None = self._master
            self.outputs = {self._master: sessions.STDOUT}
        else:
            self.process = subprocess.Popen(
                parameters["command"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE
            )
            assert self.process.stdin and self.process.stdout and self.process.stderr
            self.stdin = self.process.stdin.fileno()
            self.outputs = {
                self.process.stdout.fileno(): sessions.STDOUT,
                self.process.stderr.fileno(): sessions.STDERR,
            }
        if parameters.get("zeros"):
            self.outputs = {os.open("/dev/zero", os.O_RDONLY): sessions.STDOUT}
        self.ended: int | None = os.pidfd_open(self.process.pid)

    def described(self) -> dict[str, Any]:
        return {"pid": self.process.pid}

    def close_stdin(self) -> None:
        assert self.process.stdin
        self.process.stdin.close()
        self.stdin = None

    def resize(self, rows: int, columns: int) -> None:
        self.sizes.append((rows, columns))

    def result(self) -> dict[str, Any]:
        return {"exit_code": self.process.wait(60)}

    def leave(self) -> None:
        self.is_left = True

    def close(self) -> None:
        self.process.kill()
        self.process.wait(60)
        assert self.ended is not None
        os.close(self.ended)
        self.is_closed = True


class Host:
    def __init__(self, valkey: Valkey) -> None:
        self.valkey = valkey
        self.client = valkey.client()
        self.opened: list[Program] = []
        self.visitors: list[Visitor] = []
        self.server = SessionServer(
            connect(valkey.url), lambda: connect(valkey.url, blocking_seconds=2), {"program": self.open}
        )

    def close(self) -> None:
        """Sessions that go on would look for their broker from among the next tests."""
        for visitor in self.visitors:
            visitor.put(sessions.CLOSE)
        eventually(lambda: not self.server._running, what="the end of all sessions")
        self.client.close()

    def open(self, container_id: str, parameters: Mapping[str, Any]) -> Program:
        if container_id == "stopped":
            raise Conflict("the container is not running; start it first")
        self.opened.append(Program(parameters))
        return self.opened[-1]


class Visitor:
    """The site's side of one session."""

    def __init__(
        self, host: Host, *command: str, container: str = "c", tty: bool = False, parameters: Any = None, **options: Any
    ) -> None:
        self.host, self.client = host, host.client
        self.id = secrets.token_hex(8)
        host.visitors.append(self)
        self.put(sessions.BEGIN, data=json.dumps({"command": command, "tty": tty, **(parameters or {})}).encode())
        self.sent = self.consumed = 0
        self.last = b"0-0"
        self.frames: list[Frame] = []
        host.server.handle(
            OpenSession(**{"session_id": self.id, "source": "program", "container_id": container, **options})
        )

    def put(self, kind: int, cursor: int = 0, data: bytes = b"") -> None:
        frame = Frame(kind, 0, cursor, time.time(), data)
        self.client.xadd(keys.session_input(self.id), {"m": frame.encode()})

    def say(self, data: bytes) -> None:
        self.sent += len(data)
        self.put(sessions.DATA, self.sent, data)

    def read(self, *, credit: bool = True) -> None:
        for _, entries in self.client.xread({keys.frames(self.id): self.last}) or ():
            for entry_id, fields in entries:
                self.last = entry_id
                self.frames.append(Frame.decode(fields[b"m"]))
        if credit and len(self.data) > self.consumed:
            self.consumed = len(self.data)
            self.put(sessions.CREDIT, self.consumed)

    @property
    def data(self) -> bytes:
        return self.of(sessions.STDOUT, sessions.STDERR)

    def of(self, *channels: int) -> bytes:
        return b"".join(f.data for f in self.frames if f.kind == sessions.DATA and f.channel in channels)

    def until(self, claim: Any, what: str) -> None:
        eventually(lambda: [self.read(), claim()][1], what=what)

    @property
    def opened(self) -> Any:
        found = [f for f in self.frames if f.kind == sessions.OPENED]
        return json.loads(found[0].data) if found else None

    @property
    def end(self) -> Any:
        found = [f for f in self.frames if f.kind in (sessions.END, sessions.ERROR)]
        return json.loads(found[0].data) if found else None


@pytest.fixture
def host(monkeypatch: pytest.MonkeyPatch) -> Iterator[Host]:
    monkeypatch.setattr(carriers, "BLOCK_SECONDS", 0.2)  # a listener ends at its next look
    with tempfile.TemporaryDirectory(prefix="ps") as directory:
        valkey = Valkey(Path(directory))
        valkey.start()
        made = Host(valkey)
        yield made
        made.close()
        valkey.kill()


def test_bytes_go_both_ways_and_the_end_has_the_exit_code(host: Host) -> None:
    visitor = Visitor(host, "sh", "-c", "read a; echo got $a; echo oops >&2; cat; exit 3")
    visitor.say(b"one\n")
    visitor.until(lambda: b"got one\n" in visitor.of(sessions.STDOUT), "the answer")
    visitor.say(b"two")
    visitor.put(sessions.END)
    visitor.until(lambda: visitor.end, "the end")
    assert visitor.end == {"exit_code": 3}
    assert visitor.of(sessions.STDOUT) == b"got one\ntwo" and visitor.of(sessions.STDERR) == b"oops\n"
    assert visitor.frames[0].kind == sessions.OPENED
    eventually(lambda: host.opened[0].is_closed, what="everything closed")
    left = [Frame.decode(fields[b"m"]).kind for _, fields in host.client.xrange(keys.session_input(visitor.id))]
    assert set(left) <= {sessions.CREDIT}, "nothing of what was typed stays"


def test_a_terminal_echoes_resizes_and_ends_with_its_program(host: Host) -> None:
    visitor = Visitor(host, "sh", "-c", "read a; sleep 100 & exit 5", tty=True)
    visitor.put(sessions.RESIZE, data=b'{"rows": 50, "columns": 132}')
    visitor.until(lambda: host.opened and host.opened[0].sizes == [(50, 132)], "the size")
    visitor.say(b"hello\r")
    visitor.until(lambda: visitor.end, "the end, though a child holds the terminal")
    assert visitor.data == b"hello\r\n" and visitor.end == {"exit_code": 5}


def test_who_does_not_read_holds_up_the_program_and_loses_nothing(host: Host) -> None:
    visitor = Visitor(host, "sh", "-c", "head -c 3000000 /dev/zero | tr '\\0' x", window_bytes=100_000)
    eventually(lambda: [visitor.read(credit=False), len(visitor.data) == 100_000][1], what="a window")
    time.sleep(0.3)
    visitor.read(credit=False)
    assert len(visitor.data) == 100_000
    visitor.until(lambda: visitor.end, "the end")
    assert visitor.data == b"x" * 3_000_000


def test_megabytes_go_through_cat_without_growth(host: Host) -> None:
    visitor = Visitor(host, "cat")
    block, echoed = bytes(range(256)) * 256, 0
    for _ in range(80):
        eventually(
            lambda: [visitor.read(), visitor.sent - _told(visitor) < sessions.INPUT_WINDOW_BYTES][1], what="room"
        )
        visitor.say(block)
    visitor.put(sessions.END)
    visitor.until(lambda: visitor.end, "the end")
    assert visitor.data == block * 80
    assert echoed == 0 and visitor.end == {"exit_code": 0}


def _told(visitor: Visitor) -> int:
    return max((f.cursor for f in visitor.frames if f.kind == sessions.CREDIT), default=0)


def test_input_that_comes_twice_is_taken_once(host: Host) -> None:
    visitor = Visitor(host, "cat")
    visitor.say(b"hello ")
    visitor.put(sessions.DATA, 6, b"hello ")
    visitor.put(sessions.DATA, 11, b"lo world"[:8])
    visitor.put(sessions.END)
    visitor.until(lambda: visitor.end, "the end")
    assert visitor.data == b"hello world"


def test_who_comes_again_finds_what_was_not_confirmed(host: Host) -> None:
    visitor = Visitor(host, "sh", "-c", "echo one; read a; echo two; read b")
    visitor.until(lambda: visitor.data == b"one\n", "the first line")
    visitor.say(b"\n")
    eventually(lambda: [visitor.read(credit=False), b"two" in visitor.data][1], what="the second line")
    visitor.last, visitor.frames = b"0-0", []
    visitor.read(credit=False)
    assert visitor.data.endswith(b"two\n") and visitor.frames[-1].cursor == 8


def test_an_error_of_the_engine_reaches_the_visitor(host: Host) -> None:
    visitor = Visitor(host, "true", container="stopped")
    visitor.until(lambda: visitor.end, "the error")
    assert (visitor.end["family"], "start it first" in visitor.end["message"]) == ("conflict", True)
    other = Visitor(host, "true", source="telepathy")
    other.until(lambda: other.end, "the error")
    assert other.end["family"] == "unsupported"


def test_a_closed_or_silent_session_lets_go_of_the_program(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    closed = Visitor(host, "sleep", "100")
    eventually(lambda: host.opened, what="the program")
    closed.put(sessions.CLOSE)
    eventually(lambda: host.opened[0].is_closed, what="its end")
    monkeypatch.setattr(sessions, "IDLE_SECONDS", 0.5)
    Visitor(host, "sleep", "100")
    eventually(lambda: len(host.opened) == 2 and host.opened[1].is_closed, what="its end")


def test_a_program_that_is_left_goes_on_and_what_it_says_is_dropped(
    host: Host, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    go = tmp_path / "go"
    os.mkfifo(go)
    visitor = Visitor(host, "sh", "-c", f"echo one; read a < {go}; head -c 3000000 /dev/zero; echo done > {go}.on; cat")
    visitor.until(lambda: visitor.data == b"one\n", "the first line")
    monkeypatch.setattr(sessions, "IDLE_SECONDS", 0.5)
    visitor.put(sessions.LEAVE)
    eventually(lambda: host.opened[0].is_left, what="its being left")
    time.sleep(1.5)
    assert host.opened[0].process.poll() is None, "nobody is missed"
    go.write_text("go on\n")
    eventually((tmp_path / "go.on").exists, what="more than any window, which nobody reads")
    visitor.put(sessions.END)
    visitor.until(lambda: visitor.end == {"exit_code": 0}, "the end")
    assert visitor.data == b"one\n"


def test_what_still_writes_when_a_program_that_was_left_has_ended_is_not_read(host: Host) -> None:
    visitor = Visitor(host, "sh", "-c", "read a", parameters={"zeros": True})
    visitor.until(lambda: visitor.data, "the first bytes")
    visitor.put(sessions.LEAVE)
    visitor.put(sessions.END)
    visitor.until(lambda: visitor.end == {"exit_code": 1}, "the end")
    eventually(lambda: host.opened[0].is_closed, what="everything closed")


def test_a_broker_that_is_away_for_a_moment_ends_nothing(host: Host) -> None:
    visitor = Visitor(host, "sh", "-c", "while read a; do echo got $a; done")
    visitor.say(b"one\n")
    visitor.until(lambda: b"got one" in visitor.data, "the first answer")
    host.valkey.kill()
    host.valkey.start()
    visitor.client = host.valkey.client()
    time.sleep(0.5)
    visitor.say(b"two\n")
    visitor.until(lambda: b"got two" in visitor.data, "the second answer")
    visitor.put(sessions.END)
    visitor.until(lambda: visitor.end == {"exit_code": 0}, "the end")


def test_a_session_that_nobody_begins_is_refused(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("worker.sessions.carriers.BEGIN_SECONDS", 0.2)
    host.server.handle(OpenSession(session_id="s", source="program", container_id="c"))
    eventually(lambda: host.client.exists(keys.frames("s")), what="the refusal")
    assert host.opened == [] and carriers.EXPIRE_SECONDS >= host.client.ttl(keys.frames("s")) > 0
