"""What goes into a log comes out again: in order, by stream, from any cursor, by lines and by time."""

from __future__ import annotations

import itertools
import os
import select
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.errors import Conflict, ResourceExhausted
from engine.logs import follower
from engine.logs.follower import LogWatcher
from engine.logs.reader import Chunk, LogReader
from engine.logs.segments import segments
from engine.logs.writer import LogWriter


class Pipes:
    """The two pipes of a container."""

    def __init__(self) -> None:
        self.ends = {stream: os.pipe() for stream in ("stdout", "stderr")}

    def put(self, writer: LogWriter, data: bytes, stream: str = "stdout") -> None:
        source, sink = self.ends[stream]
        os.write(sink, data)
        while writer.pump(source, stream) is not None:
            pass

    def close(self) -> None:
        for source, sink in self.ends.values():
            os.close(source)
            os.close(sink)


@pytest.fixture
def pipes() -> Iterator[Pipes]:
    pipes = Pipes()
    yield pipes
    pipes.close()


def everything(directory: Path, cursor: int = 0, step: int = 1 << 20) -> list[Chunk]:
    chunks: list[Chunk] = []
    while some := LogReader(directory).read(cursor, step):
        assert sum(len(chunk.data) for chunk in some) <= step
        chunks += some
        cursor = some[-1].end
    return chunks


def joined(chunks: list[Chunk], stream: str | None = None) -> bytes:
    return b"".join(chunk.data for chunk in chunks if stream in (None, chunk.stream))


@given(
    writes=st.lists(
        st.one_of(
            st.tuples(st.sampled_from(["stdout", "stderr"]), st.binary(min_size=1, max_size=40)), st.just("restart")
        ),
        max_size=40,
    ),
    max_bytes=st.integers(1, 60),
    step=st.integers(1, 50),
    lines=st.integers(0, 8),
    data=st.data(),
)
@settings(max_examples=150, deadline=None)
def test_everything_that_was_written_is_read_whatever_the_sizes(
    tmp_path_factory: pytest.TempPathFactory,
    writes: list[tuple[str, bytes] | str],
    max_bytes: int,
    step: int,
    lines: int,
    data: st.DataObject,
) -> None:
    directory, pipes = tmp_path_factory.mktemp("log"), Pipes()
    writer = LogWriter(directory, max_bytes, keep=10_000)
    try:
        for item in writes:
            if isinstance(item, tuple):
                pipes.put(writer, item[1], item[0])
            else:
                writer.close()
                writer = LogWriter(directory, max_bytes, keep=10_000)
    finally:
        writer.close()
        pipes.close()
    done = [item for item in writes if isinstance(item, tuple)]
    text = b"".join(bytes_ for _, bytes_ in done)
    chunks = everything(directory, step=step)
    assert joined(chunks) == text
    for stream in ("stdout", "stderr"):
        assert joined(chunks, stream) == b"".join(bytes_ for name, bytes_ in done if name == stream)
    cursor = data.draw(st.integers(0, len(text)))
    assert joined(everything(directory, cursor, step)) == text[cursor:]
    assert all(chunk.at <= other.at for chunk, other in itertools.pairwise(chunks))
    reader = LogReader(directory)
    assert reader.end() == len(text)
    tail = text[reader.cursor_at_tail(lines) :]
    split = [line + b"\n" for line in text.split(b"\n")]
    split[-1] = split[-1][:-1]
    kept = [line for line in split if line]
    assert tail == b"".join(kept[len(kept) - min(lines, len(kept)) :])


def test_the_end_of_a_stream_differs_from_nothing_yet(tmp_path: Path) -> None:
    source, sink = os.pipe()
    with LogWriter(tmp_path) as writer:
        assert writer.pump(source, "stdout") is None
        os.write(sink, b"last words")
        os.close(sink)
        assert writer.pump(source, "stdout") == 10
        assert writer.pump(source, "stdout") == 0
    os.close(source)


def test_a_fifo_ends_only_when_its_last_writer_has_closed(tmp_path: Path) -> None:
    fifo = tmp_path / "stdout"
    os.mkfifo(fifo)
    source = os.open(fifo, os.O_RDONLY | os.O_NONBLOCK)
    with LogWriter(tmp_path / "log") as writer:
        assert writer.pump(source, "stdout") is None, "no writer has come yet"
        first, second = os.open(fifo, os.O_WRONLY), os.open(fifo, os.O_WRONLY)
        os.write(first, b"one\n")
        os.close(first)
        assert writer.pump(source, "stdout") == 4
        assert writer.pump(source, "stdout") is None
        os.close(second)
        assert writer.pump(source, "stdout") == 0
    os.close(source)


def test_old_segments_go_and_cursors_stay(tmp_path: Path, pipes: Pipes) -> None:
    with LogWriter(tmp_path, max_bytes=10, keep=3) as writer:
        for number in range(100):
            pipes.put(writer, b"%04d\n" % number)
    assert [segment.base for segment in segments(tmp_path)] == [470, 480, 490]
    assert len(list(tmp_path.iterdir())) == 6
    chunks = LogReader(tmp_path).read(0)
    assert (chunks[0].cursor, joined(chunks)) == (470, b"0094\n0095\n0096\n0097\n0098\n0099\n")
    assert LogReader(tmp_path).start() == 470


