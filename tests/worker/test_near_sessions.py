"""Sessions by a socket in the home: as by the broker, and without it; who comes again finds what was not confirmed."""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import socket
import tempfile
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from engine.errors import Conflict
from tests.support.processes import eventually
from tests.worker.test_sessions import Program
from worker.contract import near, sessions
from worker.contract.frames import Frame, OpenSession
from worker.contract.near import JoinNear, OpenNear
from worker.sessions import near as carriers
from worker.sessions.near import NearSessions
from worker.sessions.server import SessionServer
from worker.threads import Threads


class NoBroker:
    """Whoever uses it fails."""

    def __getattr__(self, name: str) -> Any:
        raise AssertionError("the broker was asked")


class Host:
    def __init__(self, directory: Path) -> None:
        self.path = directory / near.SESSIONS_SOCKET
        self.opened: list[Program] = []
        threads = Threads("session")
        broker: Any = NoBroker()
        self.server = SessionServer(broker, lambda: broker, {"exec": self.open}, threads=threads)
        self.way = NearSessions(self.path, self.server.open_near, self.server.join_near, threads)
        self.way.start()
        self.visitors: list[Visitor] = []

    def open(self, container_id: str, parameters: Mapping[str, Any]) -> Program:
        if container_id == "stopped":
            raise Conflict("the container is not running; start it first")
        self.opened.append(Program(parameters))
        return self.opened[-1]

    def close(self) -> None:
        for visitor in self.visitors:
            with contextlib.suppress(OSError):
                visitor.put(sessions.CLOSE)
            visitor.connection.close()
        for program in self.opened:
            program.process.kill()
        eventually(lambda: not self.server._running, what="the end of all sessions")
        self.way.stop()


class Visitor:
    """The site's side of one session."""

    def __init__(self, host: Host, *command: str, container: str = "c", early: bytes = b"", **more: Any) -> None:
        self.host, self.id = host, secrets.token_hex(8)
        session = {"session_id": self.id, "source": "exec", "container_id": container, **more.pop("session", {})}
        wish = OpenNear(session=OpenSession(**session), parameters={"command": command, **more}, owner="me")
        self.sent = 0
        self.connect(wish, near.encode([self.typed(early)]) if early else b"")

    def connect(self, wish: OpenNear | JoinNear, early: bytes = b"") -> None:
        self.frames: list[Frame] = []
        self.decoder = near.Decoder()
        self.connection = socket.socket(socket.AF_UNIX)
        self.connection.settimeout(60)
        self.connection.connect(str(self.host.path))
        self.connection.sendall(near.encode_session_request(wish) + early)
        self.host.visitors.append(self)

    def again(self, taken: int, owner: str = "me") -> None:
        self.connect(JoinNear(session_id=self.id, owner=owner, taken=taken))

    def typed(self, data: bytes) -> Frame:
        self.sent += len(data)
        return Frame(sessions.DATA, 0, self.sent, time.time(), data)

    def put(self, kind: int, cursor: int = 0, data: bytes = b"") -> None:
        self.connection.sendall(near.encode([Frame(kind, 0, cursor, time.time(), data)]))

    def say(self, data: bytes) -> None:
        self.connection.sendall(near.encode([self.typed(data)]))

    def read(self) -> bool:
        data = self.connection.recv(1 << 16)
        self.frames += self.decoder.take(data)
        return bool(data)

    def until(self, claim: Any) -> None:
        while not claim():
            assert self.read(), self.frames

    def read_all(self) -> Any:
        """To the connection's end; what the session came to."""
        while self.read():
            pass
        return self.end

    def kinds(self, kind: int) -> list[Frame]:
        return [frame for frame in self.frames if frame.kind == kind]

    @property
    def data(self) -> bytes:
        return b"".join(frame.data for frame in self.kinds(sessions.DATA))

    @property
    def end(self) -> Any:
        found = [frame for frame in self.frames if frame.kind in (sessions.END, sessions.ERROR)]
        return json.loads(found[0].data) if found else None


@pytest.fixture
def host() -> Iterator[Host]:
    with tempfile.TemporaryDirectory(prefix="ps") as directory:
        made = Host(Path(directory))
        yield made
        made.close()


