"""Logs on their way to whoever watches: complete, in order, and never faster than they are read."""

from __future__ import annotations

import json
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from engine.errors import NotFound
from tests.support.processes import eventually
from tests.support.valkey import Valkey
from tests.worker.fakes import FakeLog
from worker import outlets, streams
from worker.contract import frames, keys
from worker.contract.frames import CloseStream, Credit, Frame, OpenStream
from worker.streams import StreamServer


class Viewer:
    """A consumer: opens one stream and reads its frames."""

    def __init__(self, bench: Bench, **request: Any) -> None:
        self.bench = bench
        self.id = f"s{len(bench.viewers)}"
        bench.viewers.append(self)
        self.last = b"0-0"
        self.consumed = 0
        self.frames: list[Frame] = []
        bench.server.handle(OpenStream(**{"stream_id": self.id, "source": "logs", "container_id": "c", **request}))

    @property
    def key(self) -> str:
        return keys.frames(self.id)

    def read(self, *, credit: bool = True) -> None:
        for _, entries in self.bench.client.xread({self.key: self.last}) or ():
            for entry_id, fields in entries:
                self.last = entry_id
                frame = Frame.decode(fields[b"m"])
                self.frames.append(frame)
                self.consumed += len(frame.data)
        if credit:
            self.bench.server.handle(Credit(stream_id=self.id, consumed_bytes=self.consumed))

    @property
    def data(self) -> bytes:
        return b"".join(frame.data for frame in self.frames if frame.kind == frames.DATA)

    @property
    def fresh(self) -> bytes:
        """The same without what came twice: whose confirmation was lost with the broker is sent again."""
        found, seen = b"", 0
        for frame in self.frames:
            if frame.kind == frames.DATA and frame.cursor > seen:
                found += frame.data[max(0, seen - (frame.cursor - len(frame.data))) :]
                seen = frame.cursor
        return found

    def read_until(self, claim: Any, what: str) -> None:
        eventually(lambda: [self.read(), claim()][1], what=what)


class Bench:
    def __init__(self, valkey: Valkey) -> None:
        self.valkey = valkey
        self.client = valkey.client()
        self.logs = {"c": FakeLog()}
        self.viewers: list[Viewer] = []
        self.server = StreamServer(valkey.client(), {"logs": self.open})
        self.server.start()

    def open(self, container_id: str) -> FakeLog:
        if container_id not in self.logs:
            raise NotFound("There is no such container.")
        return self.logs[container_id]


@pytest.fixture
def bench() -> Iterator[Bench]:
    with tempfile.TemporaryDirectory(prefix="ps") as directory:
        valkey = Valkey(Path(directory))
        valkey.start()
        made = Bench(valkey)
        yield made
        made.server.stop()
        valkey.stop()


def test_a_log_is_followed_from_its_beginning_with_both_channels(bench: Bench) -> None:
    log = bench.logs["c"]
    log.append(b"one\n", at=1.0)
    log.append(b"two\n", "stderr", at=2.0)
    viewer = Viewer(bench)
    viewer.read_until(lambda: viewer.data == b"one\ntwo\n", "the past")
    log.append(b"three\n", at=3.0)
    viewer.read_until(lambda: viewer.data.endswith(b"three\n"), "the present")
    assert [(frame.channel, frame.cursor, frame.at) for frame in viewer.frames] == [
        (frames.STDOUT, 4, 1.0),
        (frames.STDERR, 8, 2.0),
        (frames.STDOUT, 14, 3.0),
    ]


def test_reopening_at_a_cursor_goes_on_without_gap_or_repeat(bench: Bench) -> None:
    log = bench.logs["c"]
    for number in range(100):
        log.append(f"{number}\n".encode(), at=float(number))
    first = Viewer(bench)
    first.read_until(lambda: len(first.frames) >= 40, "some frames")
    cursor = first.frames[39].cursor
    second = Viewer(bench, cursor=cursor)
    second.read_until(lambda: second.data.endswith(b"\n99\n"), "the rest")
    assert b"".join(frame.data for frame in first.frames[:40]) + second.data == b"".join(
        chunk.data for chunk in log.chunks
    )


def test_a_tail_without_following_ends(bench: Bench) -> None:
    for number in range(10):
        bench.logs["c"].append(f"{number}\n".encode(), at=float(number))
    viewer = Viewer(bench, tail=3, follow=False)
    viewer.read_until(lambda: viewer.frames and viewer.frames[-1].kind == frames.END, "the end")
    assert viewer.data == b"7\n8\n9\n"


