"""One supervised process: its start, its lines, its end. The standard library alone is imported here."""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import subprocess
import time

from webui.up.plan import READY, ROOT, ChildPlan

PR_SET_PDEATHSIG = 1  # prctl(2)
FIRST_PAUSE, LONGEST_PAUSE, STEADY_SECONDS = 0.2, 10.0, 20.0
LONGEST_LINE = 64 << 10

_libc = ctypes.CDLL(None, use_errno=True)


class Child:
    """`output` and `ready` are read ends of pipes while the process runs; `due` is when to start it (again)."""

    def __init__(self, plan: ChildPlan) -> None:
        self.plan = plan
        self.process: subprocess.Popen[bytes] | None = None
        self.output = -1
        self.ready = -1
        self.due: float | None = None
        self._started_at = 0.0
        self._pause = FIRST_PAUSE
        self._partial = b""
        self.is_silent = False  # has closed its output

    @property
    def name(self) -> str:
        return self.plan.name

    @property
    def is_running(self) -> bool:
        return self.process is not None and self.process.poll() is None

    def start(self) -> None:
        """Start the process in a group of its own, so that a terminal's Ctrl-C reaches the supervisor only.

        Must be called by the main thread: the kernel sends the death signal when the starting *thread* ends.
        """
        self.output, output = os.pipe()
        command, descriptors = list(self.plan.command), list(self.plan.descriptors)
        ready = -1
        if READY in command:
            self.ready, ready = os.pipe()
            command[command.index(READY)] = str(ready)
            descriptors.append(ready)
        supervisor = os.getpid()

        def prepare() -> None:
            # Without this, a supervisor that is killed would leave everything running and the address taken.
            _libc.prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
            if os.getppid() != supervisor:
                os._exit(1)

        self.process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            cwd=ROOT,
            env={**os.environ, **self.plan.environment},
            pass_fds=descriptors,
            process_group=0,
            preexec_fn=prepare,  # noqa: PLW1509  single-threaded at the fork: the printer thread holds no lock it needs
        )
        os.close(output)
        if ready >= 0:
            os.close(ready)
        os.set_blocking(self.output, False)
        self._started_at, self.due, self.is_silent = time.monotonic(), None, False

    def lines(self) -> list[str]:
        """What the process has printed since the last call, by lines."""
        with contextlib.suppress(BlockingIOError):
            while data := os.read(self.output, 1 << 16):
                self._partial += data
                if len(self._partial) > LONGEST_LINE:
                    break
            else:
                self.is_silent = True
        *whole, self._partial = self._partial.split(b"\n")
        if len(self._partial) > LONGEST_LINE or (self._partial and not self.is_running):
            whole.append(self._partial)
            self._partial = b""
        lines = [line.decode(errors="replace") for line in whole]
        return [line for line in lines if not any(words in line for words in self.plan.unsaid)]

    def bury(self, *, again: bool) -> str:
        """Take leave of a process that has ended; what to tell the user. `again` plans the next start."""
        assert self.process is not None
        for descriptor in (self.output, self.ready):
            if descriptor >= 0:
                os.close(descriptor)
        self.output = self.ready = -1
        code, self.process = self.process.returncode, None
        if not again:
            return f"{self.name} did not stop when it was asked to and was killed" if code == -signal.SIGKILL else ""
        if time.monotonic() - self._started_at > STEADY_SECONDS:
            self._pause = FIRST_PAUSE
        pause, self._pause = self._pause, min(self._pause * 2, LONGEST_PAUSE)
        self.due = time.monotonic() + pause
        how = f"was killed by {signal.Signals(-code).name}" if code < 0 else f"ended with code {code}"
        return f"{self.name} {how} and is started again in {pause:g} s"

    def signal(self, number: int) -> None:
        """Signal the process; SIGKILL goes to all of its group."""
        if self.process is None:
            return
        with contextlib.suppress(ProcessLookupError):
            if number == signal.SIGKILL:
                os.killpg(self.process.pid, number)
            else:
                self.process.send_signal(number)