def test_an_index_is_limited_as_the_log_is(tmp_path: Path, pipes: Pipes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("engine.logs.writer._INDEX_BYTES", 160)
    with LogWriter(tmp_path, keep=3) as writer:
        for number in range(100):
            pipes.put(writer, b"x", ("stdout", "stderr")[number % 2])
    assert len(segments(tmp_path)) == 3
    assert max(segment.index.stat().st_size for segment in segments(tmp_path)) <= 160
    assert everything(tmp_path)[-1].end == 100


def test_time_finds_its_place_in_all_segments(tmp_path: Path, pipes: Pipes) -> None:
    moments = []
    with LogWriter(tmp_path, max_bytes=9, keep=100) as writer:
        for number in range(20):
            moments.append(time.time())
            pipes.put(writer, b"%02d\n" % number, "stderr" if number % 3 else "stdout")
            time.sleep(0.003)
    reader = LogReader(tmp_path)
    assert [reader.cursor_since(moment) for moment in moments] == [3 * number for number in range(20)]
    assert reader.cursor_since(0) == 0
    assert reader.cursor_since(time.time()) == 60


def test_a_removed_log_directory_comes_back_and_cursors_go_on(tmp_path: Path, pipes: Pipes) -> None:
    directory = tmp_path / "log"
    with LogWriter(directory) as writer:
        pipes.put(writer, b"before\n")
        for path in directory.iterdir():
            path.unlink()
        directory.rmdir()
        pipes.put(writer, b"after\n")
        assert writer.end == 13
    chunks = LogReader(directory).read(0)
    assert [(chunk.cursor, chunk.data) for chunk in chunks] == [(7, b"after\n")]


def test_a_log_that_somebody_cut_is_still_readable(tmp_path: Path, pipes: Pipes) -> None:
    with LogWriter(tmp_path) as writer:
        pipes.put(writer, b"before\n")
        os.truncate(segments(tmp_path)[0].data, 3)
        pipes.put(writer, b"after\n")
    assert joined(everything(tmp_path)) == b"befafter\n"
    assert LogReader(tmp_path).read(5)[0].cursor == 7


def test_a_second_writer_is_refused(tmp_path: Path) -> None:
    with LogWriter(tmp_path), pytest.raises(Conflict, match="Another process"):
        LogWriter(tmp_path)
    LogWriter(tmp_path).close()


def test_a_log_that_does_not_exist_is_empty(tmp_path: Path) -> None:
    reader = LogReader(tmp_path / "none")
    assert (reader.read(0), reader.end(), reader.cursor_at_tail(5), reader.cursor_since(0)) == ([], 0, 0, 0)


def test_a_follower_wakes_when_something_is_written_and_not_when_its_time_is_over(tmp_path: Path, pipes: Pipes) -> None:
    reader = LogReader(tmp_path)
    with LogWriter(tmp_path) as writer, reader.follow() as follower:
        assert follower.wait(0, 0.01) is False
        began = time.monotonic()
        timer = threading.Timer(0.05, lambda: pipes.put(writer, b"x\n"))
        timer.start()
        assert follower.wait(0, 100) is True
        assert time.monotonic() - began < 50
        timer.join()
        assert follower.wait(2, 0) is False


def test_a_follower_sees_a_new_segment(tmp_path: Path, pipes: Pipes) -> None:
    with LogWriter(tmp_path, max_bytes=4) as writer, LogReader(tmp_path).follow() as follower:
        pipes.put(writer, b"1234")
        timer = threading.Timer(0.05, lambda: pipes.put(writer, b"5"))
        timer.start()
        assert follower.wait(4, 60) is True
        timer.join()


@pytest.mark.root
def test_a_watcher_tells_of_any_of_its_logs_and_of_their_removal(tmp_path: Path, pipes: Pipes) -> None:
    def is_told(watcher: LogWatcher) -> bool:
        told = bool(select.select([watcher], [], [], 0)[0])
        watcher.drain()
        return told

    watcher = LogWatcher()
    places = [tmp_path / name for name in ("one", "two")]
    assert not watcher.add(places[0]), "there is none yet"
    writers = [LogWriter(place) for place in places]
    assert all(watcher.add(place) for place in places)
    assert not is_told(watcher)
    for writer in writers:
        pipes.put(writer, b"words\n")
        assert is_told(watcher) == follower._TELLS
    watcher.remove(places[0])
    watcher.drain()
    pipes.put(writers[0], b"words\n")
    assert not is_told(watcher), "of this one nobody wants to hear"
    for writer in writers:
        writer.close()
    places[1].rename(tmp_path / "kept")
    assert is_told(watcher) == follower._TELLS
    watcher.close()


def test_where_the_kernel_has_no_watcher_to_give_there_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(LogWatcher, "__init__", lambda self: (_ for _ in ()).throw(OSError(24, "inotify_init1")))
    assert LogWatcher.made() is None


def test_a_full_disk_is_an_error_that_loses_nothing(tmp_path: Path, pipes: Pipes) -> None:
    import ctypes

    libc = ctypes.CDLL(None, use_errno=True)
    disk = tmp_path / "disk"
    disk.mkdir()
    assert libc.mount(b"none", os.fsencode(disk), b"tmpfs", 0, b"size=64k") == 0
    try:
        with LogWriter(disk / "log") as writer:
            filler = disk / "filler"
            filler.write_bytes(b"x" * 40_000)
            os.write(pipes.ends["stdout"][1], b"y" * 60_000)
            with pytest.raises(ResourceExhausted, match="No space is left"):
                while writer.pump(pipes.ends["stdout"][0], "stdout"):
                    pass
            filler.unlink()
            while writer.pump(pipes.ends["stdout"][0], "stdout"):
                pass
        assert joined(everything(disk / "log")) == b"y" * 60_000
    finally:
        libc.umount2(os.fsencode(disk), 2)
