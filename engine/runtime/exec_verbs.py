"""`Runtime`'s verbs for execs; an exec's directory answers the same questions as a container's."""

from __future__ import annotations

import contextlib
import os
import signal
import time
from pathlib import Path
from typing import Any

from engine.errors import Conflict, NotFound
from engine.runtime import record
from engine.runtime.execs import Exec, Execs, ExecSpec, Stdio
from engine.runtime.exit_status import ExitStatus

SETTLE_SECONDS = 1.0


def _left(deadline: float | None) -> float:
    """How long to wait for the exit code of what has ended, before it is looked whether there is such an exec."""
    return SETTLE_SECONDS if deadline is None else min(SETTLE_SECONDS, max(0.0, deadline - time.monotonic()))


class ExecVerbs:
    """What `Runtime` must bring, then what it gets by this."""

    _execs: Execs

    def exit_status(self, container_dir: Path, run: int) -> ExitStatus | None:
        raise NotImplementedError

    def wait(self, container_dir: Path, run: int, timeout: float | None) -> ExitStatus | None:
        raise NotImplementedError

    def signal(self, container_dir: Path, signum: int) -> None:
        raise NotImplementedError

    def exec(self, container_dir: Path, spec: ExecSpec, stdio: Stdio = Stdio()) -> Exec:  # noqa: B008 - immutable
        """Run one more process in the container; it has become its program when this returns.

        With `spec.tty` the answer holds the terminal's master, and `stdio` is ignored. Conflict if the container
        doesn't run (or ends meanwhile); InvalidArgument with detail["exit_code"] 127 (no such program) or 126 (it
        can't be run, no such user or working directory); nothing is left running or lying then.
        """
        return self._execs.start(container_dir, spec, stdio)

    def execs(self, container_dir: Path) -> list[str]:
        """The ids of the container's execs that run or whose end can still be asked for."""
        return self._execs.ids(container_dir)

    def exec_status(self, container_dir: Path, exec_id: str) -> ExitStatus | None:
        """How it ended; None while it runs. NotFound if there is no such exec (any more)."""
        directory = self._execs.directory(container_dir, exec_id)
        return self.exit_status(directory, self._execs.run(directory))

    def exec_note(self, container_dir: Path, exec_id: str) -> dict[str, Any] | None:
        """The `note` that its starter gave; None if none, or if it is gone."""
        return self._execs.note(container_dir, exec_id)

    def exec_wait(self, container_dir: Path, exec_id: str, timeout: float | None) -> ExitStatus | None:
        """Wait for its end, at most `timeout` seconds; None if it still runs then."""
        directory = self._execs.directory(container_dir, exec_id)
        run = self._execs.run(directory)
        deadline = None if timeout is None else time.monotonic() + timeout
        if not self._execs.await_end(directory, timeout):
            return None
        while (status := self.wait(directory, run, _left(deadline))) is None:
            if deadline is not None and time.monotonic() >= deadline:
                return None
            self._execs.directory(container_dir, exec_id)  # it may have been killed before it was born: NotFound
        return status

    def exec_signal(self, container_dir: Path, exec_id: str, signum: int) -> None:
        """Send it a signal, and never another process; NotFound if it has ended."""
        directory = self._execs.directory(container_dir, exec_id)
        try:
            self.signal(directory, signum)
        except NotFound:
            raise NotFound(f"exec {exec_id[:12]} has ended", {"id": exec_id}) from None

    def exec_pid(self, container_dir: Path, exec_id: str) -> int:
        """Its process, as the host numbers it. NotFound if there is no such exec (any more)."""
        found = record.read_run(str(self._execs.directory(container_dir, exec_id)))
        if found is None:
            raise NotFound(f"exec {exec_id[:12]} has ended", {"id": exec_id})
        return int(found["pid"])

    def exec_drop(self, container_dir: Path, exec_id: str) -> bool:
        """Forget it, and `exec_kill` it first; False while it doesn't end."""
        if not self.exec_kill(container_dir, exec_id):
            return False
        self._execs.remove(container_dir, exec_id)
        return True

    def exec_kill(self, container_dir: Path, exec_id: str) -> bool:
        """Kill it if it runs: with what it has started, but for what left its process group.

        No error if it is gone. False while it doesn't end, as in a container that is frozen.
        """
        directory = container_dir / record.EXECS / exec_id
        found = record.read_run(str(directory))
        pidfd = None if found is None else record.open_pidfd(found)
        if found is not None and pidfd is not None:
            try:
                with contextlib.suppress(ProcessLookupError):
                    signal.pidfd_send_signal(pidfd, signal.SIGSTOP)  # what stands still can't end and free its number
                    os.killpg(found["pid"], signal.SIGKILL)
                with contextlib.suppress(ProcessLookupError):  # a moment ago it had no group of its own yet
                    signal.pidfd_send_signal(pidfd, signal.SIGKILL)
            finally:
                os.close(pidfd)
        return found is None or self.wait(directory, found["run"], SETTLE_SECONDS) is not None

    def exec_remove(self, container_dir: Path, exec_id: str) -> None:
        """Forget one that has ended; one that is gone is no error. Conflict while it runs."""
        with contextlib.suppress(NotFound):
            if self.exec_status(container_dir, exec_id) is None:
                raise Conflict(f"exec {exec_id[:12]} still runs; end it first", {"id": exec_id})
            self._execs.remove(container_dir, exec_id)

    def exec_sweep(self, container_dir: Path) -> list[str]:
        """Forget those that ended long ago and were never removed; their ids."""

        def ended(directory: Path) -> float | None:
            status = self.exit_status(directory, self._execs.run(directory))
            return None if status is None else status.at

        return self._execs.sweep(container_dir, ended)
