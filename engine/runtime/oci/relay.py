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
        """Returns when the process has ended, or its terminal or the caller's is gone: then it is hung up."""
        _, (master, *_), _, _ = socket.recv_fds(self._ours, 4096, 1)
        self._ours.close()
        os.set_blocking(master, False)
        saved = termios.tcgetattr(0) if os.isatty(0) else None
        if saved is not None:
            tty.setraw(0, termios.TCSANOW)  # what was typed ahead is kept
            signal.signal(signal.SIGWINCH, lambda *_: _copy_size(master))
            _copy_size(master)
        try:
            with contextlib.suppress(OSError):  # EIO: nobody has the other end open any more, on whichever side
                self._copy(master, pidfd)
        finally:
            os.close(master)
            if saved is not None:
                with contextlib.suppress(termios.error):
                    termios.tcsetattr(0, termios.TCSADRAIN, saved)

    def _copy(self, master: int, pidfd: int) -> None:
        """Never waits to write to the master: a program that waits to be read would wait for ever."""
        typed = b""
        poll = select.poll()
        poll.register(pidfd, select.POLLIN)
        poll.register(0, select.POLLIN)
        ended = finished = False
        while True:
            poll.register(master, select.POLLIN | (select.POLLOUT if typed else 0))
            ready = dict(poll.poll(0 if ended else None))
            if ready.get(master, 0) & ~select.POLLOUT:
                data = os.read(master, 1 << 16)
                if not data:
                    return
                _write(1, data)
            elif ended:
                return
            if 0 in ready:
                given = os.read(0, 1 << 16)
                typed += given or b"\x04"  # the terminal's own end of input
                poll.unregister(0)  # until it is all written
                finished = not given
            if typed:
                with contextlib.suppress(BlockingIOError):
                    typed = typed[os.write(master, typed) :]
                if not typed and not finished:
                    poll.register(0, select.POLLIN)
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
