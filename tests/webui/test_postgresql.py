"""What writes most, and in transactions with locks, does so on PostgreSQL as well as on SQLite."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.timeout(300)
def test_jobs_and_inbox_work_on_postgresql() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "tests/webui/inbox", "tests/webui/jobs"],
        cwd=ROOT,
        env=os.environ | {"PORTSIDE_TEST_DATABASE": "postgresql"},
        check=False,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout[-5000:] + done.stderr[-2000:]
    assert " passed" in done.stdout
