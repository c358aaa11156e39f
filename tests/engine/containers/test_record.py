"""The record on disk is whole, or it is the one before."""

from __future__ import annotations

import contextlib
import resource
from collections.abc import Iterator
from pathlib import Path

import pytest

from engine.containers import record as records
from engine.containers.record import ContainerRecord
from tests.engine.containers.fakes import spec


@contextlib.contextmanager
def no_file_beyond_4k() -> Iterator[None]:
    """Like a disk that is nearly full: a part of a write succeeds.

    Only around the write: the limit is the whole process's, and pytest's own output may be a longer file.
    """
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_a_record_that_does_not_fit_leaves_the_one_before(tmp_path: Path) -> None:
    small = ContainerRecord(spec=spec(), image_id="sha256:1", created_at=1.0)
    records.save(tmp_path, small)
    with no_file_beyond_4k(), pytest.raises(OSError, match="too large"):
        records.save(tmp_path, small.with_changes(error="x" * 8000))
    assert records.load(tmp_path) == small


def test_what_was_made_ahead_is_used_up_and_then_made_anew(tmp_path: Path) -> None:
    small = ContainerRecord(spec=spec(), image_id="sha256:1", created_at=1.0)
    ahead = [tmp_path / name for name in records.MADE_AHEAD]
    ahead[0].write_text("the half of a longer record, by who was killed " * 100)
    ahead[1].touch()
    numbers = [path.stat().st_ino for path in ahead]
    for restarts in range(3):
        records.save(tmp_path, small.with_changes(restart_count=restarts))
        found = records.load(tmp_path)
        assert found is not None and found.restart_count == restarts
        if restarts < 2:
            assert (tmp_path / records.FILE).stat().st_ino == numbers[restarts]
        assert [path.exists() for path in ahead] == [False, restarts < 1]
