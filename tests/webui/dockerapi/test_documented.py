"""docs/docker-api.md lists every operation of Docker's API, and what it says of each is so."""

from __future__ import annotations

import re

import pytest

from tests.architecture.sources import ROOT
from tests.dockerapi.scenes import SCENES
from tests.webui.cast import Caller
from tests.webui.dockerapi.asked import ask
from webui.containers.models import Container
from webui.dockerapi import door, routing

pytestmark = pytest.mark.django_db(transaction=True)

SCENES_PATH = "tests/dockerapi/scenes.py"

ROW = re.compile(r"\| (\w+) \| `(\w+) ([^`]+)` \| ([^|]+) \| ([^|]+) \|")
OWN = {("POST", "/build/cancel")}
"""Asked for by clients, and in no documentation of Docker's."""


def plain(path: str) -> str:
    return re.sub(r"\{[^}]*\}", "{}", path)


def rows() -> list[tuple[str, ...]]:
    return [match.groups() for match in ROW.finditer((ROOT / "docs/docker-api.md").read_text())]


def test_what_is_served_is_what_is_documented() -> None:
    assert door.AGAIN_SECONDS > 0  # the door has loaded its endpoints
    served = {(one.method, plain(one.path)) for one in routing.endpoints()} - OWN
    documented = {(method, plain(path)) for _, method, path, state, _ in rows() if not state.startswith("no")}
    assert len(rows()) == 108
    assert served == documented


def test_each_has_a_test_that_is_there() -> None:
    """Named as `FILE::TEST`, or as `scenes.py::SCENE`."""
    for operation, _, _, state, test in rows():
        if state.startswith("no:"):
            continue
        (named,) = re.findall(r"`([^`]+)`", test)
        path, _, name = named.partition("::")
        defined = re.findall(r"^(?:async )?def (\w+)\(", (ROOT / path).read_text(), re.MULTILINE)
        is_there = name in (SCENES if path == SCENES_PATH else defined)
        assert is_there, (operation, named)


async def test_what_is_nowhere_is_told_so_everywhere(owner: Caller, container: Container) -> None:
    """Swarms and plugins: by each operation."""
    expected = {"as outside of a swarm": 503, "refused": 501}
    for operation, method, path, state, _ in rows():
        status = expected.get(state.partition(":")[0].strip())
        if status is not None:
            answer = await ask(method, f"/v1.43{plain(path).replace('{}', 'x')}", owner)
            assert (operation, answer.status) == (operation, status)
