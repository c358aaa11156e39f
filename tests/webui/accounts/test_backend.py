"""What a flood of sign-ins may cost."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from django.contrib.auth.backends import ModelBackend
from django.core.exceptions import PermissionDenied
from django.db import connection, transaction

from tests.support.processes import eventually
from webui.accounts import throttle
from webui.accounts.backend import HASHING_AT_ONCE, ThrottledBackend
from webui.accounts.models import SignInFailures, User


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
    monkeypatch.setattr(throttle, "sign_in_begin", lambda **_: None)
    with ThreadPoolExecutor(16) as pool:
        backend = ThrottledBackend()
        assert set(pool.map(lambda n: backend.authenticate(None, f"user{n}", "guess"), range(32))) == {None}
    assert most == HASHING_AT_ONCE


@pytest.mark.django_db(transaction=True)
def test_guesses_sent_at_the_same_moment_do_not_overtake_the_count(monkeypatch: pytest.MonkeyPatch) -> None:
    """All are on their way before the first digest is done."""
    User.objects.create_user(username="ann", password="right horse battery")
    looked_at: list[str] = []

    def hashing(*_: object, password: str, **__: object) -> None:
        looked_at.append(password)
        time.sleep(0.3)

    monkeypatch.setattr(ModelBackend, "authenticate", hashing)

    def guess(number: int) -> bool:
        try:
            ThrottledBackend().authenticate(None, "ann", f"guess {number}")
        except PermissionDenied:
            return False
        finally:
            connection.close()
        return True

    with ThreadPoolExecutor(16) as pool:
        let_through = list(pool.map(guess, range(16)))
    assert sum(let_through) == len(looked_at) == throttle.FREE_FAILURES
    assert SignInFailures.objects.get().failures == throttle.FREE_FAILURES


@pytest.mark.django_db(transaction=True)
def test_who_knows_the_password_is_counted_no_more() -> None:
    user = User.objects.create_user(username="ann", password="right horse battery")
    for _ in range(3 * throttle.FREE_FAILURES):
        assert ThrottledBackend().authenticate(None, "ann", "right horse battery") == user
    assert SignInFailures.objects.get().failures == 0


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("door", ["password", "code"])
@pytest.mark.skipif("connection.vendor != 'postgresql'", reason="SQLite has one writer at a time: test_postgresql.py")
def test_a_count_that_is_forgotten_meanwhile_begins_anew(door: str) -> None:
    """The row is there when it is looked for, and gone when its lock is given away."""

    def asks() -> bool:
        try:
            if door == "code":
                return throttle.attempt("code", "ann", lambda: False)
            return bool(throttle.sign_in_begin(username="ann", address=""))
        finally:
            connection.close()

    assert not asks()
    with ThreadPoolExecutor(1) as pool:
        with transaction.atomic():
            SignInFailures.objects.all().delete()
            asking = pool.submit(asks)
            eventually(_somebody_waits, what="waiting for the row")
        assert asking.result(60) is False
    assert SignInFailures.objects.get().failures == 1


def _somebody_waits() -> bool:
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM pg_locks WHERE NOT granted")
        return bool(cursor.fetchone()[0])
