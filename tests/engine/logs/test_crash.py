"""A writer that dies anywhere: no byte is lost, none comes twice, each is of its stream."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from types import FrameType
from typing import Any

import pytest

from engine.logs.reader import LogReader
from engine.logs.segments import segments
from engine.logs.writer import LogWriter
from tests.engine.logs.test_log import Pipes, everything, joined
from tests.support.speed import slowness


class Died(BaseException):
    pass


class DiesAtLine:
    """Stops the code of engine.logs at its `count`th executed line, as a kill would."""

    def __init__(self, count: int) -> None:
        self.left = count

    def __call__(self, frame: FrameType, event: str, arg: Any) -> Any:
        if "/engine/logs/" not in frame.f_code.co_filename:
            return None
        if event == "line" and frame.f_code.co_name not in ("close", "__exit__", "_full_disk_explained"):
            self.left -= 1
            if self.left == 0:
                sys.settrace(None)
                raise Died
        return self


def write_until_death(directory: Path, pipes: Pipes, lines: int) -> bool:
    """Open the log and pump both pipes; True when the end was reached alive."""
    writer: LogWriter | None = None
    previous = sys.gettrace()
    try:
        sys.settrace(DiesAtLine(lines))
        writer = LogWriter(directory, max_bytes=7, keep=1000)
        for stream in ("stdout", "stderr", "stdout"):
            writer.pump(pipes.ends[stream][0], stream)
    except Died:
        return False
    finally:
        sys.settrace(previous)
        if writer is not None:
            writer.close()  # the kernel closes a dead process's descriptors
    return True


def test_dying_at_any_line_of_the_writer_leaves_a_log_that_goes_on(tmp_path: Path) -> None:
    lines, alive = 0, False
    while not alive:
        lines += 1
        directory, pipes = tmp_path / str(lines), Pipes()
        os.write(pipes.ends["stdout"][1], b"one two three\n")
        os.write(pipes.ends["stderr"][1], b"ONE TWO\n")
        alive = write_until_death(directory, pipes, lines)
        before = joined(everything(directory)) if directory.exists() else b""
        with LogWriter(directory, max_bytes=7, keep=1000) as writer:
            for stream in ("stdout", "stderr"):
                writer.pump(pipes.ends[stream][0], stream)
                pipes.put(writer, b"more\n" if stream == "stdout" else b"MORE\n", stream)
        chunks = everything(directory)
        assert joined(chunks, "stdout") == b"one two three\nmore\n", lines
        assert joined(chunks, "stderr") == b"ONE TWO\nMORE\n", lines
        assert joined(chunks).startswith(before)
        pipes.close()
    assert lines > 100


def test_records_of_bytes_that_never_reached_the_disk_are_dropped(tmp_path: Path) -> None:
    pipes = Pipes()
    with LogWriter(tmp_path) as writer:
        pipes.put(writer, b"out\n")
        pipes.put(writer, b"ERR\n", "stderr")
        pipes.put(writer, b"lost\n")
    os.truncate(segments(tmp_path)[0].data, 8)
    os.truncate(segments(tmp_path)[0].index, 3 * 16 + 16)  # a record of zeroes, and one behind the data
    with LogWriter(tmp_path) as writer:
        pipes.put(writer, b"NEW\n", "stderr")
    assert [(chunk.stream, chunk.data) for chunk in everything(tmp_path)][-1] == ("stderr", b"NEW\n")
    assert joined(everything(tmp_path)) == b"out\nERR\nNEW\n"
    pipes.close()


_WRITER = """
import os, select, sys
from pathlib import Path
from engine.logs.writer import LogWriter
writer = LogWriter(Path(sys.argv[1]), max_bytes=20_000, keep=100_000)
fds = {int(sys.argv[2]): "stdout", int(sys.argv[3]): "stderr"}
poll = select.poll()
for fd in fds: poll.register(fd, select.POLLIN)
print("ready", flush=True)
while True:
    for fd, _ in poll.poll():
        writer.pump(fd, fds[fd])
"""


def test_kill_9_of_the_writer_again_and_again_loses_nothing(tmp_path: Path) -> None:
    pipes, total, kills = Pipes(), 60_000, 0
    chance = random.Random(7)

    def produce(stream: str) -> None:
        with os.fdopen(os.dup(pipes.ends[stream][1]), "wb") as sink:
            for number in range(total):
                while kills * total < number * 3:  # the kills are spread over what is written
                    time.sleep(0.001)
                sink.write(b"%s %07d\n" % (stream.encode(), number))

    producers = [threading.Thread(target=produce, args=(stream,)) for stream in pipes.ends]
    for producer in producers:
        producer.start()
    sources = [str(pipes.ends[stream][0]) for stream in ("stdout", "stderr")]
    while any(producer.is_alive() for producer in producers):
        process = subprocess.Popen(
            [sys.executable, "-c", _WRITER, str(tmp_path), *sources],
            pass_fds=[int(source) for source in sources],
            stdout=subprocess.PIPE,
        )
        assert process.stdout is not None
        process.stdout.readline()
        time.sleep(chance.uniform(0, 0.004))
        os.kill(process.pid, signal.SIGKILL)
        process.communicate()
        kills += 1
    with LogWriter(tmp_path, max_bytes=20_000, keep=100_000) as writer:
        for stream in pipes.ends:
            while writer.pump(pipes.ends[stream][0], stream):
                pass
    pipes.close()
    chunks = everything(tmp_path)
    for stream in ("stdout", "stderr"):
        expected = b"".join(b"%s %07d\n" % (stream.encode(), number) for number in range(total))
        assert joined(chunks, stream) == expected
    assert kills >= 3


@pytest.mark.root
def test_a_million_lines_are_written_and_read_back_fast(tmp_path: Path) -> None:
    source, sink = os.pipe()
    line = b"x" * 99 + b"\n"

    def produce() -> None:
        for _ in range(10_000):
            os.write(sink, line * 100)
        os.close(sink)

    # Time of the processor, not of the clock: other tests and people may keep the machine busy.
    producer = threading.Thread(target=produce)
    started = time.process_time()
    producer.start()
    with LogWriter(tmp_path) as writer:
        while True:
            moved = writer.pump(source, "stdout")
            if moved == 0:
                break
            if moved is None:
                time.sleep(0.0002)
    producer.join()
    os.close(source)
    wrote = time.process_time() - started
    started = time.process_time()
    cursor = lines = 0
    while some := LogReader(tmp_path).read(cursor):
        cursor = some[-1].end
        lines += sum(chunk.data.count(b"\n") for chunk in some)
    read = time.process_time() - started
    assert (cursor, lines) == (100_000_000, 1_000_000)
    print(f"write {wrote:.3f} s, read {read:.3f} s")
    assert wrote < 1.5 * slowness(), "0.3 s on a quiet machine, producer included"
    assert read < 0.8 * slowness(), "0.1 s on a quiet machine"