def test_until_ends_a_stream_before_what_came_then(bench: Bench) -> None:
    for number in range(10):
        bench.logs["c"].append(f"{number}\n".encode(), at=float(number))
    for follow in (False, True):
        viewer = Viewer(bench, since=3.0, until=6.0, follow=follow)
        viewer.read_until(lambda v=viewer: v.frames and v.frames[-1].kind == frames.END, "the end")
        assert viewer.data == b"3\n4\n5\n"


def test_a_follower_ends_when_its_until_has_come(bench: Bench) -> None:
    bench.logs["c"].append(b"now\n")
    until = time.time() + 0.5
    viewer = Viewer(bench, until=until)
    viewer.read_until(lambda: viewer.frames and viewer.frames[-1].kind == frames.END, "the end")
    assert viewer.data == b"now\n" and viewer.frames[-1].at >= until


def test_a_follower_gets_nothing_before_its_since_has_come(bench: Bench) -> None:
    since = time.time() + 60
    viewer = Viewer(bench, since=since)
    for at in (time.time(), since - 1, since, since + 1):
        bench.logs["c"].append(f"{at - since:.0f}\n".encode(), at=at)
    viewer.read_until(lambda: viewer.data.endswith(b"1\n"), "what came then")
    assert viewer.data == b"0\n1\n"


def test_a_follower_that_fell_behind_is_taken_to_the_last_lines(bench: Bench) -> None:
    log = bench.logs["c"]
    log.append(b"first\n", at=1.0)
    viewer = Viewer(bench, skip_bytes=50_000, window_bytes=10)
    viewer.read_until(lambda: viewer.data == b"first\n", "the first line")
    for number in range(20_000):
        log.append(b"%05d\n" % number, at=2.0)
    patient = Viewer(bench, window_bytes=1 << 30)
    patient.read_until(lambda: patient.data.endswith(b"19999\n"), "all lines")
    late = Viewer(bench, skip_bytes=50_000, window_bytes=1 << 30)
    late.read_until(lambda: late.data.endswith(b"19999\n"), "the last lines")
    assert late.data.splitlines()[0] == b"19000"
    assert len(patient.data.splitlines()) == 20_001


def test_a_later_beginning_wins_of_tail_and_since(bench: Bench) -> None:
    for number in range(10):
        bench.logs["c"].append(f"{number}\n".encode(), at=float(number))
    for tail, since in ((2, 3.0), (5, 8.0)):
        viewer = Viewer(bench, tail=tail, since=since, follow=False)
        viewer.read_until(lambda v=viewer: v.frames and v.frames[-1].kind == frames.END, "the end")
        assert viewer.data == b"8\n9\n"


def test_one_stream_alone_can_be_read(bench: Bench) -> None:
    log = bench.logs["c"]
    for number in range(6):
        log.append(f"{number}\n".encode(), ("stdout", "stderr")[number % 2], at=1.0)
    viewer = Viewer(bench, channels=(frames.STDERR,))
    viewer.read_until(lambda: viewer.data == b"1\n3\n5\n", "stderr")
    assert [frame.cursor for frame in viewer.frames] == [4, 8, 12], "cursors are those of the whole log"
    log.append(b"more\n", "stdout")
    log.append(b"oops\n", "stderr")
    viewer.read_until(lambda: viewer.data.endswith(b"oops\n"), "what follows")
    assert b"more" not in viewer.data


def test_a_reader_that_does_not_read_holds_up_its_stream_and_no_other(bench: Bench) -> None:
    for number in range(100):
        bench.logs["c"].append(bytes(10_000), at=float(number))
    lazy, eager = Viewer(bench, window_bytes=50_000), Viewer(bench, window_bytes=50_000)
    eager.read_until(lambda: len(eager.data) == 1_000_000, "everything")
    lazy.read(credit=False)
    assert 50_000 <= len(lazy.data) <= 60_000
    lazy.read_until(lambda: len(lazy.data) == 1_000_000, "everything, later")


