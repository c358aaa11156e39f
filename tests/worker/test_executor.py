"""Jobs end, whatever the engine does."""

from __future__ import annotations

import logging
import sqlite3
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from engine.config import EngineConfig
from engine.errors import Conflict
from tests.support.processes import eventually
from tests.worker.fakes import FakeEngine, KnownCancellations
from worker import commands, executor
from worker.context import Context
from worker.contract.commands import (
    PullImage,
    RecreateContainer,
    RemoveContainer,
    RestartContainer,
    StopContainer,
    encode_command,
)
from worker.executor import Executor
from worker.ledger import Ledger


class Bench:
    def __init__(self, home: Path) -> None:
        self.engine = FakeEngine(EngineConfig(home=home))
        self.emitted: list[tuple[str, str, Mapping[str, Any]]] = []
        self.cancellations = KnownCancellations()
        self.executor = self.new_executor("first")

    def new_executor(self, session: str) -> Executor:
        ledger = Ledger(self.engine.store, self.engine.journal, session, lambda: 0)
        return Executor(self.engine, ledger, lambda *event: self.emitted.append(event), self.cancellations)

    def once_begun(self, act: Callable[[], object], pulls: int = 1) -> None:
        """Do it, in another thread, as soon as the engine has begun so many pulls."""

        def wait() -> None:
            eventually(lambda: len(self.engine.calls()) == pulls, what="a beginning")
            act()

        threading.Thread(target=wait).start()

    def progress(self) -> list[int]:
        """The first layer's bytes in each state that was told."""
        return [event["items"][0]["done_bytes"] for kind, _, event in self.emitted if kind == "job.progress"]

    def end_of(self, job_id: str) -> dict[str, Any]:
        [entry] = [e for e in self.engine.journal.read(0) if e.kind == "job.finished" and e.subject == job_id]
        return entry.attributes


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


def pull(reference: str) -> dict[str, Any]:
    return encode_command(PullImage(reference=reference))


def test_a_job_that_goes_well_ends_with_its_result(bench: Bench) -> None:
    bench.executor.execute(job_id="j", command=pull("alpine"), fence=3)
    assert bench.end_of("j") == {
        "status": "succeeded",
        "result": {"image_id": "sha256:feed", "tags": ["alpine"], "digest": "sha256:" + "d" * 64},
        "error": None,
        "fence": 3,
    }


def test_a_recreation_is_of_two_containers(bench: Bench) -> None:
    touched: list[str] = []
    bench.executor._touch = touched.append
    command = RecreateContainer(container_id="b" * 64, replaces="a" * 64, name="web", image="alpine", start=False)
    bench.executor.execute(job_id="j", command=encode_command(command))
    bench.executor.execute(job_id="k", command=encode_command(replace(command, renew_volumes=True)))
    assert bench.end_of("j")["result"] == {"container_id": "b" * 64}
    did = f"recreate {'a' * 64} as {'b' * 64} web False"
    assert bench.engine.calls() == [f"{did} j", f"{did} k renewed"]
    assert sorted(set(touched)) == ["a" * 64, "b" * 64]


def test_an_engines_error_keeps_family_message_and_detail(bench: Bench) -> None:
    bench.executor.execute(job_id="j", command=pull("missing/x"))
    end = bench.end_of("j")
    assert end["status"] == "failed"
    assert end["error"] == {
        "family": "not_found",
        "message": "There is no image missing/x.",
        "detail": {"reference": "missing/x"},
    }


