"""The direct way beside the broker: the same bytes, ends and errors, and nobody gets in without the token."""

from __future__ import annotations

import os
import secrets
import socket
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from engine.errors import DataCorrupt
from tests.support.processes import eventually
from tests.support.valkey import Valkey
from tests.worker.test_sessions import Host, Visitor
from worker.broker import connect
from worker.contract import sessions
from worker.sessions import carriers, pump
from worker.sessions.direct import DirectWay
from worker.sessions.server import SessionServer

MANY = 5_000_000


class OneWay:
    """A source with one stream, as archives have: a program that writes, or one that reads."""

    def __init__(self, parameters: Mapping[str, Any]) -> None:
        self._takes, self._is_bad = parameters["takes"], parameters.get("bad")
        pipes: dict[str, Any] = {"stdin" if self._takes else "stdout": subprocess.PIPE}
        self.process = subprocess.Popen(parameters["command"], **pipes)
        self.stdin: int | None = self.process.stdin.fileno() if self.process.stdin else None
        self.outputs = {self.process.stdout.fileno(): sessions.STDOUT} if self.process.stdout else {}
        self.ended: int | None = os.pidfd_open(self.process.pid) if self._takes else None
        self.is_closed = False

    def described(self) -> dict[str, Any]:
        return {"here": True}

    def close_stdin(self) -> None:
        assert self.process.stdin
        self.process.stdin.close()
        self.stdin = None

    def resize(self, rows: int, columns: int) -> None:
        pass

    def result(self) -> dict[str, Any]:
        code = self.process.wait(60)
        if self._is_bad:
            raise DataCorrupt("that was no tar")
        return {"exit_code": code}

    def close(self) -> None:
        self.process.kill()
        self.process.wait(60)
        for stream in (self.process.stdin, self.process.stdout):
            if stream is not None and not stream.closed:
                stream.close()
        if self.ended is not None:
            os.close(self.ended)
        self.is_closed = True


class Near(Host):
    """A host with a direct way."""

    def __init__(self, valkey: Valkey, directory: Path) -> None:
        super().__init__(valkey)
        self.path = directory / sessions.DIRECT_SOCKET
        self.way = DirectWay(self.path)
        self.way.start()
        self.sources: list[OneWay] = []
        self.server = SessionServer(
            connect(valkey.url), lambda: connect(valkey.url, blocking_seconds=2), {"program": self.make}, self.way
        )

    def make(self, _: str, parameters: Mapping[str, Any]) -> OneWay:
        self.sources.append(OneWay(parameters))
        return self.sources[-1]

    def reach(self, token: str) -> tuple[socket.socket, bytes]:
        """A connection that has said its token, and what it heard."""
        connection = socket.socket(socket.AF_UNIX)
        connection.settimeout(60)
        connection.connect(str(self.path))
        connection.sendall(token.encode())
        return connection, connection.recv(1)


@pytest.fixture
def near(monkeypatch: pytest.MonkeyPatch) -> Iterator[Near]:
    monkeypatch.setattr(carriers, "BLOCK_SECONDS", 0.2)
    with tempfile.TemporaryDirectory(prefix="ps") as directory:
        valkey = Valkey(Path(directory))
        valkey.start()
        made = Near(valkey, Path(directory))
        yield made
        made.close()
        made.way.stop()
        valkey.kill()


def visit(near: Near, *command: str, takes: bool, **more: Any) -> tuple[Visitor, str]:
    """A session that asks for the direct way, once it is offered."""
    token = secrets.token_hex(sessions.TOKEN_BYTES // 2)
    visitor = Visitor(near, *command, parameters={"takes": takes, sessions.DIRECT: token, **more})
    visitor.until(lambda: visitor.opened, "the beginning")
    assert visitor.opened == {"here": True, "direct": True}
    return visitor, token


def test_what_comes_out_is_all_there_before_the_end_is_told(near: Near) -> None:
    visitor, token = visit(near, "sh", "-c", f"head -c {MANY} /dev/zero | tr '\\0' x; exit 3", takes=False)
    connection, heard = near.reach(token)
    with connection:
        assert heard == sessions.GRANTED
        assert near.reach(token)[1] == b"", "a token is good for once"
        got = bytearray()
        while data := connection.recv(1 << 20):
            got += data
    assert got == b"x" * MANY
    visitor.until(lambda: visitor.end, "the end")
    assert visitor.end == {"exit_code": 3} and visitor.data == b""


def test_what_goes_in_is_over_when_both_ways_say_so(near: Near, tmp_path: Path) -> None:
    visitor, token = visit(near, "sh", "-c", f"cat > {tmp_path}/got", takes=True)
    connection, _ = near.reach(token)
    with connection:
        connection.sendall(b"y" * MANY)
        connection.shutdown(socket.SHUT_WR)
        eventually(lambda: (tmp_path / "got").stat().st_size == MANY, what="all bytes")
        assert near.sources[0].process.poll() is None, "a cut connection would look the same"
        visitor.put(sessions.END)
        visitor.until(lambda: visitor.end, "the end")
    assert visitor.end == {"exit_code": 0} and (tmp_path / "got").read_bytes() == b"y" * MANY


def test_who_goes_away_in_the_middle_ends_the_program(near: Near) -> None:
    for takes, command in ((False, "cat /dev/zero"), (True, "cat > /dev/null")):
        visitor, token = visit(near, "sh", "-c", command, takes=takes)
        connection, heard = near.reach(token)
        assert heard == sessions.GRANTED
        connection.close()
        visitor.put(sessions.CLOSE)
        eventually(lambda: near.sources[-1].is_closed, what="its end")


def test_an_error_is_told_by_the_broker_though_not_all_was_sent(near: Near) -> None:
    visitor, token = visit(near, "sh", "-c", "head -c 10 >/dev/null", takes=True, bad=True)
    connection, _ = near.reach(token)
    with connection:
        connection.sendall(b"z" * 100)
        visitor.until(lambda: visitor.end, "the error")
    assert visitor.end["family"] == "data_corrupt"


def test_who_does_not_come_gets_all_by_the_broker(near: Near, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pump, "DIRECT_SECONDS", 0.0)
    visitor, token = visit(near, "sh", "-c", "head -c 100000 /dev/zero", takes=False)
    visitor.until(lambda: visitor.end, "the end")
    assert visitor.data == bytes(100_000)
    assert near.reach(token)[1] == b"", "it is too late"
    assert near.reach("0" * sessions.TOKEN_BYTES)[1] == b"", "nobody knows that one"
