"""The interpreter that the launcher runs by can't be written to from a container: CVE-2019-5736."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from engine.cgroups import Cgroups
from engine.config import EngineConfig
from engine.runtime import launcher, launcher_link
from engine.runtime.client import Runtime
from engine.runtime.execs import Stdio
from tests.engine.runtime import attacks, execs, interpreters
from tests.engine.runtime.box import Box

pytestmark = [pytest.mark.root, pytest.mark.skipif(shutil.which("cc") is None, reason="needs a C compiler")]


@pytest.fixture(params=["shielded", "bare"])
def attacked(request: pytest.FixtureRequest, tmp_path: Path, image: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """(box, copy of the interpreter, what the attack will say). Bare: the launcher believes that it is shielded."""
    python = interpreters.copied(tmp_path / "python")
    monkeypatch.setattr(sys, "executable", str(python))
    run = subprocess.run
    if request.param == "bare":

        def bare(command: list[str], **how: Any) -> Any:
            return run(command, **{**how, "env": {**(how.get("env") or os.environ), launcher.SHIELD: "1"}})

        monkeypatch.setattr(launcher_link.subprocess, "run", bare)
    config = EngineConfig(home=tmp_path / "home")
    config.home.mkdir()
    cgroups = Cgroups(config)
    box = Box(config, Runtime(config, cgroups, pool=1), cgroups, image)
    interpreters.attack(box.directory / "upper")
    box.alter = attacks.with_the_hosts_users  # who else might write to a file of the host's root?
    yield box, python, "EROFS\n" if request.param == "shielded" else "written ok\n"
    box.remove()
    box.runtime.stop_launcher()
    cgroups.remove_parent()


def test_it_can_not_be_overwritten_by_a_containers_first_process(attacked: tuple[Box, Path, str]) -> None:
    box, python, answer = attacked
    box.run(interpreters.SCRIPT)
    box.runtime.stop_launcher()  # nobody runs the file any more
    box.wait()
    assert box.output()[0] == answer
    assert interpreters.was_overwritten(python) is (answer == "written ok\n")


def test_it_can_not_be_overwritten_by_an_exec(attacked: tuple[Box, Path, str]) -> None:
    box, python, answer = attacked
    box.run("/bin/sleep", "1000", collect=False)
    read, write = os.pipe()
    made = execs.start(box, interpreters.SCRIPT, stdio=Stdio(stdout=write))
    os.close(write)
    box.runtime.stop_launcher()
    assert execs.read_all(read).decode() == answer
    assert interpreters.was_overwritten(python) is (answer == "written ok\n")
    execs.ended(box, made)
