"""Known ways out of a container of the engine's, each beside the same with the guards taken away."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from engine.cgroups import Cgroups
from engine.config import EngineConfig
from engine.runtime.client import Runtime
from tests.engine.runtime import attacks
from tests.engine.runtime.box import Box

pytestmark = [pytest.mark.root, pytest.mark.skipif(shutil.which("cc") is None, reason="needs a C compiler")]

# With its own namespaces of every kind and the version 1 list of devices, which no option takes away.
NEVER_LOOSE = {*attacks.NEIGHBOURS, *attacks.DEVICES, "release_agent", *attacks.WAYS_UP}
LOOSE = [name for name in attacks.EVERY if name not in NEVER_LOOSE]


ALTERED = {
    "tight": None,
    "tight with the host's users": attacks.with_the_hosts_users,
    "loose with users of its own": attacks.loosen_all_but_users,
    "loose": attacks.loosen,
}


@pytest.fixture(scope="module", params=list(ALTERED))
def answers(
    request: pytest.FixtureRequest, home: EngineConfig, cgroups: Cgroups, image: Path, runtime: Runtime,
    attack_program: Path,
) -> Iterator[tuple[str, dict[str, str]]]:  # fmt: skip
    box = Box(home, runtime, cgroups, image)
    shutil.copy(attack_program, box.directory / "upper" / "attacks")
    box.alter = ALTERED[request.param]
    with attacks.targets(home.home) as arguments:
        code, out, err = box.result("/attacks", *arguments)
    box.remove()
    assert code == 0, err
    yield request.param, attacks.read(out)


@pytest.mark.parametrize("name", attacks.EVERY)
def test_it_leads_nowhere_by_default_and_would_without_its_guard(
    answers: tuple[str, dict[str, str]], name: str
) -> None:
    kind, found = answers
    if kind.startswith("tight") or (kind == "loose with users of its own" and name in attacks.HELD_BY_USERS):
        attacks.check_tight(found, name)
    elif kind == "loose" and name in LOOSE:
        attacks.check_loose(found, name)
