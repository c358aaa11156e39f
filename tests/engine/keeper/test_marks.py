"""A mark that comes back while the keeper still knows the container: somebody has to look after that one, too."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest

from engine.containers.record import ContainerRecord
from engine.keeper import loop
from engine.keeper.dispatch import Outcome
from tests.support.engine import Host
from tests.support.processes import eventually

pytestmark = [pytest.mark.root, pytest.mark.registry]


class Asked:
    """Hands that do nothing: the test answers for them."""

    is_busy = False

    def __init__(self) -> None:
        self.jobs: list[tuple[str, str, int]] = []

    def ask(self, *job: str | int) -> None:
        self.jobs.append(job)  # type: ignore[arg-type]

    def tidy(self) -> None: ...


@pytest.fixture
def ended(host: Host) -> ContainerRecord:
    """A container that has ended, and whose end nobody is at any more."""
    record = host.ended(host.run("sh", "-c", "echo last words; exit 12").id)
    catalog = host.engine.containers._parts.catalog
    eventually(lambda: record.id not in catalog.live_ids(), what="the end of its end")
    eventually(lambda: not host.helper_pids("engine.keeper"), what="the keeper's end")
    return record


@pytest.fixture
def keeper(host: Host, ended: ContainerRecord, monkeypatch: pytest.MonkeyPatch) -> Iterator[loop.Keeper]:
    """One that has taken up the marked end and has asked its hands to reap it."""
    monkeypatch.setattr(loop, "AGAIN_SECONDS", 0.0)
    host.engine.containers._parts.catalog.mark_live(ended.id)
    inbox = loop.listen(host.home.config)
    keeper = loop.Keeper(host.home.config, inbox)
    keeper._hands = Asked()  # type: ignore[assignment]
    keeper._rescan()
    assert asked(keeper) == [("reap", ended.id, 1)]
    yield keeper
    inbox.close()
    keeper._poll.close()
    host.home.config.keeper_socket.unlink(missing_ok=True)


def asked(keeper: loop.Keeper) -> list[tuple[str, str, int]]:
    """What its hands were asked for since the last time."""
    keeper._run_timers()
    jobs: list[tuple[str, str, int]] = []
    jobs, keeper._hands.jobs = keeper._hands.jobs, jobs  # type: ignore[attr-defined]
    return jobs


def test_one_that_is_marked_before_the_hands_have_answered(
    host: Host, keeper: loop.Keeper, ended: ContainerRecord
) -> None:
    catalog = host.engine.containers._parts.catalog
    for _ in range(3):
        catalog.unmark_live(ended.id)  # as the hands do
        catalog.mark_live(ended.id)  # as a start does, which then dies
        keeper._outcome(Outcome("reap", ended.id, 1, current_run=1))
        time.sleep(0.01)
        assert asked(keeper) == [("reap", ended.id, 1)]
    catalog.unmark_live(ended.id)
    keeper._outcome(Outcome("reap", ended.id, 1, current_run=1))
    assert asked(keeper) == [] and not keeper._watched


def test_one_that_is_marked_after_its_stopper_has_reaped_it(
    host: Host, keeper: loop.Keeper, ended: ContainerRecord
) -> None:
    catalog = host.engine.containers._parts.catalog
    catalog.unmark_live(ended.id)  # as the stopper does
    keeper._reap(keeper._watched[ended.id], 1)
    assert asked(keeper) == []
    catalog.mark_live(ended.id)
    host.engine.containers._parts.keeper.notify(ended.id)
    keeper._on_wake(0)
    assert asked(keeper) == [("reap", ended.id, 1)]