def test_what_was_read_leaves_the_broker_and_the_rest_expires(bench: Bench) -> None:
    for number in range(10):
        bench.logs["c"].append(b"x" * 100, at=float(number))
    viewer = Viewer(bench)
    viewer.read_until(lambda: len(viewer.data) == 1000, "everything")
    eventually(lambda: bench.client.xlen(viewer.key) == 0, what="an empty stream")
    bench.logs["c"].append(b"more", at=99.0)
    eventually(lambda: bench.client.xlen(viewer.key) == 1, what="one frame")
    eventually(lambda: 0 < bench.client.ttl(viewer.key) <= outlets.EXPIRE_SECONDS, what="an end of its time")


def test_a_closed_or_forgotten_stream_is_served_no_more(bench: Bench) -> None:
    closed, forgotten, kept = Viewer(bench), Viewer(bench), Viewer(bench)
    eventually(lambda: len(bench.server._streams) == 3, what="three streams")
    bench.server.handle(CloseStream(stream_id=closed.id))
    bench.server._streams[forgotten.id].outlet.heard_at -= frames.IDLE_SECONDS
    eventually(lambda: set(bench.server._streams) == {kept.id}, what="the end of two")
    bench.logs["c"].append(b"late\n")
    kept.read_until(lambda: kept.data == b"late\n", "the late line")
    assert set(bench.server._streams) == {kept.id}
    assert not bench.client.exists(closed.key, forgotten.key)


def test_errors_come_as_a_frame(bench: Bench) -> None:
    unknown, strange = Viewer(bench, container_id="nobody"), Viewer(bench, source="smells")
    for viewer, family in ((unknown, "not_found"), (strange, "unsupported")):
        viewer.read_until(lambda v=viewer: v.frames, "a frame")
        assert viewer.frames[0].kind == frames.ERROR
        assert json.loads(viewer.frames[0].data)["family"] == family


def test_a_removed_container_ends_its_streams(bench: Bench) -> None:
    bench.logs["c"].append(b"last words\n")
    viewer = Viewer(bench)
    viewer.read_until(lambda: viewer.data, "the words")
    bench.logs["c"].chunks.clear()
    viewer.read_until(lambda: viewer.frames[-1].kind == frames.END, "the end")


def test_a_hundred_viewers_need_one_thread_and_few_looks_at_the_log(bench: Bench) -> None:
    bench.logs["c"].append(b"hello\n")
    threads = threading.active_count()
    viewers = [Viewer(bench) for _ in range(100)]
    for viewer in viewers:
        viewer.read_until(lambda v=viewer: v.data == b"hello\n", "the greeting")
    assert threading.active_count() <= threads  # one of an earlier test may have ended meanwhile

    def is_left_alone() -> bool:  # the last look, which finds nothing more, may come after the last viewer was served
        reads = bench.logs["c"].reads
        time.sleep(0.5)
        return bench.logs["c"].reads == reads

    eventually(is_left_alone, what="no more looks at the log")
    start = time.perf_counter()
    bench.logs["c"].append(b"all of you\n")
    for viewer in viewers:
        viewer.read_until(lambda v=viewer: v.data.endswith(b"you\n"), "the second line")
    print(f"100 viewers heard a line after {(time.perf_counter() - start) * 1000:.0f} ms")


def test_streams_go_on_after_the_brokers_restart(bench: Bench) -> None:
    bench.logs["c"].append(b"before\n", at=1.0)
    viewer = Viewer(bench)
    viewer.read_until(lambda: viewer.data == b"before\n", "the first line")
    bench.valkey.kill()
    bench.logs["c"].append(b"during\n", at=2.0)
    time.sleep(0.3)
    bench.valkey.start()
    viewer.read_until(lambda: viewer.fresh == b"before\nduring\n", "the second line")


def test_frames_of_one_moment_are_merged_and_their_cursors_kept() -> None:
    log = FakeLog()
    for _ in range(1000):
        log.append(b"x" * 100, at=5.0)
    merged = streams.merged(log.read(0, 1 << 30))
    assert [len(frame.data) for frame in merged] == [65_500, 34_500]
    assert [frame.cursor for frame in merged] == [65_500, 100_000]


def test_throughput_of_one_stream(bench: Bench) -> None:
    for number in range(400):
        bench.logs["c"].append(bytes(50_000), at=float(number))
    viewer = Viewer(bench)
    start = time.perf_counter()
    end = start + 100
    while len(viewer.data) < 20_000_000 and time.perf_counter() < end:
        viewer.read()
    print(f"one stream: {20 / (time.perf_counter() - start):.0f} MB/s")
    assert len(viewer.data) == 20_000_000
