"""Other runtimes are found by name, asked for their version once, and nothing but a host's own setting adds one."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine.config import EngineConfig
from engine.errors import InvalidArgument
from engine.runtime.foreign.installed import InstalledRuntimes


def program(path: Path, script: str) -> Path:
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
    return path


def installed(tmp_path: Path, **named: Path) -> InstalledRuntimes:
    return InstalledRuntimes(EngineConfig(home=tmp_path, runtimes=tuple((n, str(path)) for n, path in named.items())))


def test_debians_are_found_with_their_versions(tmp_path: Path) -> None:
    found = {each.name: each for each in installed(tmp_path).all()}
    assert found["crun"].version.startswith("crun version ") and found["runc"].version.startswith("runc version ")
    assert found["crun"].is_plain and found["runc"].is_plain


def test_a_program_is_asked_once_until_it_is_another(tmp_path: Path) -> None:
    asked = tmp_path / "asked"
    mine = program(tmp_path / "mine", f"echo >>{asked}; echo mine version 1")
    runtimes = installed(tmp_path, mine=mine)
    assert [runtimes.get("mine").version for _ in range(3)] == ["mine version 1"] * 3
    assert asked.read_text() == "\n"
    mine.unlink()
    program(tmp_path / "mine", f"echo >>{asked}; echo mine version 2")
    assert runtimes.get("mine").version == "mine version 2"


def test_a_sandbox_is_told_from_what_runs_the_program_itself(tmp_path: Path) -> None:
    runtimes = installed(tmp_path, runsc=program(tmp_path / "runsc", "echo runsc version release-20260101.0"))
    assert not runtimes.get("runsc").is_plain
    runtimes.require("runsc", terminal=False)
    with pytest.raises(InvalidArgument, match="no terminal here") as caught:
        runtimes.require("runsc", terminal=True)
    assert caught.value.detail["field"] == "tty"


def test_what_is_not_there_is_refused_with_what_is(tmp_path: Path) -> None:
    for name in ("youki", "/usr/bin/crun", "../crun", ""):
        with pytest.raises(InvalidArgument, match="portside, crun, runc") as caught:
            installed(tmp_path).get(name)
        assert caught.value.detail["field"] == "runtime"


@pytest.mark.parametrize(
    ("script", "reason"),
    [
        ("exit 3", "ended with 3"),
        ("echo 'kata-runtime  : 3.2.0'", "no OCI command line"),
        (None, "No such file"),
    ],
)
def test_one_that_cannot_be_used_is_shown_and_refused_with_the_reason(
    tmp_path: Path, script: str | None, reason: str
) -> None:
    path = tmp_path / "odd" if script is None else program(tmp_path / "odd", script)
    runtimes = installed(tmp_path, odd=path)
    assert any(each["name"] == "odd" and reason in each["problem"] for each in runtimes.facts())
    with pytest.raises(InvalidArgument, match=reason):
        runtimes.get("odd")


def test_the_setting_is_read_or_refused() -> None:
    read = EngineConfig.from_environment({"PORTSIDE_RUNTIMES": "mine=/opt/mine, other=/opt/o t"}).runtimes
    assert read == (("mine", "/opt/mine"), ("other", "/opt/o t"))
    for wrong in ("mine", "mine=relative", "portside=/opt/x", "Mine=/x", "=/x"):
        with pytest.raises(InvalidArgument, match="PORTSIDE_RUNTIMES"):
            EngineConfig.from_environment({"PORTSIDE_RUNTIMES": wrong})
