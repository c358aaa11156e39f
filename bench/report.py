"""Medians and ratios: what was measured, beside what we aim at."""

from __future__ import annotations

import statistics
from dataclasses import dataclass, field


@dataclass(slots=True)
class Row:
    """One kind of work; `seconds` by contender's name. `goal` is the most that ours may take of docker's time."""

    work: str
    seconds: dict[str, list[float]] = field(default_factory=dict)
    goal: float | None = None
    ours: str = "portside"
    against: str = "docker"

    def add(self, name: str, seconds: float) -> None:
        self.seconds.setdefault(name, []).append(seconds)

    def median(self, name: str) -> float | None:
        values = self.seconds.get(name)
        return statistics.median(values) if values else None

    def ratio(self, name: str) -> float | None:
        ours, theirs = self.median(self.ours), self.median(name)
        return ours / theirs if ours is not None and theirs else None

    @property
    def verdict(self) -> str:
        ratio = self.ratio(self.against)
        if self.goal is None or ratio is None:
            return ""
        return f"{'met' if ratio <= self.goal else 'MISSED'} (≤ {self.goal:g})"


def table(rows: list[Row], names: list[str]) -> str:
    """Text for a terminal: medians in milliseconds, the number of runs, ratios, the goal."""
    head = ["work", *(f"{name} ms" for name in names), "runs", "÷ docker", "÷ podman", "goal"]
    lines = [head]
    for row in rows:
        cells = [_milliseconds(row.median(name)) for name in names]
        runs = str(max((len(values) for values in row.seconds.values()), default=0))
        lines.append([row.work, *cells, runs, _ratio(row.ratio("docker")), _ratio(row.ratio("podman")), row.verdict])
    widths = [max(len(line[column]) for line in lines) for column in range(len(head))]
    written = []
    for line in lines:
        cells = [cell.rjust(width) for cell, width in zip(line[1:], widths[1:], strict=True)]
        written.append("  ".join([line[0].ljust(widths[0]), *cells]))
    written.insert(1, "-" * len(written[0]))
    return "\n".join(written)


def _milliseconds(seconds: float | None) -> str:
    return "-" if seconds is None else f"{seconds * 1000:,.1f}"


def _ratio(ratio: float | None) -> str:
    return "-" if ratio is None else f"{ratio:.2f}"
