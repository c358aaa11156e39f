"""How far a job is, on a terminal: redrawn lines, one for each layer; elsewhere a line for each new phase."""

from __future__ import annotations

import time
from typing import Any, TextIO

from client.cli import output
from client.resource import Json

_REDRAW_SECONDS = 0.1
_QUICK_SECONDS = 0.3
"""What is over sooner shows nothing."""
_BAR = 20


class JobProgress:
    """`take` is called with each state of a job."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._columns = output.columns_of(stream)
        self._drawn = 0
        self._begun = time.monotonic()
        self._at = 0.0
        self._phase = ""

    def take(self, job: Json) -> None:
        """Show this state, if it is time for it."""
        progress = job.get("progress") or {}
        items = [item for item in progress.get("items", ()) if isinstance(item, dict)]
        now = time.monotonic()
        if self._columns is None:
            self._tell(progress.get("phase", ""), items)
        elif now - self._begun > _QUICK_SECONDS and now - self._at > _REDRAW_SECONDS:
            self._draw(progress.get("phase", ""), items)
            self._at = now

    def _tell(self, phase: str, items: list[Any]) -> None:
        if phase and phase not in (self._phase, "done") and items:
            self._stream.write(f"{output.plain(phase)}: {size_of(items)}\n")
            self._stream.flush()
        self._phase = phase

    def _draw(self, phase: str, items: list[Any]) -> None:
        lines = [output.plain(f"{phase} {size_of(items)}".strip())] if phase else []
        lines += [self._line(item) for item in items if item.get("status") not in ("done", "exists")][-12:]
        self.close()
        room = max(20, (self._columns or 80) - 1)
        self._stream.write("".join(f"{output.cut(line, room)}\n" for line in lines))
        self._stream.flush()
        self._drawn = len(lines)

    def _line(self, item: Json) -> str:
        total, done = item.get("total_bytes") or 0, item.get("done_bytes") or 0
        share = min(1.0, done / total) if total else 0.0
        bar = "█" * int(share * _BAR) + "░" * (_BAR - int(share * _BAR))
        said = f"{output.plain(item.get('id', ''))[:19]:19} {output.plain(item.get('status', '')):12}"
        return f"  {said} {bar} {output.size(done)}/{output.size(total)}"

    def close(self) -> None:
        """Wipe what was drawn."""
        if self._drawn:
            self._stream.write(f"\x1b[{self._drawn}A\x1b[J")
            self._stream.flush()
            self._drawn = 0


def size_of(items: list[Any]) -> str:
    """All of it together, as `12MB of 40MB`."""
    total = sum(item.get("total_bytes") or 0 for item in items)
    done = sum(item.get("done_bytes") or 0 for item in items)
    return f"{output.size(done)} of {output.size(total)}" if total else ""
