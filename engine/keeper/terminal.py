"""A container's terminal on its way to the log: spliced from its master into the container's own stdout pipe.

The pipe outlives the keeper, and splice(2) takes no byte from the terminal that it does not put into the pipe, so
that a keeper may be killed at any moment.
"""

from __future__ import annotations

import errno
import os
from pathlib import Path

from engine.runtime import held
from engine.runtime.terminal import open_peer

MOST_BYTES = 1 << 16


class Terminal:
    """`master` and the pipe are ours. While we hold the other side as well, the terminal has no end."""

    STREAM = "stdout"

    def __init__(self, master: int, directory: Path) -> None:
        self.master = master
        self._others: list[int] = []
        try:
            os.set_blocking(master, False)
            self._pipe = os.open(directory / self.STREAM, os.O_WRONLY | os.O_NONBLOCK | os.O_CLOEXEC)
            self._others.append(self._pipe)
            self._others.append(open_peer(master))
        except BaseException:
            self.close()
            raise

    @classmethod
    def of(cls, directory: Path) -> Terminal | None:
        """The terminal of the container in `directory`; None if nobody holds it (yet, or any more)."""
        master = held.terminal(directory)
        return None if master is None else cls(master, directory)

    def move(self) -> int | None:
        """Into the pipe, as far as there is room, without waiting: the number of bytes, None if there are none."""
        try:
            return os.splice(self.master, self._pipe, MOST_BYTES, flags=os.SPLICE_F_NONBLOCK) or None
        except BlockingIOError:
            return None
        except OSError as error:
            if error.errno != errno.EIO:  # nobody has the other side open
                raise
            return 0

    def close(self) -> None:
        for descriptor in (self.master, *self._others):
            os.close(descriptor)
