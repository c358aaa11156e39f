"""What all tests of the site share."""

from __future__ import annotations

from typing import Any

import pytest
from django.db import connection

from webui.accounts import rates
from webui.audit import triggers


@pytest.fixture(scope="session")
def django_db_setup(django_db_setup: None, django_db_blocker: Any) -> None:
    """Tests empty the tables after them, which the audit log's own triggers refuse; its tests put them back."""
    with django_db_blocker.unblock():
        triggers.uninstall(connection)


class StillBuckets(rates.Buckets):
    """No token comes back, however long a busy machine takes for a few requests."""

    def take(self, key: str, a_minute: int, now: float) -> tuple[bool, rates.Bucket]:
        return super().take(key, a_minute, 0.0)


@pytest.fixture(autouse=True)
def full_buckets(monkeypatch: pytest.MonkeyPatch) -> None:
    """All tests ask from one address: none is refused for what others have asked before."""
    monkeypatch.setattr(rates, "_buckets", StillBuckets())
