"""Logs by a socket in the home: complete and in order, held back by their reader alone, and without the broker."""

from __future__ import annotations

import contextlib
import json
import os
import resource
import socket
import struct
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import redis

from engine.errors import NotFound
from engine.logs.follower import LogWatcher
from engine.logs.reader import LogReader
from engine.logs.writer import LogWriter
from tests.support.processes import eventually
from tests.worker.fakes import FakeLog
from worker import home_socket, outlets, streams
from worker.contract import frames, near
from worker.contract.frames import Frame, OpenStream
from worker.near_streams import NearStreams
from worker.streams import StreamServer

PATIENCE = 60


class NoBroker:
    """Whoever uses it fails."""

    def pipeline(self, **_: Any) -> Any:
        raise AssertionError("the broker was asked")


class Reader:
    def __init__(self, path: Path, **request: Any) -> None:
        self.connection = socket.socket(socket.AF_UNIX)
        self.connection.settimeout(PATIENCE)
        self.connection.connect(str(path))
        self.decoder = near.Decoder()
        self.frames: list[Frame] = []
        wish = {"stream_id": os.urandom(8).hex(), "source": "logs", "container_id": "c", **request}
        self.connection.sendall(near.encode_request(OpenStream(**wish)))

    @property
    def data(self) -> bytes:
        return b"".join(frame.data for frame in self.frames)

    def read(self) -> bool:
        """Take what has come; False at the end of the connection."""
        data = self.connection.recv(1 << 16)
        self.frames += self.decoder.take(data)
        return bool(data)

    def read_until(self, size: int) -> bytes:
        while len(self.data) < size and self.read():
            pass
        return self.data

    def read_all(self) -> list[Frame]:
        while self.read():
            pass
        return self.frames


class Host:
    def __init__(self, directory: Path) -> None:
        self.path = directory / near.STREAMS_SOCKET
        self.logs: dict[str, Any] = {"c": FakeLog()}
        self.watcher = LogWatcher()
        self.server = StreamServer(NoBroker(), {"logs": self.open}, self.watcher)  # type: ignore[arg-type]
        self.way = NearStreams(self.path, self.server.handle)
        self.server.start()
        self.way.start()

    def open(self, container_id: str) -> Any:
        if container_id not in self.logs:
            raise NotFound("There is no such container.")
        return self.logs[container_id]

    @property
    def log(self) -> FakeLog:
        return self.logs["c"]  # type: ignore[no-any-return]

    def close(self) -> None:
        self.way.stop()
        self.server.stop()
        self.watcher.close()


@pytest.fixture
def host() -> Iterator[Host]:
    with tempfile.TemporaryDirectory(prefix="ps") as directory:  # tmp_path is too long for a Unix socket
        made = Host(Path(directory))
        yield made
        made.close()


def test_a_log_is_followed_with_its_cursors_and_channels(host: Host) -> None:
    host.log.append(b"one\n", at=1.0)
    host.log.append(b"two\n", "stderr", at=2.0)
    reader = Reader(host.path)
    assert reader.read_until(8) == b"one\ntwo\n"
    host.log.append(b"three\n", at=3.0)
    assert reader.read_until(14) == b"one\ntwo\nthree\n"
    assert [(frame.channel, frame.cursor, frame.at) for frame in reader.frames] == [
        (1, 4, 1.0),
        (2, 8, 2.0),
        (1, 14, 3.0),
    ]


def test_who_does_not_follow_gets_all_and_an_end_and_the_connection_closes(host: Host) -> None:
    for number in range(200):
        host.log.append(bytes([number]) * 50_000, at=float(number))
    got = Reader(host.path, follow=False).read_all()
    assert got[-1].kind == frames.END and got[-1].cursor == 10_000_000
    assert b"".join(frame.data for frame in got) == b"".join(chunk.data for chunk in host.log.chunks)
    eventually(lambda: not host.server._sockets, what="no socket that is left")


