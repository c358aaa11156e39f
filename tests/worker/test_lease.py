"""Two homes with one id are found out, whoever was first; a worker that starts again is not kept waiting."""

from __future__ import annotations

import threading
import time
from pathlib import Path

import pytest

from engine.errors import Conflict
from tests.support.valkey import Valkey
from worker import lease
from worker.contract import keys
from worker.lease import Lease, place_of


def of(valkey: Valkey, place: str, name: str = "pier") -> Lease:
    return Lease(valkey.client(), host_id="h1", host_name=name, place=place)


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lease, "LEASE_SECONDS", 1)
    monkeypatch.setattr(lease, "LOOK_SECONDS", 0.1)


def test_the_next_worker_of_a_home_has_it_at_once(valkey: Valkey) -> None:
    of(valkey, "here").take(threading.Event())
    began = time.monotonic()
    of(valkey, "here", "another name").take(threading.Event())
    assert time.monotonic() - began < 0.5


def test_a_copy_waits_for_the_end_of_who_died(valkey: Valkey) -> None:
    of(valkey, "here").take(threading.Event())
    of(valkey, "there").take(threading.Event())
    with pytest.raises(Conflict):
        of(valkey, "here").renew()


def test_a_copy_of_who_lives_is_refused_with_what_to_do(valkey: Valkey) -> None:
    first = of(valkey, "here", "pier north")
    first.take(threading.Event())
    stop = threading.Event()

    def live() -> None:
        while not stop.wait(0.2):
            first.renew()

    living = threading.Thread(target=live)
    living.start()
    try:
        with pytest.raises(Conflict, match=r"under the name pier north: .* Delete the file host-id"):
            of(valkey, "there").take(threading.Event())
    finally:
        stop.set()
        living.join()


def test_who_gives_it_back_keeps_nobody_waiting(valkey: Valkey) -> None:
    first, second = of(valkey, "here"), of(valkey, "there")
    first.take(threading.Event())
    second.give_back()
    assert valkey.client().exists(keys.serving("h1")), "not another's"
    first.give_back()
    second.renew()


def test_who_shall_stop_waits_no_longer(valkey: Valkey) -> None:
    of(valkey, "here").take(threading.Event())
    stop = threading.Event()
    stop.set()
    with pytest.raises(Conflict):
        of(valkey, "there").take(stop)


def test_without_a_broker_work_begins(valkey: Valkey) -> None:
    held = of(valkey, "here")
    valkey.stop()
    held.take(threading.Event())
    held.renew()
    held.give_back()


def test_a_copy_of_a_home_is_another_place(tmp_path: Path) -> None:
    for name in ("home", "copy"):
        (tmp_path / name).mkdir()
    assert place_of(tmp_path / "home") == place_of(tmp_path / "home") != place_of(tmp_path / "copy")
