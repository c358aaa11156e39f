"""docs/docker-api.md lists every operation of Docker's API, and what it says of each is so."""

from __future__ import annotations

import re

from tests.architecture.sources import ROOT
from webui.dockerapi import door, routing

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
    for operation, _, _, state, test in rows():
        if state.startswith("yes"):
            (name,) = re.findall(r"`([^`]+)`", test)
            assert (ROOT / name).is_file(), operation
