"""`Engine`'s verbs for further processes in containers; `engine.containers.execs` does the work."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from engine.containers.service import Containers
from engine.runtime.execs import Exec, ExecSpec, Stdio

if TYPE_CHECKING:
    from engine.containers.parts import ExitStatus


class ExecCalls:
    """What `Engine` must bring, then what it gets by this."""

    containers: Containers

    def container_exec(self, name: str, spec: ExecSpec, stdio: Stdio = Stdio()) -> Exec:  # noqa: B008 - immutable
        """Run one more process in a running container; it has become its program when this returns.

        `Exec.master` is its terminal's, if it asked for one, and the caller's to close. Conflict when the container
        doesn't run or is paused; InvalidArgument with `detail["exit_code"]` 126 or 127 when the command can't run.
        """
        return self.containers.exec(name, spec, stdio)

    def container_exec_status(self, name: str, exec_id: str) -> ExitStatus | None:
        """How it ended; None while it runs."""
        return self.containers.exec_status(name, exec_id)

    def container_exec_wait(
        self, name: str, exec_id: str, timeout_seconds: float | None = None, *, is_told: bool = True
    ) -> ExitStatus | None:
        """Wait for its end; None when the time is over first. Also for one that another process has started.

        Not `is_told`: the journal has its end by `container_exec_remove`, which the caller calls next.
        """
        return self.containers.exec_wait(name, exec_id, timeout_seconds, is_told=is_told)

    def container_exec_signal(self, name: str, exec_id: str, signal: str = "SIGTERM") -> None:
        self.containers.exec_signal(name, exec_id, signal)

    def container_exec_kill(self, name: str, exec_id: str) -> None:
        """Kill it with its process group, and forget it; one that has ended or is gone is no error."""
        self.containers.exec_kill(name, exec_id)

    def container_execs(self, name: str) -> list[dict[str, Any]]:
        """Those that run: `engine.containers.execs.running`."""
        return self.containers.execs_running(name)

    def container_exec_remove(self, name: str, exec_id: str) -> None:
        """Forget one that has ended, which its owner should: others are forgotten after ten minutes, by `reconcile`."""
        self.containers.exec_remove(name, exec_id)