def test_bytes_go_both_ways_and_the_end_has_the_exit_code(host: Host) -> None:
    visitor = Visitor(host, "sh", "-c", "read a; echo got $a; echo oops >&2; cat; exit 3", early=b"one\n")
    visitor.until(lambda: b"got one\n" in visitor.data and b"oops\n" in visitor.data)
    visitor.say(b"two")
    visitor.put(sessions.END)
    assert visitor.read_all() == {"exit_code": 3}
    assert visitor.data.endswith(b"two") and visitor.frames[0].kind == sessions.OPENED
    assert max(frame.cursor for frame in visitor.kinds(sessions.CREDIT)) == visitor.sent == 7
    eventually(lambda: host.opened[0].is_closed, what="everything closed")


def test_one_after_the_other(host: Host) -> None:
    for _ in range(30):
        visitor = Visitor(host, "true")
        assert visitor.read_all() == {"exit_code": 0}
        visitor.connection.close()


def test_who_does_not_read_holds_up_the_program_and_loses_nothing(host: Host) -> None:
    visitor = Visitor(
        host, "sh", "-c", "head -c 3000000 /dev/zero | tr '\\0' x", session={"window_bytes": 600_000}
    )  # more than the socket has room for
    eventually(lambda: host.opened, what="the program")
    time.sleep(0.5)
    visitor.until(lambda: len(visitor.data) == 600_000)
    visitor.connection.settimeout(0.3)
    with pytest.raises(TimeoutError):
        visitor.read()
    visitor.connection.settimeout(60)
    while visitor.end is None:
        visitor.put(sessions.CREDIT, len(visitor.data))
        assert visitor.read()
    assert visitor.data == b"x" * 3_000_000


def test_who_does_not_read_is_heard_all_the_same(host: Host) -> None:
    visitor = Visitor(host, "sh", "-c", "cat /dev/zero", session={"window_bytes": 600_000})
    eventually(lambda: host.opened, what="the program")
    time.sleep(0.3)
    visitor.put(sessions.CLOSE)
    eventually(lambda: host.opened[0].is_closed, what="its end")


def test_an_error_of_the_engine_reaches_the_visitor(host: Host) -> None:
    for family, more in (("conflict", {"container": "stopped"}), ("unsupported", {"session": {"source": "copy_in"}})):
        visitor = Visitor(host, "true", **more)
        assert visitor.read_all()["family"] == family
        visitor.connection.close()
    eventually(lambda: not host.server._running, what="its end")


def test_who_comes_again_finds_what_was_not_confirmed_and_goes_on(host: Host) -> None:
    visitor = Visitor(host, "sh", "-c", "echo one; read a; echo two $a; read b; echo three $b; exit 4")
    visitor.until(lambda: visitor.data == b"one\n")
    visitor.put(sessions.CREDIT, 4)
    visitor.say(b"x\n")
    visitor.until(lambda: b"two x\n" in visitor.data)
    visitor.connection.close()
    time.sleep(0.1)
    visitor.again(taken=4)
    visitor.until(lambda: b"two x\n" in visitor.data and visitor.kinds(sessions.CREDIT))
    assert visitor.frames[0].kind == sessions.OPENED and b"one" not in visitor.data
    assert visitor.kinds(sessions.CREDIT)[-1].cursor == 2
    visitor.put(sessions.DATA, 4, b"x\ny\n")  # what was confirmed before is passed over
    assert visitor.read_all() == {"exit_code": 4}
    assert visitor.data == b"two x\nthree y\n"


def test_who_comes_while_the_connection_before_still_stands_takes_its_place(host: Host) -> None:
    visitor = Visitor(host, "sh", "-c", "echo one; read a; echo two $a")
    visitor.until(lambda: visitor.data == b"one\n")
    before = visitor.connection
    visitor.again(taken=0)
    visitor.until(lambda: visitor.data == b"one\n")
    assert before.recv(1 << 16) == b""
    before.close()
    visitor.say(b"x\n")
    assert visitor.read_all() == {"exit_code": 0}


def test_who_comes_after_the_end_finds_the_rest(host: Host) -> None:
    visitor = Visitor(host, "sh", "-c", "read a; echo one; exit 5", early=b"x\n")
    visitor.connection.close()
    eventually(lambda: host.opened and host.opened[0].is_closed, what="its end")
    eventually(lambda: host.server._ended.get(visitor.id), what="what is kept")
    for taken, data in ((0, b"one\n"), (4, b"")):
        visitor.again(taken)
        assert visitor.read_all() == {"exit_code": 5}
        assert visitor.data == data


