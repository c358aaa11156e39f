"""`run` and `exec --tty` on the caller's own terminal: a pseudo-terminal with a shell's job control around it."""

from __future__ import annotations

import fcntl
import os
import pty
import select
import signal
import struct
import termios
import time
from collections.abc import Iterator

import pytest

from tests.engine.runtime.oci.bundles import COMMAND, Bundle

pytestmark = pytest.mark.root
SECONDS = 60


class Screen:
    """A command on a terminal of its own; `text`: all that it has shown."""

    def __init__(self, words: list[str]) -> None:
        self.text = ""
        self.code: int | None = None
        self.pid, self.master = pty.fork()
        if self.pid == 0:
            self.resize(40, 120, 0)  # before anybody asks
            os.execv(words[0], words)

    def resize(self, rows: int, columns: int, fd: int | None = None) -> None:
        fcntl.ioctl(self.master if fd is None else fd, termios.TIOCSWINSZ, struct.pack("4H", rows, columns, 0, 0))

    def type(self, text: str) -> None:
        os.write(self.master, text.encode())

    def until(self, wanted: str) -> None:
        """Until it has shown `wanted` since the last call."""
        deadline = time.monotonic() + SECONDS
        while wanted not in self.text:
            assert time.monotonic() < deadline, (wanted, self.text)
            if not self._read(0.1):
                break
        assert wanted in self.text, (wanted, self.text)
        self.text = self.text.partition(wanted)[2]

    def _read(self, seconds: float) -> bool:
        if select.select([self.master], [], [], seconds)[0]:
            try:
                self.text += os.read(self.master, 4096).decode(errors="replace")
            except OSError:
                return False
        return True

    def end(self, nudge: str = "") -> int:
        """Its exit code; `nudge` is typed again and again until it has ended."""
        deadline = time.monotonic() + SECONDS
        while self.code is None and time.monotonic() < deadline:
            if nudge:
                self.type(nudge)
            self._read(0.05)
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                self.code = os.waitstatus_to_exitcode(status)
        assert self.code is not None, self.text
        return self.code

    def close(self) -> None:
        if self.code is None:
            os.kill(self.pid, signal.SIGKILL)
            os.waitpid(self.pid, 0)
        os.close(self.master)


@pytest.fixture
def shell(bundle: Bundle) -> Iterator[Screen]:
    """A container's shell by `run`."""
    bundle.process["terminal"] = True
    bundle.args("/bin/sh").write()
    screen = Screen([*COMMAND, "--root", str(bundle.root), "run", "-b", str(bundle.directory), bundle.id])
    screen.until("# ")
    yield screen
    screen.close()


def test_what_is_typed_arrives_and_the_exit_code_comes_back(shell: Screen, bundle: Bundle) -> None:
    shell.type("echo $((20+3)); busybox tty; exit 9\n")
    shell.until("23\r\n")
    shell.until("/dev/pts/0")
    assert shell.end() == 9
    assert not (bundle.root / bundle.id).exists()


def test_what_is_typed_before_there_is_a_shell_is_kept(bundle: Bundle) -> None:
    bundle.process["terminal"] = True
    bundle.args("/bin/sh").write()
    screen = Screen([*COMMAND, "--root", str(bundle.root), "run", "-b", str(bundle.directory), bundle.id])
    try:
        screen.type("echo $((20+3)); exit 9\n")
        screen.until("23\r\n")
        assert screen.end() == 9
    finally:
        screen.close()


def test_a_console_socket_without_a_terminal_is_refused(bundle: Bundle) -> None:
    bundle.args("/bin/sleep", "100").start()
    done = bundle.call("exec", "--console-socket", "/nothere", bundle.id, "/bin/sh")
    assert (done.returncode, done.stderr.startswith("--console-socket: there is no terminal")) == (255, True)


