"""A further process as a session's source: what becomes of it when nobody listens any more."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator, Mapping
from types import SimpleNamespace
from typing import Any

import pytest

from engine.errors import NotFound
from worker.sessions.exec_source import ExecSource

CONTAINER = "c" * 64


class Engine:
    """An engine whose containers are this host: it starts what it is asked for, and notes what it is told."""

    def __init__(self) -> None:
        self.processes: list[subprocess.Popen[bytes]] = []
        self.signals: list[str] = []
        self.removed: list[str] = []

    def container_exec(self, container: str, spec: Any, stdio: Any) -> Any:
        self.stdio, self.spec = stdio, spec
        process = subprocess.Popen(spec.args, stdin=stdio.stdin, stdout=stdio.stdout, stderr=stdio.stderr)
        self.processes.append(process)
        return SimpleNamespace(id=f"exec{len(self.processes)}", pid=process.pid)

    def container_exec_status(self, container: str, exec_id: str) -> Any:
        if exec_id in self.removed:
            raise NotFound("it is gone")
        code = self.processes[-1].poll()
        return None if code is None else SimpleNamespace(code=code)

    def container_exec_wait(self, container: str, exec_id: str, seconds: float, *, is_told: bool = True) -> Any:
        return SimpleNamespace(code=self.processes[-1].wait(seconds))

    def container_exec_signal(self, container: str, exec_id: str, name: str) -> None:
        self.signals.append(name)

    def container_exec_kill(self, container: str, exec_id: str) -> None:
        self.signals.append("SIGKILL")

    def container_exec_remove(self, container: str, exec_id: str) -> None:
        self.removed.append(exec_id)


@pytest.fixture
def engine() -> Iterator[Engine]:
    engine = Engine()
    yield engine
    for process in engine.processes:
        process.kill()
        process.wait(60)


def source(engine: Engine, *command: str, **parameters: Any) -> ExecSource:
    wish: Mapping[str, Any] = {"command": list(command), **parameters}
    return ExecSource(engine, CONTAINER, wish)


def test_what_is_asked_for_reaches_the_engine(engine: Engine) -> None:
    source(engine, "true", env={"A": "1"}, unset=["B", "C"], user=":app").close()
    assert (engine.spec.env, engine.spec.unset, engine.spec.user) == (["A=1"], ("B", "C"), ":app")


def test_who_hangs_up_has_the_process_told(engine: Engine) -> None:
    source(engine, "sleep", "60").close()
    assert engine.signals == ["SIGHUP"] and engine.removed == []


def test_one_that_is_bound_to_its_session_is_killed(engine: Engine) -> None:
    source(engine, "sleep", "60", bound=True).close()
    assert engine.signals == ["SIGKILL"]


def test_one_that_is_left_is_told_nothing(engine: Engine) -> None:
    opened = source(engine, "sleep", "60", stdin=True)
    opened.leave()
    opened.close()
    assert engine.signals == [] and engine.removed == []


def test_one_that_was_left_is_removed_once_it_has_ended(engine: Engine) -> None:
    opened = source(engine, "true")
    opened.leave()
    assert opened.result() == {"exit_code": 0}
    opened.close()
    assert engine.removed == ["exec1"]


def test_a_detached_one_has_nothing_to_read_or_to_write_and_goes_on(engine: Engine) -> None:
    opened = source(engine, "sleep", "60", detached=True, stdin=True, tty=True, size={"rows": 5, "columns": 5})
    assert opened.stdin is None and dict(opened.outputs) == {}
    for number in range(3):
        assert os.readlink(f"/proc/{engine.processes[0].pid}/fd/{number}") == os.devnull
    opened.close()
    assert engine.signals == [] and engine.processes[0].poll() is None
