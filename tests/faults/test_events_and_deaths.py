"""Kill -9 around events: none is lost, none doubled, and they are in order. PORTSIDE_TEST_DEATHS=200 for a long run."""

from __future__ import annotations

import itertools
import os
import random

import pytest

from tests.faults.test_deaths_in_a_run import PARTS
from tests.support.portside import Portside
from tests.support.processes import eventually

pytestmark = [pytest.mark.root, pytest.mark.registry]

ROUNDS = int(os.environ.get("PORTSIDE_TEST_DEATHS", "2"))
KILLED = ("worker", "inbox", "redis", "keeper")


def test_no_event_is_lost_or_doubled_whatever_dies(mortal: Portside, tiny_image: str) -> None:
    rest, chance = mortal.rest, random.Random(4711)
    rest.pull(tiny_image)
    names = []
    for number, part in zip(range(ROUNDS), itertools.cycle(KILLED), strict=False):
        code = chance.randrange(1, 100)
        container = rest.run(tiny_image, "sh", "-c", f"exit {code}", name=f"deaths-{number}")
        mortal.kill(*PARTS[part])  # somewhere between its birth and the last word about it
        eventually(mortal.is_ready, seconds=120, what=f"/readyz after the death of {part}")
        mortal.wait_host()
        names.append((container["id"], code))
    for container_id, code in names:
        query = f"/api/v1/events/?container={container_id}&event=create&event=start&event=die"
        found = eventually(
            lambda query=query: _whole(rest.get(query).json["results"]),
            seconds=120,
            what=f"the life of {container_id[:12]}",
        )
        assert isinstance(found, list)
        assert [event["action"] for event in found] == ["create", "start", "die"]
        assert found[-1]["actor"]["attributes"]["exitCode"] == str(code)


def _whole(events: list[dict[str, object]]) -> list[dict[str, object]] | None:
    return events if any(event["action"] == "die" for event in events) else None
