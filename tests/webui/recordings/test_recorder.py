"""The file of a recording: whole lines, nothing twice, whoever is killed or writes at the same time."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from tests.support.processes import eventually
from webui.recordings import recorder
from webui.recordings.recorder import Recorder, header_of


def events(path: Path) -> list[list[Any]]:
    return [json.loads(line) for line in path.read_bytes().splitlines()[1:]]


def shown(path: Path) -> str:
    return "".join(text for _, code, text in events(path) if code == "o")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    place = tmp_path / "recordings" / "one.cast"
    Recorder(place, time.time()).begin(rows=30, columns=100, title="ann in web")
    return place


def test_it_is_asciicast(path: Path) -> None:
    writer = Recorder(path, time.time() - 2)
    writer.output(3, b"$ \xe2")
    writer.resized(40, 120)
    writer.output(9, b"\x82\xac\r\n\x1b[")
    header = header_of(path)
    assert header is not None
    assert (header["version"], header["width"], header["height"], header["title"]) == (2, 100, 30, "ann in web")
    assert [event[1:] for event in events(path)] == [["o", "$ "], ["r", "120x40"], ["o", "€\r\n\x1b["]]
    assert all(event[0] >= 2 for event in events(path))
    assert path.stat().st_mode & 0o777 == 0o600


def test_what_comes_again_after_a_broken_connection_is_written_once(path: Path) -> None:
    Recorder(path, 0).output(5, b"one\r\n")
    again = Recorder(path, 0)
    again.output(5, b"one\r\n")
    again.output(10, b"ne\r\ntwo\r\n"[-9:])
    assert shown(path) == "one\r\ntwo\r\n"


def test_two_connections_at_once_write_everything_once(path: Path) -> None:
    text = b"".join(b"%06d\n" % number for number in range(500))

    def write() -> None:
        writer = Recorder(path, 0)
        for end in range(7, len(text) + 1, 7):
            writer.output(end, text[end - 7 : end])

    threads = [threading.Thread(target=write) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert shown(path).encode() == text


def test_a_torn_line_is_cut_off(path: Path) -> None:
    Recorder(path, 0).output(5, b"one\r\n")
    with path.open("ab") as file:
        file.write(b'[1.0, "o", "to')
    Recorder(path, 0).output(10, b"two\r\n")
    assert shown(path) == "one\r\ntwo\r\n"


def test_it_ends_where_it_has_become_too_long(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recorder, "BYTES_MAXIMUM", 1000)
    writer = Recorder(path, 0)
    for end in range(100, 10_000, 100):
        writer.output(end, b"x" * 100)
    assert "too long" in events(path)[-1][2]
    assert path.stat().st_size < 2000


WRITER = """
import sys
from pathlib import Path
from webui.recordings.recorder import Recorder
writer, end = Recorder(Path(sys.argv[1]), 0), int(sys.argv[2])
while True:
    end += 7
    writer.output(end, b"%06d\\n" % (end // 7))
"""


def test_a_writer_may_be_killed_at_any_moment(path: Path) -> None:
    """Each one goes on from the cursor that the last one left; a line may come twice, and none is torn or missing."""
    cursor = path.with_suffix(".cursor")
    for _ in range(5):
        begun = int.from_bytes(cursor.read_bytes(), "little")
        process = subprocess.Popen([sys.executable, "-c", WRITER, str(path), str(begun)], env=dict(os.environ))
        eventually(
            lambda begun=begun: int.from_bytes(cursor.read_bytes(), "little") > begun + 700,
            seconds=60,
            what="some lines",
        )
        process.send_signal(signal.SIGKILL)
        process.wait()
    end = int.from_bytes(cursor.read_bytes(), "little") + 7
    Recorder(path, 0).output(end, b"%06d\n" % (end // 7))
    numbers = [int(line) for line in shown(path).splitlines()]
    assert sorted(set(numbers)) == list(range(1, end // 7 + 1))
    assert numbers == sorted(numbers)
    assert len(numbers) - len(set(numbers)) <= 5, "at most the line of each death"
