"""Compressed segments read like plain ones, from anywhere, whatever dies while they are made."""

from __future__ import annotations

import io
import os
import random
import signal
import time
from pathlib import Path

import pytest
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.errors import DataCorrupt
from engine.logs import packed
from engine.logs.packer import Packer
from engine.logs.reader import LogReader
from engine.logs.segments import Segment, segments
from engine.logs.writer import LogWriter
from tests.engine.logs.test_log import Pipes, everything, joined
from tests.support.processes import eventually


def fill(directory: Path, text: bytes, max_bytes: int, **options: object) -> None:
    pipes = Pipes()
    with LogWriter(directory, max_bytes, keep=10_000, **options) as writer:  # type: ignore[arg-type]
        for start in range(0, len(text), 4000):
            pipes.put(writer, text[start : start + 4000], ("stdout", "stderr")[start // 4000 % 2])
    pipes.close()


@given(
    text=st.binary(max_size=300),
    max_bytes=st.integers(1, 90),
    block=st.integers(1, 30),
    chosen=st.integers(0, 255),
    lines=st.integers(0, 5),
    data=st.data(),
)
@settings(max_examples=80, deadline=None)
def test_what_is_compressed_reads_as_before(
    tmp_path_factory: pytest.TempPathFactory,
    text: bytes,
    max_bytes: int,
    block: int,
    chosen: int,
    lines: int,
    data: st.DataObject,
) -> None:
    directory = tmp_path_factory.mktemp("log")
    fill(directory, text, max_bytes)
    before = LogReader(directory).cursor_at_tail(lines)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(packed, "BLOCK_BYTES", block)
        for number, segment in enumerate(segments(directory)[:-1]):
            if chosen >> number & 1:
                assert packed.pack(segment) is True
                assert segment.packed.exists() and not segment.data.exists()
    cursor, step = data.draw(st.integers(0, len(text))), data.draw(st.integers(1, 100))
    assert joined(everything(directory, cursor, step)) == text[cursor:]
    assert LogReader(directory).end() == len(text)
    assert LogReader(directory).cursor_at_tail(lines) == before


def test_other_programs_read_it_too(tmp_path: Path) -> None:
    text = b"".join(b"line %d\n" % number for number in range(100_000))
    (tmp_path / f"{0:020d}.log").write_bytes(text)
    segment = Segment(tmp_path, 0)
    packed.pack(segment)
    assert segment.packed.stat().st_size < len(text) / 4
    reader = zstandard.ZstdDecompressor().stream_reader(
        io.BytesIO(segment.packed.read_bytes()), read_across_frames=True
    )
    assert reader.read() == text


def test_full_segments_are_compressed_while_the_log_is_written(tmp_path: Path) -> None:
    packer = Packer()
    text = random.Random(1).randbytes(100_000)
    fill(tmp_path, text, 30_000, full=packer.submit)
    eventually(lambda: len(list(tmp_path.glob("*.zst"))) == 3, what="three compressed segments")
    assert len(list(tmp_path.glob("*.log"))) == 1, "the one that is written stays as it is"
    assert joined(everything(tmp_path)) == text


def test_what_a_writer_left_behind_is_compressed_by_the_next(tmp_path: Path) -> None:
    fill(tmp_path, b"x" * 100, 30)
    found: list[Segment] = []
    with LogWriter(tmp_path, 30, full=found.append):
        assert [segment.base for segment in found] == [0, 30, 60]


def test_kill_9_while_compressing_loses_nothing(tmp_path: Path) -> None:
    text = random.Random(2).randbytes(3 << 20)
    random_ = random.Random(3)
    for _ in range(25):
        (tmp_path / f"{0:020d}.log").write_bytes(text)
        (tmp_path / f"{0:020d}.idx").write_bytes(b"")
        pid = os.fork()
        if pid == 0:
            try:
                packed.pack(Segment(tmp_path, 0))
            finally:
                os._exit(0)
        time.sleep(random_.uniform(0, 0.02))
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        assert joined(everything(tmp_path)) == text
        for path in tmp_path.iterdir():
            path.unlink()


def test_a_segment_that_is_rotated_away_meanwhile_does_not_come_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(tmp_path, b"x" * 100, 60)
    segment = segments(tmp_path)[0]
    rename = os.rename

    def rename_after_rotation(*paths: str | Path) -> None:
        segment.remove()
        rename(*paths)

    monkeypatch.setattr(os, "rename", rename_after_rotation)
    assert packed.pack(segment) is False
    assert [found.base for found in segments(tmp_path)] == [60]


@pytest.mark.parametrize("place", [10, -3, -12])
def test_damage_is_told_and_not_shown_as_text(tmp_path: Path, place: int) -> None:
    (tmp_path / f"{0:020d}.log").write_bytes(b"some text\n" * 1000)
    (tmp_path / f"{0:020d}.idx").write_bytes(b"")
    segment = Segment(tmp_path, 0)
    packed.pack(segment)
    content = bytearray(segment.packed.read_bytes())
    content[place] ^= 0xFF
    segment.packed.write_bytes(content)
    with pytest.raises(DataCorrupt, match="damaged"):
        LogReader(tmp_path).read(0)


def test_tail_and_time_of_a_long_log_read_little_of_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    line = b"%099d\n"
    pipes = Pipes()
    with LogWriter(tmp_path, 8 << 20, keep=100) as writer:
        for part in range(320):
            for start in range(0, 2000, 500):
                pipes.put(writer, b"".join(line % (part * 2000 + number) for number in range(start, start + 500)))
            if part == 100:
                time.sleep(0.01)
                moment = time.time()
                time.sleep(0.01)
    pipes.close()
    for segment in segments(tmp_path)[:-1]:
        packed.pack(segment)
    size, read = 64_000_000, 0
    pread = os.pread

    def counting(descriptor: int, count: int, offset: int) -> bytes:
        nonlocal read
        data = pread(descriptor, count, offset)
        read += len(data)
        return data

    monkeypatch.setattr(os, "pread", counting)
    reader = LogReader(tmp_path)
    assert reader.end() == size
    assert reader.cursor_at_tail(10) == size - 1000
    assert reader.cursor_at_tail(200_000) == size - 20_000_000
    assert joined(reader.read(reader.cursor_since(moment), 100)) == line % (101 * 2000)
    assert read < size / 2, "the tail of 200,000 lines counts a third of it"
    read = 0
    assert joined(reader.read(reader.cursor_since(moment), 100)) == line % (101 * 2000)
    assert reader.cursor_at_tail(10) == size - 1000
    assert read < 2 << 20


def test_who_reads_on_has_no_block_unpacked_twice(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = b"".join(b"line %d\n" % number for number in range(200_000))
    fill(tmp_path, text, 1_000_000)
    for segment in segments(tmp_path)[:-1]:
        packed.pack(segment)
    loaded: list[bytes] = []
    unpack = packed.PackedData._load

    def load(self: packed.PackedData, number: int) -> bytes:
        if number != self._number:
            loaded.append(unpack(self, number))
        return unpack(self, number)

    monkeypatch.setattr(packed.PackedData, "_load", load)
    for step in (packed.BLOCK_BYTES, 300_000, 1 << 20):
        loaded.clear()
        assert joined(everything(tmp_path, 0, step)) == text
        assert sum(len(block) for block in loaded) == sum(segment.base for segment in segments(tmp_path)[-1:])
