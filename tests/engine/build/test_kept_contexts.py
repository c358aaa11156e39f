"""Folders that were sent for builds: kept whole or not at all, read again, deleted when nobody needs them."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from engine.build import kept_contexts
from engine.build.context import Context
from engine.build.kept_contexts import KeptContexts, KeptFacts
from engine.errors import AlreadyExists, InvalidArgument, NotFound

FOLDER = "c1" * 16


def received(tmp_path: Path, name: str = "stage") -> Context:
    """As `Builder.receive` gives it."""
    directory = tmp_path / name
    (directory / "src").mkdir(parents=True)
    (directory / "Dockerfile").write_text("FROM scratch\n")
    (directory / "src" / "a").write_text("hello")
    return Context(directory, is_ours=True)


def test_what_was_sent_is_kept_and_read_as_often_as_wanted(tmp_path: Path) -> None:
    kept = KeptContexts(tmp_path / "kept")
    assert kept.keep(FOLDER, received(tmp_path)) == KeptFacts(18, 3)
    for _ in range(2):
        with kept.open(FOLDER) as context:
            assert context.dockerfile_text("Dockerfile") == b"FROM scratch\n"
            assert context.is_ours
    assert not (tmp_path / "stage").exists()


def test_a_dockerfile_alone_is_a_folder_too(tmp_path: Path) -> None:
    kept = KeptContexts(tmp_path / "kept")
    (tmp_path / "empty").mkdir()
    context = Context(tmp_path / "empty", is_ours=True)
    context.dockerfile = b"FROM alpine\n"
    assert kept.keep(FOLDER, context) == KeptFacts(12, 1)
    with kept.open(FOLDER) as found:
        assert found.dockerfile_text("Dockerfile") == b"FROM alpine\n"


def test_the_same_id_is_refused_and_leaves_nothing(tmp_path: Path) -> None:
    kept = KeptContexts(tmp_path / "kept")
    kept.keep(FOLDER, received(tmp_path))
    with pytest.raises(AlreadyExists):
        kept.keep(FOLDER, received(tmp_path, "second"))
    with pytest.raises(InvalidArgument):
        kept.keep("../x", received(tmp_path, "third"))
    assert os.listdir(tmp_path / "kept") == [FOLDER]


def test_without_a_folder_there_is_an_empty_one_for_the_time_of_the_build(tmp_path: Path) -> None:
    kept = KeptContexts(tmp_path / "kept")
    with kept.open(None) as context:
        assert list(context.directory.iterdir()) == []
    assert os.listdir(tmp_path / "kept") == []


def test_one_that_a_build_reads_stays_and_what_is_gone_is_not_found(tmp_path: Path) -> None:
    kept = KeptContexts(tmp_path / "kept")
    kept.keep(FOLDER, received(tmp_path))
    with kept.open(FOLDER):
        assert not kept.remove(FOLDER)
        assert kept.tidy(time.time() + 2 * kept_contexts.KEPT_SECONDS) == []
    assert kept.remove(FOLDER) and kept.remove(FOLDER)
    with pytest.raises(NotFound, match="send it again"), kept.open(FOLDER):
        pass
    assert os.listdir(tmp_path / "kept") == []


def test_old_ones_and_what_a_kill_left_go(tmp_path: Path) -> None:
    assert KeptContexts(tmp_path / "nothing").tidy() == []
    kept = KeptContexts(tmp_path / "kept")
    kept.keep(FOLDER, received(tmp_path))
    (tmp_path / "kept" / ".new-left" / "files").mkdir(parents=True)
    assert kept.tidy() == []
    assert kept.tidy(time.time() + 2 * kept_contexts.NEW_SECONDS) == []
    assert os.listdir(tmp_path / "kept") == [FOLDER]
    assert kept.tidy(time.time() + 2 * kept_contexts.KEPT_SECONDS) == [FOLDER]


def test_the_oldest_of_too_much_go_but_none_that_is_new(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kept_contexts, "KEPT_BYTES", 40)
    kept = KeptContexts(tmp_path / "kept")
    ids = [f"{number}" * 32 for number in range(4)]
    now = time.time()
    for number, folder in enumerate(ids):  # 18 bytes each
        kept.keep(folder, received(tmp_path, folder))
        used_at = now + number * 100
        os.utime(tmp_path / "kept" / folder / "lock", (used_at, used_at))
    assert kept.tidy(now + 400) == []
    assert sorted(kept.tidy(now + 400 + kept_contexts.NEW_SECONDS)) == ids[:2]