def test_of_what_has_ended_the_latest_is_kept(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(carriers, "ENDED_BYTES", 250_000)
    visitors = []
    for _ in range(3):
        visitors.append(Visitor(host, "sh", "-c", "head -c 100000 /dev/zero"))
        visitors[-1].read_all()
        eventually(lambda: host.server._ended.get(visitors[-1].id), what="what is kept")
    visitors[0].again(0)
    assert visitors[0].read_all()["family"] == "not_found"
    visitors[2].again(0)
    assert visitors[2].read_all() == {"exit_code": 0} and len(visitors[2].data) == 100_000


def test_what_has_ended_is_not_kept_for_ever(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(carriers, "ENDED_SECONDS", 0.0)
    visitor = Visitor(host, "true")
    visitor.read_all()
    visitor.connection.close()
    eventually(lambda: not host.server._running, what="its end")
    assert host.server._ended.get(visitor.id) is None


def test_nobody_joins_anothers_session(host: Host) -> None:
    visitor = Visitor(host, "cat")
    visitor.until(lambda: visitor.frames)
    stranger = Visitor(host, "true")
    stranger.id = visitor.id
    stranger.again(taken=0, owner="somebody else")
    assert stranger.read_all()["family"] == "not_found"
    stranger.id = "unknown"
    stranger.again(taken=0)
    assert stranger.read_all()["family"] == "not_found"
    visitor.say(b"still here")
    visitor.until(lambda: visitor.data == b"still here")


def test_a_session_that_is_closed_or_that_nobody_comes_back_to_lets_go_of_the_program(
    host: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    closed = Visitor(host, "sleep", "100")
    closed.until(lambda: closed.frames)
    closed.put(sessions.CLOSE)
    closed.connection.close()
    eventually(lambda: host.opened[0].is_closed, what="its end")
    closed.again(taken=0)
    assert closed.read_all()["family"] == "not_found"
    monkeypatch.setattr(sessions, "IDLE_SECONDS", 0.5)
    silent = Visitor(host, "sleep", "100")
    silent.until(lambda: silent.frames)
    silent.connection.close()
    eventually(lambda: host.opened[1].is_closed, what="its end")


def test_what_is_left_runs_on_without_a_connection(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    visitor = Visitor(host, "sh", "-c", "read a; sleep 100")
    visitor.until(lambda: visitor.frames)
    monkeypatch.setattr(sessions, "IDLE_SECONDS", 0.3)
    visitor.put(sessions.LEAVE)
    visitor.connection.close()
    time.sleep(1)
    assert host.opened[0].is_left and host.opened[0].process.poll() is None


@pytest.mark.parametrize("said", [b"", b"no request\n", b'{"session": 3}\n', b"\n", b"[" * 100_000 + b"\n"])
def test_what_is_no_request_is_turned_away(host: Host, said: bytes) -> None:
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(60)
        connection.connect(str(host.path))
        connection.sendall(said)
        connection.shutdown(socket.SHUT_WR)
        with contextlib.suppress(ConnectionResetError):
            assert connection.recv(100) == b""


def test_a_connection_that_is_out_of_step_is_broken_off_and_the_session_stays(host: Host) -> None:
    visitor = Visitor(host, "cat")
    visitor.until(lambda: visitor.frames)
    visitor.connection.sendall(b"\xff" * 100)
    assert visitor.read_all() is None
    visitor.again(taken=0)
    visitor.say(b"hello")
    visitor.until(lambda: visitor.data == b"hello")


def test_sessions_leave_no_descriptor(host: Host) -> None:
    def one() -> None:
        visitor = Visitor(host, "true")
        visitor.read_all()
        visitor.connection.close()
        refused = Visitor(host, "true", container="stopped")
        refused.read_all()
        refused.connection.close()

    def count() -> int:
        return len(os.listdir("/proc/self/fd"))

    one()
    eventually(lambda: not host.server._running, what="rest")
    time.sleep(0.2)
    before = count()
    for _ in range(10):
        one()
        host.opened[-1].process.stdin = host.opened[-1].process.stdout = host.opened[-1].process.stderr = None
    host.opened.clear()
    eventually(lambda: count() <= before + 3, what="all descriptors closed")
