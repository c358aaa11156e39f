"""A terminal of the container's own devpts: made inside, its master handed out over the console socket.

The other end of the socket (conmon, or our own `run`) gets one message with the master as SCM_RIGHTS.
"""

from __future__ import annotations

import fcntl
import os
import termios

from engine.bare import socket
from engine.runtime import kernel, mounts, terminal
from engine.runtime.wire import Failure

TYPE_CHECKING = False
if TYPE_CHECKING:
    from engine.oci.runtime_process import Box

_AF_UNIX_PATH = 107


def connect(path: str) -> socket.socket:
    """The console socket, in the caller; a path longer than the kernel takes goes by its directory."""
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        if len(path.encode()) > _AF_UNIX_PATH:
            directory = os.open(os.path.dirname(path), os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
            path = f"/proc/self/fd/{directory}/{os.path.basename(path)}"
        connection.connect(path)
    except OSError as error:
        connection.close()
        raise Failure("unavailable", f"--console-socket: {path}: {error.strerror}") from None
    return connection


def open_terminal(root: int, size: Box | None, handler: socket.socket, uid: int, gid: int, *, console: bool) -> None:
    """Make a terminal, send its master away and put its slave on 0, 1 and 2; `control` makes it the controlling one.

    `root`: the container's. `console`: also bind it to /dev/console.
    """
    master, slave = terminal.make(root, None if size is None else (size.height, size.width), uid, gid)
    if console:
        # No link and not the kernel's files: CVE-2025-52565.
        mounts.attach(root, kernel.open_tree(slave, ""), "/dev/console", strict=True, foreign=True)
    if handler.getpeername() == "" and not os.isatty(1):  # our own relay's, to no terminal
        _keep_line_feeds(slave)
    name = os.readlink(f"/proc/self/fd/{slave}") if os.path.exists("/proc/self/fd") else "/dev/ptmx"
    socket.send_fds(handler, [name.encode()[:4096]], [master])
    handler.close()
    os.close(master)
    for number in (0, 1, 2):
        os.dup2(slave, number)
    os.close(slave)


def _keep_line_feeds(slave: int) -> None:
    """LF doesn't become CR LF, so that whoever reads a pipe or a file sees what the program wrote; as with runc."""
    modes = termios.tcgetattr(slave)
    modes[1] &= ~termios.ONLCR
    termios.tcsetattr(slave, termios.TCSANOW, modes)


def control() -> None:
    """Make the terminal on 0 the controlling one of the session that the caller leads: ioctl_tty(2)."""
    fcntl.ioctl(0, termios.TIOCSCTTY, 0)
