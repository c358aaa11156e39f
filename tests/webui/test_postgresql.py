"""The site's tests run on PostgreSQL as well: those that ask the database most, in a process of their own."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
CHOSEN = (
    *("accounts", "containers/test_observed.py", "hosts", "images", "inbox/test_networks_kept.py", "test_prepared.py"),
    *("test_prepared_writes.py", "inbox/test_events_kept.py", "jobs/test_services.py"),
    *("api/test_lists.py", "api/test_resources.py", "test_nul.py"),
)


@pytest.mark.timeout(600)
@pytest.mark.skipif("PORTSIDE_TEST_DATABASE" in os.environ, reason="these tests run on it already")
def test_the_sites_tests_pass_on_postgresql() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", *(f"tests/webui/{name}" for name in CHOSEN)],
        cwd=ROOT,
        env={**os.environ, "PORTSIDE_TEST_DATABASE": "postgresql"},
        check=False,
        capture_output=True,
        text=True,
        timeout=500,
    )
    assert done.returncode == 0, done.stdout[-5000:] + done.stderr[-2000:]
