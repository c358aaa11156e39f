"""What all tests of the site share."""

from __future__ import annotations

from typing import Any

import pytest
from django.db import connection

from webui.audit import triggers


@pytest.fixture(scope="session")
def django_db_setup(django_db_setup: None, django_db_blocker: Any) -> None:
    """Tests empty the tables after them, which the audit log's own triggers refuse; its tests put them back."""
    with django_db_blocker.unblock():
        triggers.uninstall(connection)
