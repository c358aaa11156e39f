"""What a build has said, kept on its host: one JSON object a line, so that it can be followed, and read again later.

    {"at": 1.5, "type": "plan", "instructions": [{"text": …, "step": …}]}   some of what will be done, in order (below)
    {"at": 1.5, "type": "step", "id": …, "name": …, "stage": …, "inputs": […], "state": …, …}   a step as it is now
    {"at": 1.5, "type": "log", "id": …, "text": …}                                              what a step prints
    {"at": 1.5, "type": "again"}           a worker has died: what came before does not count, the build begins anew
    {"at": 1.5, "type": "end", "status": …}                                                     nothing follows

`at` is Unix time. A plan that is too long for a line goes on in the next; `step` is the id of the step that does the
instruction, empty for one that only sets something. Names of files are the builds' ids, which the site chooses.
"""

from __future__ import annotations

import json
import os
import re
import threading
import time
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any

from engine.errors import InvalidArgument, NotFound
from engine.logs.reader import Chunk

RECORD_BYTES = 32 << 20
LINE_BYTES = 64 << 10
_CHARACTERS = LINE_BYTES // 16
"""Of a log's line: a character may take 12 bytes as JSON writes it."""
_FRAME_CHARACTERS = 8
"""What JSON puts around an instruction, in characters of twelve bytes."""
KEPT_BYTES = 512 << 20
KEPT_SECONDS = 90 * 24 * 3600.0
READ_BYTES = 1 << 20
_ID = re.compile(r"[0-9a-f]{32}")
_SUFFIX = ".ndjson"
_UNENDED = ("running", "waiting")


class BuildRecord:
    """The one who writes. Safe for threads; a line is whole or, after a kill, the last and cut short."""

    def __init__(self, path: Path, *, goes_on: bool = False) -> None:
        """`goes_on`: what is there already counts."""
        self._lock = threading.Lock()
        self._descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        self._size = os.fstat(self._descriptor).st_size
        self._is_full = False
        if self._size:
            if os.pread(self._descriptor, 1, self._size - 1) != b"\n":
                self._write(b"\n")
            if not goes_on:
                self.add(type="again")

    def add(self, **line: Any) -> None:
        """Append one line; `at` is added. Logs beyond `RECORD_BYTES` are left out, which the log says once."""
        if line.get("type") == "log" and self._size >= RECORD_BYTES:
            if self._is_full:
                return
            self._is_full = True
            line["text"] = f"[the rest is left out: a build keeps {RECORD_BYTES >> 20} MiB of what it prints]\n"
        self._write(json.dumps({"at": time.time(), **line}, separators=(",", ":")).encode() + b"\n")

    def log(self, step_id: str, text: str) -> None:
        """What a step has printed, in lines of a size that a reader can take in one piece."""
        for begin in range(0, len(text), _CHARACTERS):
            self.add(type="log", id=step_id, text=text[begin : begin + _CHARACTERS])

    def plan(self, instructions: Iterable[tuple[str, str]]) -> None:
        """What the build will do, (text, step) of each; what is too long for a line is cut short."""
        held: list[dict[str, str]] = []
        size = 0
        for text, step_id in instructions:
            if held and size + len(text) > _CHARACTERS:
                self.add(type="plan", instructions=held)
                held, size = [], 0
            held.append({"text": text[:_CHARACTERS], "step": step_id})
            size += len(text) + _FRAME_CHARACTERS
        if held:
            self.add(type="plan", instructions=held)

    def _write(self, data: bytes) -> None:
        with self._lock:
            self._size += os.write(self._descriptor, data)

    def close(self) -> None:
        os.close(self._descriptor)

    def __enter__(self) -> BuildRecord:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class RecordReader:
    """Reads a record from any cursor, as `engine.logs.reader.LogReader` reads a log; whole lines only."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def end(self) -> int:
        """The cursor behind the last byte. Raises FileNotFoundError once the record is removed."""
        return self._path.stat().st_size

    def read(self, cursor: int, max_bytes: int = READ_BYTES) -> list[Chunk]:
        """The lines from `cursor` on that fit into `max_bytes`, at least one; empty at the end."""
        with open(self._path, "rb") as file:
            data = os.pread(file.fileno(), max(max_bytes, LINE_BYTES + 4096), cursor)
        whole = data[: data.rfind(b"\n") + 1]
        return [Chunk("stdout", time.time(), cursor, whole)] if whole else []

    def cursor_at_tail(self, _: int) -> int:
        return 0

    def cursor_since(self, _: float) -> int:
        return 0


class BuildRecords:
    """The records of one home, in `directory`."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    def write(self, build_id: str) -> BuildRecord:
        """Begin a record, or go on with what a worker that died has left. Raises InvalidArgument for an odd id."""
        path = self._path(build_id)
        self._directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        return BuildRecord(path)

    def read(self, build_id: str) -> RecordReader:
        """Raises NotFound, InvalidArgument."""
        path = self._path(build_id)
        if not path.exists():
            raise NotFound(f"this host has no record of the build {build_id[:12]} (any more)", {"id": build_id})
        return RecordReader(path)

    def give_up(self, build_id: str, status: str, why: str) -> list[dict[str, Any]]:
        """End a record that its writer has left without an end, with `status`; returns the steps as they are now.

        Those that were at work become failed, with `why`, and those that waited skipped. Empty where there is none.
        """
        path, steps = self._path(build_id), dict[str, dict[str, Any]]()
        if not path.exists():
            return []
        for line in path.read_bytes().splitlines():
            with suppress(ValueError):  # the last one may be cut short
                said = json.loads(line)
                if said.get("type") == "step":
                    steps[str(said.get("id"))] = said
                elif said.get("type") == "again":
                    steps.clear()
        with BuildRecord(path, goes_on=True) as record:
            for step in steps.values():
                if step.get("state") in _UNENDED:
                    is_at_work = step["state"] == "running"
                    step.update({"state": "failed", "error": why} if is_at_work else {"state": "skipped"})
                    record.add(**{name: value for name, value in step.items() if name != "at"})
            record.add(type="end", status=status)
        return [{name: value for name, value in step.items() if name not in ("at", "type")} for step in steps.values()]

    def remove(self, build_id: str) -> None:
        """One that is gone is removed already."""
        self._path(build_id).unlink(missing_ok=True)

    def tidy(self, now: float | None = None) -> list[str]:
        """Remove records older than `KEPT_SECONDS`, and the oldest of more than `KEPT_BYTES`. Returns their ids."""
        found: list[tuple[float, int, Path]] = []
        with suppress(FileNotFoundError):
            for path in self._directory.iterdir():
                with suppress(FileNotFoundError):
                    state = path.stat()
                    found.append((state.st_mtime, state.st_size, path))
        now, total, gone = time.time() if now is None else now, 0, []
        for changed, size, path in sorted(found, reverse=True):
            total += size
            if now - changed > KEPT_SECONDS or total > KEPT_BYTES:
                path.unlink(missing_ok=True)
                gone.append(path.name.removesuffix(_SUFFIX))
        return gone

    def _path(self, build_id: str) -> Path:
        if not _ID.fullmatch(build_id):
            raise InvalidArgument("a build's id is 32 hex digits", {"field": "build_id"})
        return self._directory / f"{build_id}{_SUFFIX}"