def test_the_size_follows_the_callers(shell: Screen) -> None:
    shell.type("busybox stty size\n")
    shell.until("40 120")
    shell.resize(33, 77)
    os.kill(shell.pid, signal.SIGWINCH)
    shell.type("until [ \"$(busybox stty size)\" = '33 77' ]; do busybox sleep 0.05; done; echo followed$((1+1))\n")
    shell.until("followed2")
    shell.type("exit\n")
    assert shell.end() == 0


def test_control_c_ends_the_job_and_not_the_container(shell: Screen) -> None:
    shell.type("busybox sh -c 'echo up$((1+1)); exec busybox sleep 100'; echo code $?\n")
    shell.until("up2")
    shell.type("\x03")
    shell.until("# ")
    shell.type("echo still $((1+1))\n")
    shell.until("still 2")
    shell.until("# ")  # before its prompt the shell would not see the end of input: the terminal's mode changes
    shell.type("\x04")
    shell.end()


def test_control_z_stops_a_job_inside_and_fg_goes_on(shell: Screen) -> None:
    shell.type("set -m; busybox sh -c 'echo up$((1+1)); exec busybox sleep 100'\n")
    shell.until("up2")
    shell.type("\x1a")
    shell.until("# ")
    shell.type("jobs\n")
    shell.until("Stopped")
    shell.type("kill %1; echo done$((3+4))\n")
    shell.until("done7")
    shell.type("exit 0\n")
    shell.type("exit 0\n")
    shell.end()


def test_the_callers_terminal_is_as_before_when_it_is_over(shell: Screen) -> None:
    during = termios.tcgetattr(shell.master)
    assert not during[3] & termios.ICANON  # raw, while the container's own terminal edits lines
    shell.type("exit\n")
    shell.end()
    after = termios.tcgetattr(shell.master)
    assert after[3] & termios.ICANON and after[3] & termios.ECHO


def test_a_signal_for_the_command_reaches_the_program(shell: Screen) -> None:
    shell.type("trap 'echo caught; exit 5' TERM; echo ready$((1+1))\n")
    shell.until("ready2")
    os.kill(shell.pid, signal.SIGTERM)
    assert shell.end(nudge="\n") == 5  # the shell looks between two lines


def test_a_terminal_that_goes_away_hangs_up_the_program(bundle: Bundle) -> None:
    bundle.process["terminal"] = True
    bundle.args("/bin/sh").write()
    screen = Screen([*COMMAND, "--root", str(bundle.root), "run", "-b", str(bundle.directory), bundle.id])
    screen.until("# ")
    os.close(screen.master)
    deadline = time.monotonic() + SECONDS
    while (bundle.root / bundle.id).exists():
        assert time.monotonic() < deadline, "the container outlives its terminal"
        time.sleep(0.05)
    os.waitpid(screen.pid, 0)


def test_more_may_be_typed_than_a_terminal_holds_while_the_program_writes(shell: Screen) -> None:
    copy = "busybox head -c 300000 | busybox cat"
    shell.type(f"busybox stty raw -echo; echo raw$((1+1)); {copy}; busybox stty sane; echo over$((1+1))\n")
    shell.until("raw2")
    data = b"x" * 300_000
    os.set_blocking(shell.master, False)
    deadline = time.monotonic() + SECONDS
    shown = 0
    while shown < 300_000:
        assert time.monotonic() < deadline, (len(data), shown)
        readable, writable, _ = select.select([shell.master], [shell.master] if data else [], [], 1)
        if readable:
            got = os.read(shell.master, 1 << 16).decode()
            shell.text += got
            shown += got.count("x")
        if writable:
            data = data[os.write(shell.master, data[:4096]) :]
    os.set_blocking(shell.master, True)
    shell.until("over2")
    shell.type("exit\n")
    shell.end()


def test_exec_has_a_terminal_of_its_own(bundle: Bundle) -> None:
    bundle.args("/bin/sleep", "100").start()
    screen = Screen([*COMMAND, "--root", str(bundle.root), "exec", "--tty", bundle.id, "/bin/sh"])
    try:
        screen.until("# ")
        screen.type("test -t 0 && busybox stty size; exit 4\n")
        screen.until("40 120")
        assert screen.end() == 4
    finally:
        screen.close()
