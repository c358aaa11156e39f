"""Descriptors that a program keeps beside its streams: --preserve-fds, and LISTEN_FDS of sd_listen_fds(3)."""

from __future__ import annotations

import os

from engine.runtime import kernel
from engine.runtime.wire import Failure

FIRST = 3
MAXIMUM = 1 << 16


class Preserved:
    """`count`: all from 3 on. `listening`: how many of them are LISTEN_FDS."""

    def __init__(self, count: int, listening: int) -> None:
        self.count, self.listening = count, listening

    def close_others(self) -> None:
        """Close what the caller left open beyond them, before the first descriptor of ours is.

        Ours take the lowest free numbers: if one to be preserved weren't there, the program would get ours instead,
        say of a host's directory (CVE-2024-21626). And until its exec the process is seen by what lives in the
        container. Failure if one isn't there.
        """
        for fd in range(FIRST, FIRST + self.count):
            try:
                os.fstat(fd)
            except OSError:
                why = f"{self.count}: descriptor {fd} is not open"
                raise Failure("invalid_argument", f"--preserve-fds: {why} (LISTEN_FDS counts too)") from None
        kernel.close_range(FIRST + self.count)

    def keep(self) -> None:
        """After everything was marked to be closed at exec."""
        for fd in range(FIRST, FIRST + self.count):
            os.set_inheritable(fd, True)

    def environment(self) -> list[str]:
        return [f"LISTEN_FDS={self.listening}", "LISTEN_PID=1"] if self.listening else []


def of_options(text: str) -> Preserved:
    """`text`: the value of --preserve-fds. Sockets of a service manager are passed on without being asked for."""
    if not (text.isascii() and text.isdigit()):
        raise Failure("invalid_argument", f"--preserve-fds: {text!r} is not a number")
    told = os.environ.get("LISTEN_FDS", "")
    sockets = int(told) if told.isascii() and told.isdigit() and len(told) < 6 else 0
    count = sockets + (int(text) if len(text) < 6 else MAXIMUM)
    if count >= MAXIMUM:
        raise Failure("invalid_argument", f"--preserve-fds: {text[:20]} are more than anybody has open")
    found = Preserved(count, sockets)
    found.close_others()
    return found
