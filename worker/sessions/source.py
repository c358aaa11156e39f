"""What a session is about, as the pump sees it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Protocol, runtime_checkable


class Source(Protocol):
    """Something with descriptors. The pump makes them non-blocking, closes none of them, and calls `close` last.

    One that has much to say may have `chunk_bytes`: how much of it one frame carries, instead of `DATA_BYTES`.
    """

    stdin: int | None
    """Where input goes; None when there is none."""
    outputs: Mapping[int, int]
    """Descriptor to read from → channel (STDOUT, STDERR)."""
    ended: int | None
    """Readable once the process has ended (a pidfd); None: the end of all outputs is the end."""

    def described(self) -> dict[str, Any]:
        """What the other side is told at the beginning."""

    def close_stdin(self) -> None:
        """No more input will come."""

    def resize(self, rows: int, columns: int) -> None:
        """The terminal of the other side has this size."""

    def result(self) -> dict[str, Any]:
        """How it ended, for example `{"exit_code": 0}`; called once, after the end."""

    def close(self) -> None:
        """Let go of everything; a process that still runs is told by the end of its streams."""


@runtime_checkable
class InputLater(Protocol):
    """A source whose `stdin` may come only after its beginning."""

    def on_change(self, wake: Callable[[], None]) -> None:
        """Call `wake` when it is there."""


@runtime_checkable
class LeftAlone(Protocol):
    """A source that may go on without anybody (`sessions.LEAVE`)."""

    def leave(self) -> None:
        """Whoever was there is gone, and comes back no more."""
