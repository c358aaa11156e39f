"""One call of another runtime's command line, from the launcher's side: fork, exec, and what it says if it fails."""

from __future__ import annotations

import os
import resource
import select
import signal

from engine.runtime import kernel
from engine.runtime.foreign import under_way
from engine.runtime.foreign.words import exit_code_of, last_error
from engine.runtime.wire import Failure

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

LOG = "foreign.log"


class Call:
    """`foreign`: see `birth.create`; `directory`: the container's, where the runtime's log goes.

    `handed`: see `under_way`.
    """

    def __init__(self, foreign: dict[str, Any], directory: str, handed: list[int]) -> None:
        self.name: str = foreign["name"]
        self.id: str = foreign["id"]
        self._patience: float = foreign["patience_seconds"]
        self._log = f"{directory}/{LOG}"
        options = ("--root", foreign["root"], "--log", self._log, "--log-format", "json")
        self._command = [foreign["program"], *options]
        self._handed = handed
        self._descriptors = resource.getrlimit(resource.RLIMIT_NOFILE)  # of the runtime, and by it of the container
        self._joins = [os.open(path, os.O_WRONLY | os.O_CLOEXEC) for path in foreign["joins"]]

    def must_run(self, *words: str) -> None:
        """Raise a Failure in the runtime's own words, with the exit code 126 or 127 that belongs to them."""
        with open(self._log, "w"):
            pass
        status = self.run(*words)
        if status == 0:
            return
        if os.WIFSIGNALED(status):
            raise Failure("unavailable", f"{self.name} {words[0]} was killed (signal {os.WTERMSIG(status)}); try again")
        with open(self._log, errors="replace") as file:
            message = last_error(file.read()) or f"it ended with {os.waitstatus_to_exitcode(status)} and said nothing"
        code = exit_code_of(message)
        raise Failure("unavailable" if code is None else "invalid_argument", f"{self.name}: {message}", code)

    def run(self, *words: str) -> int:
        """The wait status. The process dies with this one, and of taking too long, which is a Failure."""
        parent = os.getpid()
        pid = os.fork()
        if pid == 0:
            try:
                os.setpgid(0, 0)
                if words[0] == "create":
                    under_way.note_call(self._handed)
                for group in self._joins if words[0] == "create" else ():
                    os.write(group, b"0")
                _execute([*self._command, *words], parent, self._descriptors)
            finally:
                os._exit(127)
        ended = select.poll()
        ended.register(os.pidfd_open(pid), select.POLLIN)
        if ended.poll(self._patience * 1000):
            return os.waitpid(pid, 0)[1]
        os.killpg(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        raise Failure("unavailable", f"{self.name} {words[0]} did not end within {self._patience:g} s; try again")


def _execute(command: list[str], parent: int, descriptors: tuple[int, int]) -> None:
    kernel.prctl("pdeathsig", kernel.PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(127)
    for number in signal.valid_signals() - {signal.SIGKILL, signal.SIGSTOP}:
        if signal.getsignal(number) == signal.SIG_IGN:
            signal.signal(number, signal.SIG_DFL)
    kernel.free_signals()
    kernel.close_range(3, on_exec=True)
    path = os.environ.get("PATH", os.defpath)
    resource.setrlimit(resource.RLIMIT_NOFILE, descriptors)
    os.execve(command[0], command, {"PATH": path, "LC_ALL": "C.UTF-8"})  # noqa: S606 - chosen by the host's setting