def test_what_is_known_of_a_job_that_fails_is_in_its_result(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    def run(command: object, context: Context) -> dict[str, object]:
        context.known["steps"] = [1]
        raise Conflict("no")

    monkeypatch.setattr(commands, "run", run)
    bench.executor.execute(job_id="j", command=pull("alpine"))
    assert (bench.end_of("j")["status"], bench.end_of("j")["result"]) == ("failed", {"steps": [1]})


def test_a_mistake_of_ours_shows_a_reference_and_no_text_of_the_exception(
    bench: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.ERROR):
        bench.executor.execute(job_id="j", command=pull("bug/x"))
    error = bench.end_of("j")["error"]
    assert error["family"] == "internal" and "hunter2" not in str(error)
    assert error["detail"]["reference"] in caplog.text


def test_a_command_from_a_newer_site_fails_in_words(bench: Bench) -> None:
    bench.executor.execute(job_id="j", command={"kind": "container.levitate"})
    assert bench.end_of("j")["error"]["family"] == "unsupported"


def test_progress_comes_at_most_four_times_a_second_and_the_last_state_always(bench: Bench) -> None:
    began = time.monotonic()
    bench.once_begun(lambda: (time.sleep(1.1), bench.executor.cancel("j")))
    bench.executor.execute(job_id="j", command=pull("slow/x"))
    states = bench.progress()
    assert 2 <= len(states) <= 2 + 4 * (time.monotonic() - began)
    assert states == sorted(states) and states[-1] == bench.engine.step >= 1


def test_the_last_state_before_a_silence_is_told_during_the_silence(bench: Bench) -> None:
    told: list[int] = []

    def wait_and_cancel() -> None:
        try:
            eventually(lambda: bench.progress() == [0, 1], what="the second of two states in one moment")
            told.extend(bench.progress())
        finally:
            bench.executor.cancel("j")

    bench.once_begun(wait_and_cancel)
    bench.executor.execute(job_id="j", command=pull("silent/x"))
    assert told == [0, 1]


def test_cancelling_ends_a_running_job_as_cancelled(bench: Bench) -> None:
    bench.once_begun(lambda: bench.executor.cancel("j"))
    bench.executor.execute(job_id="j", command=pull("slow/x"))
    assert bench.end_of("j")["status"] == "cancelled"


def test_a_job_that_was_cancelled_while_no_worker_ran_never_begins(bench: Bench) -> None:
    bench.cancellations.note("j")
    bench.executor.execute(job_id="j", command=pull("alpine"))
    assert bench.end_of("j")["status"] == "cancelled"
    assert bench.engine.calls() == []


def test_a_job_whose_cancellation_overtakes_it_never_begins(bench: Bench) -> None:
    bench.executor.cancel("j")
    bench.executor.execute(job_id="j", command=pull("alpine"))
    assert bench.end_of("j")["status"] == "cancelled"
    assert bench.engine.calls() == []


def test_a_stopping_worker_leaves_its_jobs_to_the_next_one(bench: Bench) -> None:
    bench.once_begun(bench.executor.interrupt)
    bench.executor.execute(job_id="j", command=pull("slow/x"))
    assert "job.finished" not in [entry.kind for entry in bench.engine.journal.read(0)]
    bench.executor.execute(job_id="k", command=pull("alpine"))
    assert bench.engine.calls() == ["begin pull slow/x"]  # nothing new is begun
    next_one = bench.new_executor("second")
    bench.once_begun(lambda: next_one.cancel("j"), pulls=2)
    next_one.execute(job_id="j", command=pull("slow/x"), fence=2)
    assert bench.end_of("j")["status"] == "cancelled"


def test_duplicates_run_once_even_side_by_side(bench: Bench) -> None:
    deliveries = [
        threading.Thread(target=bench.executor.execute, kwargs={"job_id": "j", "command": pull("alpine"), "fence": n})
        for n in range(8)
    ]
    for delivery in deliveries:
        delivery.start()
    for delivery in deliveries:
        delivery.join()
    assert bench.engine.calls() == ["begin pull alpine", "end pull alpine"]


def test_a_job_that_kills_its_workers_is_given_up(bench: Bench) -> None:
    for number in range(4):
        bench.new_executor(f"dead {number}")._ledger.claim("j", number, "image.pull")
    bench.new_executor("alive").execute(job_id="j", command=pull("alpine"), fence=9)
    assert bench.end_of("j")["error"]["family"] == "internal"
    assert bench.engine.calls() == []


def test_an_end_that_the_store_refuses_is_written_when_it_can(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(executor, "FINISH_AGAIN_SECONDS", 0.05)
    ledger, refusals = bench.executor._ledger, ["database or disk is full"] * 2
    finish = ledger.finish

    def full(job_id: str, outcome: Mapping[str, Any]) -> None:
        if refusals:
            raise sqlite3.OperationalError(refusals.pop())
        finish(job_id, outcome)

    monkeypatch.setattr(ledger, "finish", full)
    bench.executor.execute(job_id="j", command=pull("alpine"))
    assert bench.end_of("j")["status"] == "succeeded"


def test_commands_pass_their_arguments_on(bench: Bench) -> None:
    stop = StopContainer(container_id="c", timeout_seconds=2.5, signal="SIGINT")
    bench.executor.execute(job_id="1", command=encode_command(stop))
    bench.executor.execute(job_id="2", command=encode_command(RemoveContainer(container_id="c", force=True)))
    gently = RemoveContainer(container_id="d", stop=True, timeout_seconds=2.5)
    bench.executor.execute(job_id="3", command=encode_command(gently))
    assert bench.engine.calls() == ["stop c 2.5 SIGINT", "remove c True", "remove d False after 2.5 s"]


def test_what_a_dead_worker_left_is_done_before_what_is_asked_for_now(bench: Bench) -> None:
    dead = Ledger(bench.engine.store, bench.engine.journal, "dead", lambda: 0)
    for place, (job_id, command) in enumerate(
        {"a": StopContainer(container_id="c"), "b": RemoveContainer(container_id="c")}.items()
    ):
        dead.claim(job_id, 1, "container.x", encode_command(command), place)
    next_one = bench.new_executor("second")
    resumed = next_one.resume()
    next_one.execute(job_id="d", command=encode_command(RemoveContainer(container_id="c", force=False)), fence=1)
    for thread in resumed:
        thread.join()
    assert bench.engine.calls() == ["stop c None None", "remove c False", "remove c False"]
    assert bench.end_of("a")["status"] == bench.end_of("b")["status"] == "succeeded"
    for job_id in ("a", "b"):  # the site has sent it again meanwhile
        next_one.execute(job_id=job_id, command=encode_command(StopContainer(container_id="c")), fence=2)
    assert len(bench.engine.calls()) == 3


def test_a_job_with_secrets_waits_for_the_site_to_send_them_again(bench: Bench) -> None:
    threading.Timer(0.2, bench.executor.interrupt).start()
    bench.executor.execute(job_id="j", command=pull("slow/x"), secrets={"username": "u", "password": "p"})
    assert bench.new_executor("second").resume() == []


def test_a_restart_with_secrets_is_gone_on_with_before_the_stop_that_was_asked_for_later(bench: Bench) -> None:
    """Else the stop would be done first, and the container run although stop was said last."""
    first, stop = bench.executor, encode_command(StopContainer(container_id="unseen-once"))
    restart = encode_command(RestartContainer(container_id="unseen-once"))
    secrets = {"registries": {"registry.example.com": {"username": "u", "password": "hunter2"}}}
    for job_id, command in (("a", restart), ("b", stop)):
        first.expect(job_id=job_id, command=command)
    threads = [
        threading.Thread(target=first.execute, kwargs={"job_id": "b", "command": stop}),
        threading.Thread(target=first.execute, kwargs={"job_id": "a", "command": restart, "secrets": secrets}),
    ]
    for thread in threads:
        thread.start()
    eventually(lambda: first.running() == ["b", "a"] or first.running() == ["a", "b"], what="both")
    eventually(lambda: bench.engine.calls() == ["restart unseen-once"], what="the restart")
    first.interrupt()
    for thread in threads:
        thread.join(60)
    rows = bench.engine.store.connection().execute("SELECT command FROM job").fetchall()
    assert len(rows) == 2 and "hunter2" not in str([tuple(row) for row in rows])
    for thread in bench.new_executor("second").resume():
        thread.join(60)
    assert bench.engine.calls()[1:] == ["restart unseen-once", "stop unseen-once None None"]
    assert bench.end_of("a")["status"] == bench.end_of("b")["status"] == "succeeded"


def test_who_must_be_somebody_to_see_a_signature_is_told_that_the_credentials_are_lost(bench: Bench) -> None:
    restart = encode_command(RestartContainer(container_id="unseen"))
    Ledger(bench.engine.store, bench.engine.journal, "dead", lambda: 0).claim("a", 1, "container.restart", restart)
    for thread in bench.new_executor("second").resume():
        thread.join(60)
    bench.executor.execute(job_id="b", command=restart)
    assert "ask once more" in bench.end_of("a")["error"]["message"]
    assert bench.end_of("b")["error"]["message"] == "whether image x is signed can't be seen: no"
