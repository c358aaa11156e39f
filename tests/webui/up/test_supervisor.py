"""The supervisor with small programs for children: what dies comes back, what should stop stops, nothing is left."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.processes import Program, eventually
from webui.up.plan import READY, ROOT, ChildPlan, Plan

STUBBORN = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); "


class Running:
    def __init__(self, directory: Path, plan: Plan) -> None:
        handover = directory / "plan"
        handover.write_bytes(plan.encode())
        script = (
            "import os, sys; from webui.up.supervisor import main;"
            f"sys.argv = ['up', str(os.open({str(handover)!r}, os.O_RDONLY))]; sys.exit(main())"
        )
        self.program = Program([sys.executable, "-c", script], log=directory / "log", cwd=ROOT)
        self.directory = directory

    def pid(self, name: str) -> int | None:
        with contextlib.suppress(FileNotFoundError, ValueError):
            return int((self.directory / name).read_text())
        return None

    def is_alive(self, pid: int) -> bool:
        with contextlib.suppress(OSError):
            return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
        return False


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., Running]]:
    started: list[Running] = []

    def run(*children: ChildPlan, **more: Any) -> Running:
        running = Running(tmp_path, Plan(list(children), ["the address"], **more))
        started.append(running)
        return running

    yield run
    for running in started:
        running.program.stop(signal.SIGKILL)


def child(
    tmp_path: Path, name: str, code: str = "", *, stage: int = 0, grace: float = 2, ready: bool = False
) -> ChildPlan:
    """A program that writes its pid to a file of its name, runs `code` and sleeps."""
    write = f"import os, sys, time; open({str(tmp_path / name)!r}, 'w').write(str(os.getpid())); "
    command = [sys.executable, "-c", f"{write}{code}\ntime.sleep(1000)", *([READY] if ready else [])]
    return ChildPlan(name, command, stage, grace)


def test_lines_carry_the_name_of_their_process(start: Callable[..., Running], tmp_path: Path) -> None:
    running = start(child(tmp_path, "a", "print('hello'); print('err', file=sys.stderr); sys.stdout.flush()"))
    for line in ("a      | hello", "a      | err"):
        running.program.wait_until(lambda line=line: line in running.program.output(), what=line)


def test_the_address_is_shown_when_the_site_is_ready_and_not_before(
    start: Callable[..., Running], tmp_path: Path
) -> None:
    go = tmp_path / "go"
    code = f"\nwhile not os.path.exists({str(go)!r}): time.sleep(0.01)\nos.write(int(sys.argv[1]), b'!')"
    running = start(child(tmp_path, "a", code, ready=True))
    eventually(lambda: running.pid("a"), what="a start")
    time.sleep(0.3)
    assert "the address" not in running.program.output()
    go.touch()
    running.program.wait_until(lambda: "the address" in running.program.output(), what="the address")


def test_a_killed_process_is_started_again_and_the_others_run_on(start: Callable[..., Running], tmp_path: Path) -> None:
    running = start(child(tmp_path, "a"), child(tmp_path, "b"))
    first, other = (eventually(lambda n=name: running.pid(n), what="a pid") for name in "ab")
    os.kill(first, signal.SIGKILL)
    again = eventually(lambda: running.pid("a") not in (first, None) and running.pid("a"), what="another pid")
    assert running.is_alive(again) and running.is_alive(other)
    line = "a was killed by SIGKILL and is started again"
    running.program.wait_until(lambda: line in running.program.output(), what=line)


def test_what_dies_at_once_is_started_ever_more_slowly(start: Callable[..., Running], tmp_path: Path) -> None:
    running = start(child(tmp_path, "a", "sys.exit(3)"))
    running.program.wait_until(lambda: "in 0.8 s" in running.program.output(), what="a longer pause")
    so_far = running.program.output().partition("in 0.8 s")[0]
    assert so_far.count("a ended with code 3") == 3


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_stops_all_in_order(start: Callable[..., Running], tmp_path: Path, number: signal.Signals) -> None:
    def telling(name: str) -> str:
        return (
            "import signal\n"
            f"def bye(*_): open({str(tmp_path / 'order')!r}, 'a').write({name!r}); sys.exit()\n"
            "signal.signal(signal.SIGTERM, bye)\n"
            f"open({str(tmp_path / name) + '-listens'!r}, 'w').close()"
        )

    names = "abc"
    running = start(
        *(child(tmp_path, name, telling(name), stage=2 - index, grace=60) for index, name in enumerate(names))
    )
    pids = [eventually(lambda n=name: running.pid(n), what="a pid") for name in names]
    eventually(lambda: all((tmp_path / f"{name}-listens").exists() for name in names), what="three that listen")
    assert running.program.stop(number) == 0  # in half of one's grace
    assert (tmp_path / "order").read_text() == "cba"
    assert not any(running.is_alive(pid) for pid in pids)


def test_a_stubborn_process_is_killed_with_its_group_after_its_grace(
    start: Callable[..., Running], tmp_path: Path
) -> None:
    note = f"open({str(tmp_path / 'sub')!r}, 'w').write(str(p.pid))"
    code = f"{STUBBORN} import subprocess; p = subprocess.Popen(['sleep', '1000']); {note}"
    running = start(child(tmp_path, "a", code, grace=0.5))
    pids = [eventually(lambda n=name: running.pid(n), what="a pid") for name in ("a", "sub")]
    begin = time.monotonic()
    assert running.program.stop(signal.SIGTERM) == 0
    assert time.monotonic() - begin > 0.4
    assert "a did not stop when it was asked to and was killed" in running.program.output()
    eventually(lambda: not any(running.is_alive(pid) for pid in pids), what="the end of all")


def test_two_signals_at_once_are_one_wish_but_an_impatient_user_is_heard(
    start: Callable[..., Running], tmp_path: Path
) -> None:
    deaf = tmp_path / "deaf"
    running = start(child(tmp_path, "a", f"{STUBBORN}open({str(deaf)!r}, 'w').close()", grace=60))
    eventually(deaf.exists, what="one that does not listen")
    running.program.process.send_signal(signal.SIGINT)
    running.program.process.send_signal(signal.SIGINT)
    time.sleep(1.2)
    assert running.program.is_running
    assert running.program.stop(signal.SIGINT) == 0


def test_the_children_of_a_killed_supervisor_end(start: Callable[..., Running], tmp_path: Path) -> None:
    running = start(child(tmp_path, "a"), child(tmp_path, "b"))
    pids = [eventually(lambda n=name: running.pid(n), what="a pid") for name in "ab"]
    running.program.stop(signal.SIGKILL)
    eventually(lambda: not any(running.is_alive(pid) for pid in pids), what="the end of all")


def test_a_flood_of_lines_neither_stops_the_supervisor_nor_mixes_lines(
    start: Callable[..., Running], tmp_path: Path
) -> None:
    code = "[print('x' * 1000) for _ in range(5000)]; print('done', flush=True)"
    running = start(child(tmp_path, "a", code))
    running.program.wait_until(lambda: "a      | done" in running.program.output(), what="the last line")
    lines = {line for line in (tmp_path / "log").read_text().splitlines() if "xx" in line}
    assert lines == {"a      | " + "x" * 1000}


def test_a_process_that_closes_its_output_costs_nothing(start: Callable[..., Running], tmp_path: Path) -> None:
    running = start(child(tmp_path, "a", "os.close(1); os.close(2)"))
    eventually(lambda: running.pid("a"), what="a pid")

    def used() -> float:
        fields = Path(f"/proc/{running.program.pid}/stat").read_text().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    time.sleep(0.5)
    before = used()
    time.sleep(1)
    assert used() - before < 0.2
    assert running.program.stop(signal.SIGTERM) == 0
