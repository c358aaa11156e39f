"""How far a build is: a line for each change (plain), or the steps at work, redrawn below those that have ended."""

from __future__ import annotations

import time
from typing import TextIO

from client.cli import output
from client.resource import Json

_TAIL_LINES = 4
_REDRAW_SECONDS = 0.1
_MARKS = {"done": ("✓", "32"), "cached": ("=", "36"), "failed": ("✗", "31"), "cancelled": ("✗", "33")}
_AT_WORK = ("running", "started")


class Plain:
    """As BuildKit's plain progress: `#3 RUN make`, `#3 what it prints`, `#3 DONE 1.2s`."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._names: dict[str, str] = {}
        self._numbers: dict[str, int] = {}
        self._rest: dict[str, str] = {}

    def take(self, line: Json) -> None:
        """One line of the record."""
        kind = line.get("type")
        if kind == "again":
            self._write("the host's worker was started anew: the build begins again")
        elif kind == "log":
            number = self._number(line["id"])
            *whole, self._rest[line["id"]] = (self._rest.get(line["id"], "") + line["text"]).split("\n")
            for text in whole:
                self._write(f"#{number} {text}")
        elif kind == "step":
            self._step(line)

    def _step(self, line: Json) -> None:
        state, name, number = line["state"], line["name"], self._number(line["id"])
        if state in _AT_WORK and self._names.get(line["id"]) != name:
            self._names[line["id"]] = name
            self._write(f"#{number} {name}")
        elif state == "cached":
            self._write(f"#{number} CACHED {name}")
        elif state in _MARKS:
            if rest := self._rest.pop(line["id"], ""):
                self._write(f"#{number} {rest}")
            took = "" if line.get("seconds") is None else f" {line['seconds']:.1f}s"
            self._write(f"#{number} {state.upper()}{took}")
            for text in (line.get("error") or "").splitlines():
                self._write(f"#{number} {text}")

    def _number(self, identifier: str) -> int:
        return self._numbers.setdefault(identifier, len(self._numbers) + 1)

    def _write(self, text: str) -> None:
        self._stream.write(f"{output.plain(text)}\n")
        self._stream.flush()

    def close(self) -> None:
        self._stream.flush()


class Live:
    """The steps at work, each with the last lines that it prints. What has failed shows all that it printed last."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._at_work: dict[str, Json] = {}
        self._lines: dict[str, list[str]] = {}
        self._drawn = 0
        self._at = 0.0

    def take(self, line: Json) -> None:
        """One line of the record."""
        kind = line.get("type")
        if kind == "again":
            self._at_work.clear()
        elif kind == "log":
            lines = line["text"].splitlines()
            self._lines[line["id"]] = [*self._lines.get(line["id"], ()), *lines][-20:]
        elif kind == "step":
            self._step(line)
        if time.monotonic() - self._at >= _REDRAW_SECONDS:
            self._draw()

    def _step(self, line: Json) -> None:
        identifier, state = line["id"], line["state"]
        if state in _AT_WORK:
            self._at_work[identifier] = line
            return
        self._at_work.pop(identifier, None)
        if state not in _MARKS:
            return
        self._erase()
        mark, colour = _MARKS[state]
        took = "" if line.get("seconds") is None else f" {line['seconds']:.1f}s"
        self._stream.write(f" {output.coloured(mark, colour, self._stream)} {self._cut(line['name'], 12)}{took}\n")
        if state == "failed":
            self._stream.write("".join(f"   │ {self._cut(text, 6)}\n" for text in self._lines.get(identifier, ())))
        self._draw()

    def _draw(self) -> None:
        self._erase()
        for identifier, line in self._at_work.items():
            seconds = max(0.0, time.time() - (line.get("started_at") or time.time()))
            total = line.get("total_bytes")
            share = f" {output.size(line['done_bytes'])}/{output.size(total)}" if total else ""
            self._line(f" → {self._cut(line['name'], 34)} {seconds:.1f}s{share}")
            for text in self._lines.get(identifier, [])[-_TAIL_LINES:]:
                self._line(f"   │ {self._cut(text, 6)}")
        self._at = time.monotonic()
        self._stream.flush()

    def _line(self, text: str) -> None:
        self._stream.write(f"{text}\n")
        self._drawn += 1

    def _cut(self, text: str, less: int) -> str:
        return output.cut(output.plain(text), max(20, (output.columns_of(self._stream) or 80) - less))

    def _erase(self) -> None:
        if self._drawn:
            self._stream.write(f"\x1b[{self._drawn}A\x1b[J")
            self._drawn = 0

    def close(self) -> None:
        self._erase()
        self._stream.flush()
