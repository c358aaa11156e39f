"""The units of systemd in deploy/: what they start is there, and a stop of theirs ends no container."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.architecture.sources import ROOT

UNITS = sorted((ROOT / "deploy").glob("*.service"))
PLACE = "/opt/portside"


def settings_of(unit: Path) -> dict[str, list[str]]:
    """All values of each name; which section it stands in, systemd looks after."""
    found: dict[str, list[str]] = {}
    for line in unit.read_text().splitlines():
        name, is_setting, value = line.partition("=")
        if is_setting and not line.startswith("#"):
            found.setdefault(name, []).append(value)
    return found


def test_there_is_one_for_a_worker_and_one_for_all_of_it() -> None:
    assert [unit.name for unit in UNITS] == ["portside-worker.service", "portside.service"]


@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: str(unit.name))
def test_what_it_starts_is_there_and_a_stop_ends_that_alone(unit: Path) -> None:
    found = settings_of(unit)
    assert found["WorkingDirectory"] == [PLACE]
    program, *words = found["ExecStart"][0].split()
    assert program == f"{PLACE}/.venv/bin/python", "as `make setup` makes it"
    assert words in (["-m", "worker"], ["manage.py", "up"])
    assert (ROOT / ("worker/__main__.py" if "worker" in words else "manage.py")).is_file()
    assert found["KillMode"] == ["process"]


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="needs systemd")
@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: str(unit.name))
def test_systemd_takes_it_without_a_warning(unit: Path, tmp_path: Path) -> None:
    here = unit.read_text().replace(f"{PLACE}/.venv/bin/python", sys.executable).replace(PLACE, str(ROOT))
    (tmp_path / unit.name).write_text(here)
    checked = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", "--recursive-errors=no", str(tmp_path / unit.name)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (checked.returncode, checked.stderr) == (0, "")
