"""The table of states and the words of the contract."""

from __future__ import annotations

import dataclasses

import pytest

from engine.containers import events, record, restarts, states
from engine.containers.spec import ContainerSpec
from engine.errors import Conflict, InvalidArgument
from engine.oci import signals
from tests.engine.containers.fakes import spec
from worker.contract import events as contract
from worker.contract.commands import CreateContainer

ALL = (states.CREATED, states.RUNNING, states.PAUSED, states.RESTARTING, states.STOPPED)


@pytest.mark.parametrize(
    ("verb", "allowed"),
    [
        ("start", (1, 0, 0, 1, 1)),
        ("stop", (0, 1, 1, 1, 0)),
        ("kill", (0, 1, 1, 0, 0)),
        ("pause", (0, 1, 0, 0, 0)),
        ("unpause", (0, 0, 1, 0, 0)),
        ("restart", (1, 1, 1, 1, 1)),
        ("exec", (0, 1, 0, 0, 0)),
        ("remove", (1, 0, 0, 0, 1)),
    ],
)
def test_a_verb_is_allowed_exactly_where_the_table_says(verb: str, allowed: tuple[int, ...]) -> None:
    assert [states.can(verb, status) for status in ALL] == [bool(flag) for flag in allowed]


@pytest.mark.parametrize("verb", states.ALLOWED)
def test_a_refusal_says_the_status_and_what_to_do(verb: str) -> None:
    for status in ALL:
        if states.can(verb, status):
            states.require(verb, status, "web")
        else:
            with pytest.raises(Conflict, match=rf"{verb} container web, which is {status}: \w+"):
                states.require(verb, status, "web")


@pytest.mark.parametrize(
    ("policy", "limit", "code", "count", "stopped", "expected"),
    [
        ("no", None, 1, 0, False, False),
        ("on-failure", None, 0, 0, False, False),
        ("on-failure", None, 1, 999, False, True),
        ("on-failure", 3, 1, 2, False, True),
        ("on-failure", 3, 1, 3, False, False),
        ("on-failure", 0, 1, 3, False, True),
        ("always", None, 0, 0, False, True),
        ("always", None, 0, 0, True, False),
        ("unless-stopped", None, 137, 0, False, True),
        ("unless-stopped", None, 137, 0, True, False),
    ],
)
def test_restart_policy(policy: str, limit: int | None, code: int, count: int, stopped: bool, expected: bool) -> None:
    assert restarts.wants_restart(policy, limit, exit_code=code, restart_count=count, stopped=stopped) is expected


def test_the_back_off_doubles_from_100_ms_to_a_minute_and_forgets_after_a_steady_run() -> None:
    delay, seen = 0.0, []
    for _ in range(12):
        delay = restarts.next_delay(delay, ran_seconds=0.01)
        seen.append(delay)
    assert seen[:4] == [0.1, 0.2, 0.4, 0.8]
    assert seen[-1] == 60.0
    assert restarts.next_delay(60.0, ran_seconds=10.0) == 0.1


@pytest.mark.parametrize(
    ("text", "number"),
    [("SIGTERM", 15), ("term", 15), ("9", 9), (" SIGKILL ", 9), ("RTMIN+3", 37), ("SIGRTMAX-1", 63)],
)
def test_signals_are_known_by_name_and_number(text: str, number: int) -> None:
    assert signals.parse(text) == number


@pytest.mark.parametrize("text", ["", "0", "65", "SIGNOPE", "TERM+1", "RTMIN+", "RTMIN+99", "-9", "²"])
def test_what_is_no_signal_is_refused(text: str) -> None:
    with pytest.raises(InvalidArgument):
        signals.parse(text)


def test_a_record_survives_json_and_has_the_contracts_shape() -> None:
    one = record.ContainerRecord(
        spec=spec(env={"A": "1"}),
        image_id="sha256:1",
        created_at=1.5,
        ports=(record.PublishedPort(container=80, host=8080, protocol="tcp", address="127.0.0.1"),),
    )
    assert record.ContainerRecord.from_json(one.as_json()) == one
    assert one.as_state().keys() == {field.name for field in dataclasses.fields(contract.ContainerState)}


def test_the_engine_speaks_the_contracts_words() -> None:
    for name in [
        "CREATED",
        "STARTED",
        "OOM",
        "DIED",
        "KILLED",
        "STOPPED",
        "RESTARTED",
        "PAUSED",
        "UNPAUSED",
        "RESTARTING",
        "SETTLED",
        "REMOVED",
    ]:
        assert getattr(events, name) == getattr(contract, f"CONTAINER_{name}")
    assert (events.EXEC_CREATED, events.EXEC_STARTED) == (contract.EXEC_CREATED, contract.EXEC_STARTED)
    assert (events.EXEC_DIED, events.CHECKED) == (contract.EXEC_DIED, contract.HEALTH_CHECKED)
    assert events.ACTION == contract.ACTION_DONE
    ours = {field.name for field in dataclasses.fields(ContainerSpec)}
    theirs = {field.name for field in dataclasses.fields(CreateContainer)}
    assert theirs - ours == {"container_id", "start", "signed_by", "allowed_images"}  # the last two say the policy
    assert ours - theirs == {"id"}
