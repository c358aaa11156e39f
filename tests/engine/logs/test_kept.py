"""Logs of removed containers: put away whatever dies, for as long and as much as was said, then gone."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from engine.config import EngineConfig
from engine.logs import kept as module
from engine.logs.kept import KeptLogs, Retention
from engine.logs.reader import LogReader
from engine.logs.segments import segments
from tests.engine.logs.test_log import everything, joined
from tests.engine.logs.test_packed import fill


@pytest.fixture
def config(tmp_path: Path) -> EngineConfig:
    return EngineConfig(tmp_path)


def put_away(config: EngineConfig, name: str, text: bytes = b"said\n", max_bytes: int = 20 << 20) -> Path:
    directory = config.home / f"log-of-{name}"
    fill(directory, text, max_bytes)
    assert KeptLogs(config).keep(name, directory, {"id": name})
    place = KeptLogs(config).find(name)
    assert place is not None
    return place


def test_a_log_is_kept_and_reads_as_before(config: EngineConfig) -> None:
    place = put_away(config, "a", b"line\n" * 3000, max_bytes=4000)
    assert joined(everything(place)) == b"line\n" * 3000
    assert KeptLogs(config).tidy(lambda _: None) == []
    assert not [segment for segment in segments(place) if segment.data.exists()], "all of it is compressed"
    assert joined(everything(place)) == b"line\n" * 3000


def test_a_removal_that_was_cut_short_is_finished_by_doing_it_again(
    config: EngineConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    directory = config.home / "log"
    fill(directory, b"said\n", 1000)
    rename = os.rename
    for allowed in range(2):  # killed before the first rename, then before the second one
        left = iter(range(allowed))

        def killed(source: Path, target: Path, left: object = left) -> None:
            if next(left, None) is None:  # type: ignore[call-overload]
                raise KeyboardInterrupt
            rename(source, target)

        with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
            patch.setattr(module.os, "rename", killed)
            KeptLogs(config).keep("a", directory, {})
    assert KeptLogs(config).find("a") is None
    assert KeptLogs(config).keep("a", directory, {})
    assert KeptLogs(config).keep("a", directory, {})
    place = KeptLogs(config).find("a")
    assert place is not None and joined(everything(place)) == b"said\n"


def test_what_a_death_left_half_put_away_is_found_by_tidying(config: EngineConfig) -> None:
    place = put_away(config, "a")
    place.parent.rename(place.parent.with_name(".new-a"))
    (place.parent.with_name(".trash-b")).mkdir()
    KeptLogs(config).tidy(lambda _: None)
    assert sorted(os.listdir(config.kept_logs)) == ["a"]


def test_old_ones_go_and_then_the_oldest_until_there_is_room(
    config: EngineConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = time.time()
    for number, name in enumerate("abcd"):
        monkeypatch.setattr(module.time, "time", lambda number=number: now - 1000 + number * 100)
        put_away(config, name, os.urandom(200_000))
    monkeypatch.setattr(module.time, "time", lambda: now)
    kept, told = KeptLogs(config), []
    kept.set_retention(Retention(950, 500_000))
    assert kept.tidy(told.append) == ["b", "a"]
    assert told == ["b", "a"]
    assert sorted(os.listdir(config.kept_logs)) == ["c", "d"]
    kept.set_retention(Retention(750, 500_000))
    assert kept.tidy(told.append) == ["c"]
    assert kept.find("c") is None


def test_nothing_is_kept_where_that_is_the_wish(config: EngineConfig) -> None:
    fill(config.home / "log", b"said\n", 1000)
    KeptLogs(config).set_retention(Retention(0, 1 << 30))
    assert not KeptLogs(config).keep("a", config.home / "log", {})
    assert (config.home / "log").exists()
    assert not config.kept_logs.exists()


def test_a_file_of_settings_that_was_torn_means_the_default(config: EngineConfig) -> None:
    config.log_retention.write_text("{")
    assert KeptLogs(config).retention == Retention()


@pytest.mark.parametrize("name", ["..", "../a", "", ".new-a"])
def test_a_name_leads_nowhere_else(config: EngineConfig, name: str) -> None:
    put_away(config, "a")
    assert KeptLogs(config).find(name) is None


def test_one_that_never_said_anything_has_an_empty_log(config: EngineConfig) -> None:
    assert KeptLogs(config).keep("a", config.home / "no-log", {})
    place = KeptLogs(config).find("a")
    assert place is not None and LogReader(place).end() == 0
