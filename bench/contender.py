"""What the bench asks of each engine, and what it notes down."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

# The container's own process tells when it runs: microseconds since 1970 as its first line, by busybox's shell. The
# shell's start counts for every engine alike; two forks and the start of an applet, which counted once, do no more.
STAMP = ("sh", "-c", "echo $EPOCHREALTIME; exec sleep 600")


@dataclass(frozen=True, slots=True)
class Start:
    """Seconds from the request to the process's own time stamp, and to the engine's word that it runs."""

    process_seconds: float
    told_seconds: float


class CannotStart(Exception):
    """This engine can't work here; the text says why. It is skipped, never replaced by a guess."""


class Contender(Protocol):
    name: str

    def open(self) -> None:
        """Make it ready. Raises CannotStart."""

    def pull(self, reference: str) -> float:
        """Seconds from the request to an image that can be run; it and its layers were not there before."""

    def forget(self, reference: str) -> None:
        """Remove the image with its layers."""

    def start(self, reference: str) -> Start:
        """Run `STAMP` detached on the default bridge, take the times, remove the container."""

    def close(self) -> None:
        """End everything it started."""
