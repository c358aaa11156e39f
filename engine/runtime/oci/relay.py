"""A container's terminal on the caller's own: `run` and `exec --tty` without a console socket."""

from __future__ import annotations

import fcntl
import os
import select
import termios
import tty

from engine.bare import contextlib, signal, socket, struct


class Relay:
    """`theirs` takes the master, as a console socket would; `run` copies both ways until the process has ended."""

    def __init__(self) -> None:
        self._ours, self.theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)

    def run(self, pidfd: int) -> None:
        _, (master, *_), _, _ = socket.recv_fds(self._ours, 4096, 1)
        self._ours.close()
        saved = termios.tcgetattr(0) if os.isatty(0) else None
        if saved is not None:
            tty.setraw(0)
            signal.signal(signal.SIGWINCH, lambda *_: _copy_size(master))
            _copy_size(master)
        try:
            self._copy(master, pidfd)
        finally:
            if saved is not None:
                termios.tcsetattr(0, termios.TCSADRAIN, saved)
            os.close(master)

    def _copy(self, master: int, pidfd: int) -> None:
        poll = select.poll()
        for fd in (master, pidfd, 0):
            poll.register(fd, select.POLLIN)
        ended = False
        while True:
            ready = dict(poll.poll(0 if ended else None))
            if master in ready:
                try:
                    data = os.read(master, 1 << 16)
                except OSError:  # EIO: nobody has the other end open any more
                    data = b""
                if not data:
                    return
                _write(1, data)
            elif ended:
                return
            if 0 in ready:
                data = b""
                with contextlib.suppress(OSError):
                    data = os.read(0, 1 << 16)
                if data:
                    _write(master, data)
                else:
                    poll.unregister(0)
                    _write(master, b"\x04")  # the terminal's own end of input
            if pidfd in ready:
                ended = True
                poll.unregister(pidfd)


def _write(fd: int, data: bytes) -> None:
    while data:
        data = data[os.write(fd, data) :]


def _copy_size(master: int) -> None:
    with contextlib.suppress(OSError):
        size = fcntl.ioctl(0, termios.TIOCGWINSZ, struct.pack("4H", 0, 0, 0, 0))
        fcntl.ioctl(master, termios.TIOCSWINSZ, size)
