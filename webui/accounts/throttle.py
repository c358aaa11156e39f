"""Slows down guessing of passwords: after five failures for a name from an address, waits double each time.

The count is in the database, so that it holds for all web processes and survives a restart. The key is a
digest: what people type into the name field is now and then their password.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable
from datetime import datetime, timedelta

from django.db import transaction
from django.utils import timezone

from engine.errors import ResourceExhausted
from webui.accounts.models import SignInFailures

FREE_FAILURES = 5
FIRST_WAIT = timedelta(seconds=5)
LONGEST_WAIT = timedelta(minutes=15)
FORGET_AFTER = timedelta(hours=1)


def wait_after(failures: int, last_at: datetime, now: datetime) -> timedelta:
    """How long after `now` the next try is allowed: zero for the first failures, then 5 s, 10 s … 15 min."""
    if failures < FREE_FAILURES or now - last_at > FORGET_AFTER:
        return timedelta(0)
    doublings = min(failures - FREE_FAILURES, 12)
    return max(timedelta(0), last_at + min(FIRST_WAIT * 2**doublings, LONGEST_WAIT) - now)


def sign_in_wait(*, username: str, address: str) -> timedelta:
    """How long this name from this address has to wait; zero means now."""
    row = SignInFailures.objects.filter(pk=_key(username, address)).first()
    return timedelta(0) if row is None else wait_after(row.failures, row.last_at, timezone.now())


def sign_in_begin(*, username: str, address: str) -> timedelta:
    """Zero: the password may be looked at, once. It counts as a failure until `sign_in_succeeded` says otherwise.

    Else how long this name from this address has to wait. Looking and counting are one transaction, and the count comes
    before the password, whose digest takes its time: guesses sent all at the same moment don't overtake it.
    """
    now = timezone.now()
    key = _key(username, address)
    with transaction.atomic():
        SignInFailures.objects.filter(last_at__lt=now - FORGET_AFTER).delete()
        row = _locked(key, now)
        wait = wait_after(row.failures, row.last_at, now)
        if not wait:
            _count(row, now)
    return wait


def sign_in_succeeded(*, username: str, address: str) -> None:
    """Counted from zero again. The row stays for its hour: others may be about to count in it."""
    SignInFailures.objects.filter(pk=_key(username, address)).update(failures=0)


def _key(username: str, address: str) -> str:
    return hashlib.sha256(f"{username.casefold()}\0{address}".encode()).hexdigest()


def attempt(what: str, who: object, check: Callable[[], bool]) -> bool:
    """Whether `check` says yes, at most as often as the throttle allows for `who`: codes are few, guesses are not.

    Counting and checking are one transaction, so that guesses sent all at the same time don't overtake the count.
    Raises ResourceExhausted, which says how long to wait, without having asked `check`.
    """
    with transaction.atomic():
        key = hashlib.sha256(f"\1{what}\0{who}".encode()).hexdigest()  # no user name has such a character
        now = timezone.now()
        row = _locked(key, now)
        wait = wait_after(row.failures, row.last_at, now)
        if wait:
            seconds = math.ceil(wait.total_seconds())
            raise ResourceExhausted(
                f"Too many failed tries: wait {seconds} seconds, then try again.", {"retry_after": seconds}
            )
        if check():
            row.failures = 0
            row.save()
            return True
        _count(row, now)
        return False


def _locked(key: str, now: datetime) -> SignInFailures:
    """The row of that key, for this transaction alone; made where there is none, or none any more."""
    while True:
        row = SignInFailures.objects.select_for_update().filter(pk=key).first()
        if row is not None:
            return row
        SignInFailures.objects.bulk_create([SignInFailures(pk=key, last_at=now)], ignore_conflicts=True)


def _count(row: SignInFailures, now: datetime) -> None:
    row.failures = row.failures + 1 if now - row.last_at <= FORGET_AFTER else 1
    row.last_at = now
    row.save()
