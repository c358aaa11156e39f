"""One execution out of many deliveries."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from engine.store.database import Store
from engine.store.journal import Journal
from worker.ledger import Ledger

DONE = {"status": "succeeded", "result": {"id": "x"}, "error": None}


class Home:
    def __init__(self, path: Path) -> None:
        self.store = Store(path / "engine.db")
        self.journal = Journal(self.store, path / "run")
        self.acknowledged = 0

    def ledger(self, session: str) -> Ledger:
        return Ledger(self.store, self.journal, session, lambda: self.acknowledged)

    def kinds(self) -> list[str]:
        return [entry.kind for entry in self.journal.read(0)]


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path)


def test_a_second_delivery_while_the_first_is_worked_on_is_dropped(home: Home) -> None:
    ledger = home.ledger("a")
    assert ledger.claim("j", 1, "image.pull").run
    assert not ledger.claim("j", 1, "image.pull").run
    assert not ledger.claim("j", 2, "image.pull").run
    assert home.kinds() == ["job.started"]


def test_an_end_and_its_event_are_one_and_carry_the_last_fence(home: Home) -> None:
    ledger = home.ledger("a")
    ledger.claim("j", 1, "image.pull")
    ledger.claim("j", 4, "image.pull")
    ledger.finish("j", DONE)
    last = home.journal.read(0)[-1]
    assert (last.kind, last.subject, last.attributes) == ("job.finished", "j", {**DONE, "fence": 4})


def test_what_a_dead_worker_left_is_taken_over_and_counted(home: Home) -> None:
    home.ledger("dead").claim("j", 1, "image.pull")
    claim = home.ledger("alive").claim("j", 2, "image.pull")
    assert (claim.run, claim.attempt) == (True, 2)


def test_a_finished_job_is_never_run_again_not_even_by_another_worker(home: Home) -> None:
    ledger = home.ledger("a")
    ledger.claim("j", 1, "image.pull")
    ledger.finish("j", DONE)
    assert not home.ledger("b").claim("j", 2, "image.pull").run


def test_an_end_that_the_site_has_read_past_is_announced_again_when_it_asks_anew(home: Home) -> None:
    ledger = home.ledger("a")
    ledger.claim("j", 1, "image.pull")
    ledger.finish("j", DONE)
    home.acknowledged = home.journal.last_seq()
    ledger.claim("j", 1, "image.pull")  # the broker's redelivery: the site did not ask
    assert home.kinds().count("job.finished") == 1
    ledger.claim("j", 2, "image.pull")
    assert home.kinds().count("job.finished") == 2
    assert json.loads(json.dumps(home.journal.read(0)[-1].attributes)) == {**DONE, "fence": 2}


def test_an_end_that_is_still_on_its_way_is_not_announced_twice(home: Home) -> None:
    ledger = home.ledger("a")
    ledger.claim("j", 1, "image.pull")
    ledger.finish("j", DONE)
    ledger.claim("j", 2, "image.pull")
    assert home.kinds().count("job.finished") == 1


def test_what_dead_workers_left_is_known_in_the_order_in_which_it_was_asked_for(home: Home) -> None:
    dead = home.ledger("dead")
    dead.claim("late", 1, "container.start", {"kind": "container.start"}, place=2)
    dead.claim("early", 3, "container.stop", {"kind": "container.stop"}, place=1)
    dead.claim("secret", 1, "image.pull", None, place=3)
    dead.claim("done", 1, "image.pull", {"kind": "image.pull"}, place=4)
    dead.finish("done", DONE)
    assert dead.left_over() == []
    left = home.ledger("alive").left_over()
    assert [(one.job_id, one.fence, one.command["kind"]) for one in left] == [
        ("early", 3, "container.stop"),
        ("late", 1, "container.start"),
    ]


def test_what_waits_for_secrets_is_left_over_with_its_place_alone(home: Home) -> None:
    place = {"kind": "container.create", "container_id": "c"}
    dead = home.ledger("dead")
    dead.claim("create", 1, "container.create", place, place=1, needs_secrets=True)
    dead.claim("stop", 1, "container.stop", {"kind": "container.stop"}, place=2)
    alive = home.ledger("alive")
    assert [(one.job_id, one.needs_secrets) for one in alive.left_over()] == [("create", True), ("stop", False)]
    claim = alive.claim("create", 2, "container.create", place, place=1, needs_secrets=True)
    assert (claim.run, claim.attempt) == (True, 2)
    assert [one.job_id for one in home.ledger("third").left_over()] == ["create", "stop"]
