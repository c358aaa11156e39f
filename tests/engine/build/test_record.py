"""The record of a build: followed while it grows, read again later, kept for a while."""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import pytest

from engine.build import record as records
from engine.build.record import BuildRecords
from engine.errors import InvalidArgument, NotFound

BUILD = "b1" * 16


def states(lines: Iterable[Mapping[str, Any]]) -> dict[str, dict[str, Any]]:
    """The last state of each step by its id, in the order of their coming, as the page reckons it."""
    found: dict[str, dict[str, Any]] = {}
    for line in lines:
        if line["type"] == "again":
            found.clear()
        elif line["type"] == "step":
            found[line["id"]] = {key: value for key, value in line.items() if key not in ("type", "at")}
    return found


def lines(kept: BuildRecords, cursor: int = 0, max_bytes: int = 1 << 20) -> list[dict[str, Any]]:
    reader, found = kept.read(BUILD), []
    while chunks := reader.read(cursor, max_bytes):
        cursor = chunks[-1].end
        found += [json.loads(line) for chunk in chunks for line in chunk.data.splitlines()]
    assert cursor == reader.end()
    return found


def test_what_is_written_is_read_from_any_cursor(tmp_path: Path) -> None:
    kept = BuildRecords(tmp_path)
    with kept.write(BUILD) as record:
        record.add(type="step", id="a", name="FROM x", state="running")
        middle = kept.read(BUILD).end()
        record.log("a", "hello\n")
        record.add(type="step", id="a", name="FROM x", state="done")
    assert [line["type"] for line in lines(kept)] == ["step", "log", "step"]
    assert [line["type"] for line in lines(kept, middle)] == ["log", "step"]
    assert states(lines(kept)) == {"a": {"id": "a", "name": "FROM x", "state": "done"}}


def test_a_line_is_never_given_in_part(tmp_path: Path) -> None:
    kept = BuildRecords(tmp_path)
    with kept.write(BUILD) as record:
        for number in range(200):
            record.log("a", f"{number} " * 200)
    assert len(lines(kept, max_bytes=1)) == 200


@pytest.mark.parametrize("character", ["\0", "\u6f22", "\U0001f600"])
def test_no_characters_make_a_line_too_long_to_be_read(tmp_path: Path, character: str) -> None:
    kept = BuildRecords(tmp_path)
    with kept.write(BUILD) as record:
        record.log("a", character * 50_000)
    assert "".join(line["text"] for line in lines(kept, max_bytes=1)) == character * 50_000


def test_what_a_kill_cut_short_is_closed_and_the_build_begins_anew(tmp_path: Path) -> None:
    kept = BuildRecords(tmp_path)
    with kept.write(BUILD) as record:
        record.add(type="step", id="a", name="x", state="running")
    with open(tmp_path / f"{BUILD}.ndjson", "ab") as file:
        file.write(b'{"at": 1, "type": "lo')
    assert kept.read(BUILD).read(0)[0].data.count(b"\n") == 1
    with kept.write(BUILD) as record:
        record.add(type="step", id="b", name="y", state="running")
    data = (tmp_path / f"{BUILD}.ndjson").read_bytes().splitlines()
    assert json.loads(data[2])["type"] == "again"
    assert list(states(json.loads(line) for line in (data[0], *data[2:]))) == ["b"]


def test_long_output_comes_in_pieces_and_ends_at_the_limit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(records, "RECORD_BYTES", 200_000)
    kept = BuildRecords(tmp_path)
    with kept.write(BUILD) as record:
        for _ in range(10):
            record.log("a", "x" * 100_000)
        record.add(type="end", status="succeeded")
    found = lines(kept)
    assert max(len(json.dumps(line)) for line in found) < records.LINE_BYTES
    assert kept.read(BUILD).end() < 300_000
    assert "left out" in found[-2]["text"] and found[-1]["status"] == "succeeded"
    assert sum("left out" in line.get("text", "") for line in found) == 1


def test_many_threads_write_whole_lines(tmp_path: Path) -> None:
    kept = BuildRecords(tmp_path)
    with kept.write(BUILD) as record:
        threads = [threading.Thread(target=lambda: [record.log("a", "y" * 500) for _ in range(100)]) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert len(lines(kept)) == 800


def test_names_are_ids_and_what_is_gone_is_not_found(tmp_path: Path) -> None:
    kept = BuildRecords(tmp_path)
    for odd in ("", "../x", "A" * 32, "b1" * 17):
        with pytest.raises(InvalidArgument):
            kept.write(odd)
    with pytest.raises(NotFound):
        kept.read(BUILD)
    kept.write(BUILD).close()
    kept.remove(BUILD)
    kept.remove(BUILD)
    with pytest.raises(NotFound):
        kept.read(BUILD)


def test_old_records_and_the_oldest_of_too_many_go(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(records, "KEPT_BYTES", 2500)
    kept = BuildRecords(tmp_path)
    assert BuildRecords(tmp_path / "nothing").tidy() == []
    ids = [f"{number}" * 32 for number in range(4)]
    for number, build_id in enumerate(ids):
        with kept.write(build_id) as record:
            record.log("a", "x" * 900)
        os.utime(tmp_path / f"{build_id}.ndjson", (number * 1000.0, number * 1000.0))
    assert kept.tidy(now=4000.0) == [ids[1], ids[0]]
    assert kept.tidy(now=2500.0 + records.KEPT_SECONDS) == [ids[2]]


def test_a_plan_comes_in_lines_of_a_size_that_can_be_read(tmp_path: Path) -> None:
    kept = BuildRecords(tmp_path)
    instructions = [(f"RUN echo {number} " + "x" * 1000, f"0.{number}") for number in range(1, 301)]
    with kept.write(BUILD) as record:
        record.plan([("FROM x", "0.0"), *instructions, ("RUN \u2028" + "\u00e9" * 100_000, "0.301")])
        record.plan([])
    found = lines(kept)
    assert len(found) > 10 and all(line["type"] == "plan" for line in found)
    assert [one["step"] for line in found for one in line["instructions"]] == [f"0.{number}" for number in range(302)]
    assert max(map(len, (tmp_path / f"{BUILD}.ndjson").read_bytes().splitlines())) < records.LINE_BYTES
