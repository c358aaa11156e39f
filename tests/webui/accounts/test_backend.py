"""What a flood of sign-ins may cost."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from django.contrib.auth.backends import ModelBackend

from webui.accounts import throttle
from webui.accounts.backend import HASHING_AT_ONCE, ThrottledBackend


def test_only_a_few_passwords_are_hashed_at_the_same_time(monkeypatch: pytest.MonkeyPatch) -> None:
    lock, now, most = threading.Lock(), 0, 0
    gate, first = threading.Barrier(HASHING_AT_ONCE), iter(range(HASHING_AT_ONCE))  # these wait for one another

    def hashing(*_: object, **__: object) -> None:
        nonlocal now, most
        with lock:
            now += 1
            most = max(most, now)
        if next(first, None) is not None:
            gate.wait(60)
        time.sleep(0.02)
        with lock:
            now -= 1

    monkeypatch.setattr(ModelBackend, "authenticate", hashing)
    monkeypatch.setattr(throttle, "sign_in_wait", lambda **_: None)
    monkeypatch.setattr(throttle, "sign_in_failed", lambda **_: None)
    with ThreadPoolExecutor(16) as pool:
        backend = ThrottledBackend()
        assert set(pool.map(lambda n: backend.authenticate(None, f"user{n}", "guess"), range(32))) == {None}
    assert most == HASHING_AT_ONCE