def test_no_frame_is_longer_than_others_take(host: Host) -> None:
    host.log.append(os.urandom(1_000_000), at=1.0)
    got = Reader(host.path, follow=False).read_all()
    assert max(len(frame.data) for frame in got) <= frames.FRAME_BYTES
    assert b"".join(frame.data for frame in got) == host.log.chunks[0].data
    sizes = [len(frame.data) for frame in got]
    assert [frame.cursor for frame in got] == [sum(sizes[: number + 1]) for number in range(len(sizes))]


def test_a_reader_that_does_not_read_holds_up_itself_alone_and_little_is_kept_for_it(host: Host) -> None:
    for number in range(400):
        host.log.append(bytes(50_000), at=float(number))
    lazy = Reader(host.path)
    eager = Reader(host.path)
    assert len(eager.read_until(20_000_000)) == 20_000_000
    waiting = [len(outlet._waiting) for _, outlet in host.server._sockets.values()]
    assert max(waiting) <= outlets.NEAR_TURN_BYTES + 4096
    host.log.append(b"late\n", at=1000.0)
    assert eager.read_until(20_000_005).endswith(b"late\n")
    assert len(lazy.read_until(20_000_005)) == 20_000_005


def test_of_many_readers_that_do_not_read_less_is_kept_for_each(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(streams, "NEAR_BYTES", 4 * outlets.TURN_BYTES)
    host.log.append(b"a", at=1.0)
    readers = [Reader(host.path) for _ in range(8)]
    for reader in readers:
        reader.read_until(1)
    host.log.append(bytes(5_000_000), at=2.0)
    eventually(lambda: all(outlet.is_full for _, outlet in host.server._sockets.values()), what="all of them full")
    assert max(len(outlet._waiting) for _, outlet in host.server._sockets.values()) <= outlets.TURN_BYTES + 4096


def test_errors_come_as_a_frame_and_end_the_connection(host: Host) -> None:
    for wish, family in (({"container_id": "nobody"}, "not_found"), ({"source": "smells"}, "unsupported")):
        got = Reader(host.path, **wish).read_all()
        assert [frame.kind for frame in got] == [frames.ERROR]
        assert json.loads(got[0].data)["family"] == family


def test_a_removed_container_ends_its_streams(host: Host) -> None:
    host.log.append(b"last words\n")
    reader = Reader(host.path)
    reader.read_until(11)
    host.log.chunks.clear()
    assert reader.read_all()[-1].kind == frames.END


def test_who_goes_away_is_served_no_more_also_in_the_middle(host: Host) -> None:
    host.log.append(bytes(5_000_000), at=1.0)
    readers = [Reader(host.path) for _ in range(3)]
    readers[0].read_until(5_000_000)
    eventually(lambda: len(host.server._streams) == 3, what="three streams")
    for reader in readers:
        reader.connection.close()
    eventually(lambda: not host.server._streams and not host.server._sockets, what="the end of all")


def test_who_asks_for_nothing_is_turned_away(host: Host) -> None:
    for said in (b"", b"hello\n", b"[" * 60_000 + b"\n", b"{" * (near.REQUEST_BYTES + 1)):
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(PATIENCE)
            connection.connect(str(host.path))
            connection.sendall(said)
            connection.shutdown(socket.SHUT_WR)
            assert connection.recv(10) == b""


def test_a_real_log_is_told_of_by_the_kernel_and_not_looked_at_meanwhile(
    host: Host, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(streams, "WATCHED_SECONDS", 3600.0)
    directory = tmp_path / "log"
    host.logs["real"] = LogReader(directory)
    source, sink = os.pipe()
    with LogWriter(directory, max_bytes=100) as writer:
        os.write(sink, b"first\n")
        writer.pump(source, "stdout")
        reader = Reader(host.path, container_id="real")
        reader.read_until(6)
        late = []
        for number in range(50):  # some of them open a new segment
            time.sleep(0.01)
            line = b"line %d\n" % number
            os.write(sink, line)
            began = time.monotonic()
            writer.pump(source, "stdout")
            reader.read_until(len(reader.data) + len(line))
            late.append(time.monotonic() - began)
        assert reader.data.splitlines()[-1] == b"line 49"
        assert sorted(late)[25] < 0.015, "half of the time between two looks where nobody tells"
    os.close(source)
    os.close(sink)
    for path in directory.iterdir():
        path.unlink()
    directory.rmdir()
    assert reader.read_all()[-1].kind == frames.END, "its removal is told of, too"


def test_too_many_open_files_keep_nobody_out_for_good(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(home_socket, "AGAIN_SECONDS", 0.01)
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    host.log.append(b"one\n")
    reader = Reader.__new__(Reader)
    waiting = socket.socket(socket.AF_UNIX)
    used = max(int(entry) for entry in os.listdir("/proc/self/fd"))
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (used + 1, limits[1]))
        filled = []
        with contextlib.suppress(OSError):
            while True:
                filled.append(os.dup(0))
        waiting.connect(str(host.path))
        time.sleep(0.1)
        for descriptor in filled:
            os.close(descriptor)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, limits)
    reader.connection, reader.decoder, reader.frames = waiting, near.Decoder(), []
    waiting.settimeout(PATIENCE)
    waiting.sendall(near.encode_request(OpenStream(stream_id="s", source="logs", container_id="c")))
    assert reader.read_until(4) == b"one\n"


def test_where_no_thread_is_left_who_comes_later_is_let_in(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    start = threading.Thread.start

    def none_is_left(thread: threading.Thread) -> None:
        if thread.name.endswith("-hello"):
            raise RuntimeError("can't start new thread")
        start(thread)

    host.log.append(b"one\n")
    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", none_is_left)
        with contextlib.suppress(BrokenPipeError), contextlib.closing(socket.socket(socket.AF_UNIX)) as turned_away:
            turned_away.settimeout(PATIENCE)
            turned_away.connect(str(host.path))
            assert turned_away.recv(1) == b""
    assert Reader(host.path).read_until(4) == b"one\n"


def test_a_log_that_breaks_what_reads_it_ends_its_own_streams_alone(host: Host) -> None:
    class Broken(FakeLog):
        def read(self, cursor: int, max_bytes: int) -> Any:
            raise struct.error("an index that is half there")

    host.logs["broken"] = Broken()
    host.logs["broken"].append(b"never seen\n")
    host.log.append(b"one\n")
    broken = Reader(host.path, container_id="broken")
    began = time.monotonic()
    assert Reader(host.path).read_until(4) == b"one\n"
    assert time.monotonic() - began < 1.0
    assert [frame.kind for frame in broken.read_all()] == [frames.ERROR]


def test_who_follows_from_the_end_learns_first_where_that_is(host: Host) -> None:
    host.log.append(b"before\n")
    first = Reader(host.path, tail=0)
    first.read()
    assert [(frame.kind, frame.cursor, frame.data) for frame in first.frames] == [(frames.DATA, 7, b"")]
    first.connection.close()  # the worker has ended, for example
    host.log.append(b"between\n")
    assert Reader(host.path, cursor=first.frames[-1].cursor, tail=0).read_until(8) == b"between\n"


def test_a_broker_that_is_away_holds_up_its_own_streams_alone(host: Host) -> None:
    class Away:
        calls = 0

        def pipeline(self, **_: Any) -> Any:
            self.calls += 1
            raise redis.ConnectionError("away")

    away = Away()
    host.server._client = away  # type: ignore[assignment]
    host.log.append(b"one\n")
    host.server.handle(OpenStream(stream_id="b", source="logs", container_id="c"))
    eventually(lambda: away.calls > 2, what="some tries")
    began = time.monotonic()
    assert Reader(host.path).read_until(4) == b"one\n"
    assert time.monotonic() - began < 1.0
    eventually(lambda: away.calls > 4, what="more of them")
    assert "b" in host.server._streams
