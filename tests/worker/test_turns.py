"""What concerns one container is done in the order in which it was asked for."""

from __future__ import annotations

import threading
import time
from pathlib import Path

import pytest

from engine.config import EngineConfig
from engine.errors import Cancelled
from tests.support.processes import eventually
from tests.worker.fakes import FakeEngine, KnownCancellations
from worker.contract.commands import StartContainer, StopContainer, encode_command
from worker.executor import Executor
from worker.ledger import Ledger
from worker.turns import Turns

STOP = {"kind": "container.stop", "container_id": "c"}
START = {"kind": "container.start", "container_id": "c"}
KILL = {"kind": "container.kill", "container_id": "c"}
REMOVE = {"kind": "container.remove", "container_id": "c"}


def cancel_when_it_runs(executor: Executor, job_id: str) -> None:
    eventually(lambda: job_id in executor.running(), what=f"job {job_id}")
    executor.cancel(job_id)


def waits(turns: Turns, turn: object) -> bool:
    """Whether the turn has to wait now; its waiting is ended again."""
    cancel = threading.Event()
    cancel.set()
    try:
        turns.wait(turn, cancel)  # type: ignore[arg-type]
    except Cancelled:
        return True
    return False


@pytest.fixture(autouse=True)
def impatience(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("worker.turns.LOOK_SECONDS", 0.01)


def test_the_later_of_two_waits_until_the_earlier_is_over() -> None:
    turns = Turns()
    stop, start = turns.begin("1", STOP), turns.begin("2", START)
    assert not waits(turns, stop)
    assert waits(turns, start)
    turns.end(stop)
    assert not waits(turns, start)


def test_what_hurries_passes_by_a_removal_that_stops_and_by_no_other() -> None:
    for earlier, later, has_to_wait in (
        ({**REMOVE, "stop": True}, KILL, False),
        ({**REMOVE, "stop": True}, {**REMOVE, "force": True}, False),
        ({**REMOVE, "stop": True}, {**REMOVE, "force": True, "stop": True}, True),
        ({**REMOVE, "stop": True}, STOP, True),
        (REMOVE, KILL, True),
    ):
        turns = Turns()
        turns.begin("1", earlier)
        assert waits(turns, turns.begin("2", later)) is has_to_wait, (earlier, later)


def test_a_booked_place_holds_though_a_later_delivery_begins_first() -> None:
    turns = Turns()
    turns.book("1", STOP)
    turns.book("2", START)
    start, stop = turns.begin("2", START), turns.begin("1", STOP)
    assert waits(turns, start)
    assert not waits(turns, stop)


def test_other_containers_and_images_wait_for_nobody() -> None:
    turns = Turns()
    turns.begin("1", STOP)
    assert not waits(turns, turns.begin("2", {**START, "container_id": "d"}))
    assert not waits(turns, turns.begin("3", {"kind": "image.pull", "reference": "alpine"}))


def test_a_kill_passes_by_a_stop_but_not_by_a_start() -> None:
    turns = Turns()
    turns.begin("1", STOP)
    assert not waits(turns, turns.begin("2", KILL))
    by_force = {"kind": "container.remove", "container_id": "e", "force": True}
    turns.begin("3", {**STOP, "container_id": "e"})
    assert not waits(turns, turns.begin("6", by_force))
    turns.begin("4", {**START, "container_id": "d"})
    assert waits(turns, turns.begin("5", {**KILL, "container_id": "d"}))


def test_nothing_is_kept_of_lines_that_are_over() -> None:
    turns = Turns()
    for turn in [turns.begin("1", STOP), turns.begin("2", START)]:
        turns.end(turn)
    assert not turns._lines and not turns._booked


def test_a_place_is_kept_until_the_job_comes_and_whoever_is_behind_it_comes_too_early() -> None:
    turns = Turns()
    turns.keep("a", START)
    stop, other = turns.begin("b.1", STOP, "b"), turns.begin("c.1", {**STOP, "container_id": "d"}, "c")
    assert turns.comes_too_early(stop) and waits(turns, stop)
    assert not turns.comes_too_early(other)
    turns.book("a.2", START, "a")
    assert not turns.comes_too_early(stop) and waits(turns, stop)
    start = turns.begin("a.2", START, "a")
    assert not turns.comes_too_early(start) and not waits(turns, start)
    again = turns.begin("a.3", START, "a")
    assert waits(turns, again)
    for turn in (start, again, stop, other):
        turns.end(turn)
    assert not turns._lines and not turns._kept


def test_a_recreation_stands_in_the_lines_of_both_its_containers() -> None:
    turns = Turns()
    before = turns.begin("1", STOP)
    recreate = turns.begin("2", {"kind": "container.recreate", "container_id": "new", "replaces": "c"})
    old, new = turns.begin("3", START), turns.begin("4", {"kind": "container.stop", "container_id": "new"})
    assert waits(turns, recreate)
    turns.end(before)
    assert not waits(turns, recreate)
    assert waits(turns, old) and waits(turns, new)
    turns.end(recreate)
    assert not waits(turns, old) and not waits(turns, new)


def test_a_place_is_kept_for_nobody_for_ever() -> None:
    turns = Turns()
    turns.keep("a", START)
    stop = turns.begin("b.1", STOP, "b")
    assert turns.give_up("a")
    assert not turns.comes_too_early(stop) and not waits(turns, stop)
    assert not turns.give_up("a")


def test_stop_then_start_ends_with_the_start_whichever_thread_is_quicker(tmp_path: Path) -> None:
    engine = FakeEngine(EngineConfig(home=tmp_path))
    stop_may_end = threading.Event()
    engine.container_stop = lambda *_, **__: (stop_may_end.wait(60), engine.note("stop"))  # type: ignore[method-assign,assignment]
    engine.container_start = lambda id, request="", admission=None, cancel=None: engine.note("start")  # type: ignore[method-assign]
    executor = Executor(
        engine, Ledger(engine.store, engine.journal, "s", lambda: 0), lambda *_: None, KnownCancellations()
    )
    stop, start = (
        {"job_id": name, "command": encode_command(command)}
        for name, command in (("a", StopContainer(container_id="c")), ("b", StartContainer(container_id="c")))
    )
    executor.expect(**stop)
    executor.expect(**start)
    threads = [threading.Thread(target=executor.execute, kwargs=delivery) for delivery in (start, stop)]
    for thread in threads:
        thread.start()
        time.sleep(0.05)
    stop_may_end.set()
    for thread in threads:
        thread.join(60)
    assert engine.calls() == ["stop", "start"]


def test_a_job_that_waits_for_its_turn_can_be_cancelled(tmp_path: Path) -> None:
    engine = FakeEngine(EngineConfig(home=tmp_path))
    executor = Executor(
        engine, Ledger(engine.store, engine.journal, "s", lambda: 0), lambda *_: None, KnownCancellations()
    )
    executor.expect(job_id="a", command=encode_command(StopContainer(container_id="c")))
    threading.Thread(target=cancel_when_it_runs, args=(executor, "b")).start()
    executor.execute(job_id="b", command=encode_command(StartContainer(container_id="c")))
    [end] = [entry for entry in engine.journal.read(0) if entry.kind == "job.finished"]
    assert end.attributes["status"] == "cancelled"
    assert engine.calls() == []
