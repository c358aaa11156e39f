"""What an exec hands to the launcher of the container's AppArmor profile."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from engine.errors import Unsupported
from engine.runtime import record
from engine.runtime.apparmor import profile
from engine.runtime.execs import Execs, ExecSpec, Stdio
from engine.runtime.spec import ProcessSettings, build


class Launcher:
    """Notes what it is asked, and answers that it runs."""

    def __init__(self) -> None:
        self.asked: dict[str, Any] = {}

    def hand(self, request: dict[str, Any], _: Any) -> tuple[dict[str, Any], list[int], None]:
        self.asked = request
        return {"pid": 1}, [], None


def asked(directory: Path, settings: ProcessSettings, *, is_there: bool = True, **exec_options: Any) -> dict[str, Any]:
    """The request's process, for a container of these settings on a host that has its profile or hasn't."""
    (directory / "bundle").mkdir()
    (directory / "bundle" / "config.json").write_text(json.dumps(build(settings)))
    (directory / record.RUN_FILE).write_text(json.dumps({"pid": 1, "run": 1}))
    launcher: Any = Launcher()
    group: Any = SimpleNamespace(entrance=lambda _: SimpleNamespace(tasks=[], unified=None))

    def confined(wanted: str, is_required: bool) -> str:
        if is_required and not is_there:
            raise Unsupported("it can't be had")
        return wanted if is_there else ""

    def compiled(_: Any) -> Path:
        return directory / "filter"

    execs = Execs(group, launcher, SimpleNamespace(), compiled, lambda: None, confined=confined)  # type: ignore[arg-type]
    execs.start(directory, ExecSpec(args=("true",), **exec_options), Stdio())
    process: dict[str, Any] = launcher.asked["process"]
    return process


OURS = ProcessSettings(args=("sleep",), apparmor_profile=profile.NAME)
BY_NAME = ProcessSettings(args=("sleep",), apparmor_profile=profile.NAME, apparmor_required=True)


@pytest.mark.parametrize("privileged", [False, True])
def test_the_profile_is_the_containers_also_of_a_privileged_one(tmp_path: Path, privileged: bool) -> None:
    assert asked(tmp_path, OURS, privileged=privileged)["apparmorProfile"] == profile.NAME


def test_a_privileged_container_has_none(tmp_path: Path) -> None:
    assert asked(tmp_path, ProcessSettings(args=("sleep",)), privileged=True)["apparmorProfile"] == ""


def test_it_runs_without_only_where_nobody_asked_for_the_profile_by_name(tmp_path: Path) -> None:
    (tmp_path / "unasked").mkdir()
    assert asked(tmp_path / "unasked", OURS, is_there=False)["apparmorProfile"] == ""
    (tmp_path / "by-name").mkdir()
    with pytest.raises(Unsupported):
        asked(tmp_path / "by-name", BY_NAME, is_there=False)
