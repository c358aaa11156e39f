"""The docker command at a terminal, against a running Portside: run -it, detach, attach, exec -it, over root's socket.

Over TCP the command itself (28.2) can't tell its keys to detach, whoever serves it: so the socket is used here.
"""

from __future__ import annotations

import dataclasses
import fcntl
import os
import select
import stat
import struct
import subprocess
import termios
import time

import pytest

from tests.dockerapi.client import Client
from tests.dockerapi.conftest import IMAGE
from tests.support.portside import Portside
from tests.support.processes import PATIENCE_SECONDS, eventually

pytestmark = [pytest.mark.root]

PROMPT = b"ready$ "


class Terminal:
    """A command of the client's at a pseudo-terminal of our own."""

    def __init__(self, client: Client, *words: str) -> None:
        self._master, self._slave = os.openpty()
        self._process = subprocess.Popen(
            client.command(*words), env=client.environment(), stdin=self._slave, stdout=self._slave,
            stderr=self._slave, start_new_session=True, preexec_fn=_control_terminal,  # noqa: PLW1509 - one system call
        )  # fmt: skip
        self._seen = b""

    def until(self, text: bytes, pressing: bytes = b"") -> None:
        """Wait until the terminal has shown this, after what was waited for before; meanwhile press again and again."""
        end = time.monotonic() + PATIENCE_SECONDS
        while text not in self._seen:
            assert time.monotonic() < end, f"{text!r} did not come: {self._seen!r}"
            if select.select([self._master], [], [], 1)[0]:
                self._seen += os.read(self._master, 4096)
            elif pressing:
                self.type(pressing)
        self._seen = self._seen.partition(text)[2]

    def type(self, keys: bytes) -> None:
        os.write(self._master, keys)

    def type_one_by_one(self, keys: bytes) -> None:
        """Each once the command has read the one before: it knows its keys to detach only so."""
        for key in keys:
            self.type(bytes([key]))
            eventually(lambda: not _unread(self._slave), what="the reading of a key")

    def size(self, rows: int, columns: int) -> None:
        """The kernel tells the command of it: SIGWINCH."""
        fcntl.ioctl(self._master, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def ended(self) -> int:
        """The command's exit code."""
        eventually(self._has_ended, what="the end of the command")
        os.close(self._master)
        os.close(self._slave)
        return self._process.returncode

    def _has_ended(self) -> bool:
        while select.select([self._master], [], [], 0)[0]:
            os.read(self._master, 4096)
        return self._process.poll() is not None


def _control_terminal() -> None:
    """In the child: its terminal tells it of sizes, as one's own does."""
    fcntl.ioctl(0, termios.TIOCSCTTY, 0)


def _unread(slave: int) -> int:
    """Bytes that were typed and nobody has read yet: ioctl_tty(2), FIONREAD."""
    return int(struct.unpack("i", fcntl.ioctl(slave, termios.FIONREAD, b"\0" * 4))[0])


@pytest.fixture
def root(client: Client, portside: Portside) -> Client:
    """The same client at the socket of root, without its token's use."""
    socket = portside.home.path / "docker.sock"
    assert stat.S_IMODE(socket.stat().st_mode) == 0o600
    return dataclasses.replace(client, host=f"unix://{socket}")


def shell(root: Client, *words: str) -> Terminal:
    """A shell in a container, whose prompt has come."""
    where = ("term",) if words[0] == "exec" else ("--name", "term", IMAGE)
    terminal = Terminal(root, *words, "-e", f"PS1={PROMPT.decode()}", *where, "sh")
    terminal.until(PROMPT)
    return terminal


def test_run_detach_attach_exec_and_their_exit_codes(root: Client) -> None:
    first = shell(root, "run", "-it")
    first.size(31, 101)
    first.type(b"until [ \"$(stty size)\" = '31 101' ]; do :; done; echo si''zed\r")
    first.until(b"sized")
    first.until(PROMPT)
    first.type(b"echo slee''ping; sleep 1000\r")
    first.until(b"sleeping")
    first.until(PROMPT, pressing=b"\x03")  # which ends the sleep alone, once it has begun
    first.type_one_by_one(b"\x10\x11")
    assert first.ended() == 0

    beside = shell(root, "exec", "-it")
    beside.type(b"exit 6\r")
    assert beside.ended() == 6

    again = Terminal(root, "attach", "term")
    again.type(b"\r")
    again.until(PROMPT)
    again.type(b"exit 5\r")
    assert again.ended() == 5
    assert root.run("inspect", "-f", "{{.State.Status}} {{.State.ExitCode}}", "term").stdout == b"exited 5\n"


def test_what_is_piped_in_comes_out(root: Client) -> None:
    data = os.urandom(1 << 20)
    assert root.run("run", "-i", "--rm", IMAGE, "cat", stdin=data).stdout == data
    assert root.run("run", "-d", "--name", "term", IMAGE, "sleep", "1000").returncode == 0
    done = root.run("exec", "-i", "term", "sh", "-c", "cat; echo err >&2; exit 4", stdin=data)
    assert (done.stdout == data, done.stderr, done.returncode) == (True, b"err\n", 4)
    assert root.run("run", "--rm", IMAGE, "nothing-of-the-kind").returncode == 127
    assert root.run("ps", "-aq").stdout.count(b"\n") == 1  # --rm took the others away
