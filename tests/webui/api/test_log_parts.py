"""`GET /api/v1/containers/{id}/logs/outline/` and its like: what is asked of the host, and who may ask."""

from __future__ import annotations

import pytest

from tests.webui.answering import Answering, frames_of
from tests.webui.cast import CONTAINER_ID, Caller
from webui.containers.models import Container

pytestmark = pytest.mark.django_db(transaction=True)

PATH = f"containers/{CONTAINER_ID}/logs"
PARTS = {
    "outline/?from=5&to=9": ("log.outline", {"from": 5, "to": 9}),
    "lines/?from=5": ("log.lines", {"from": 5, "to": None}),
    "lines/?at=7,12": ("log.lines", {"at": [7, 12]}),
    "histogram/?buckets=7": ("log.histogram", {"buckets": 7}),
    "moment/?at=1700000000.5": ("log.seek", {"at": 1700000000.5}),
    "moment/?at=2023-11-14T22:13:20.5Z": ("log.seek", {"at": 1700000000.5}),
    "search/?q=a%2Bb&expression=true&level=error,warn&stream=stderr&backwards=true&to=9": (
        "log.search",
        {"pattern": "a+b", "expression": True, "case": False, "levels": ["error", "warn"], "stream": "stderr",
         "backwards": True, "limit": 20_000, "from": None, "to": 9},
    ),
}  # fmt: skip


@pytest.mark.parametrize("part", PARTS)
def test_the_host_is_asked_for_the_part_and_its_answer_is_handed_on(
    answering: Answering,
    teammate: Caller,
    container: Container,
    part: str,
) -> None:
    asked = answering(*frames_of({"start": 3}))
    answer = teammate.get(f"{PATH}/{part}")
    assert answer.status_code == 200
    assert answer.json()["start"] == 3
    assert (asked[0]["source"], asked[0]["parameters"]) == PARTS[part]


@pytest.mark.parametrize("part", PARTS)
def test_strangers_are_told_nothing(outsider: Caller, nobody: Caller, container: Container, part: str) -> None:
    assert outsider.get(f"{PATH}/{part}").status_code == 404
    assert nobody.get(f"{PATH}/{part}").status_code == 401


@pytest.mark.parametrize(
    "part",
    ["outline/?from=-1", "lines/?at=1,x", "lines/?at=" + ",".join(["1"] * 501), "histogram/?buckets=0", "moment/",
     "moment/?at=soon", "search/?level=loud", "search/?stream=stdin", "search/?q=" + "x" * 513],
)  # fmt: skip
def test_what_can_not_be_asked_is_refused_here(teammate: Caller, container: Container, part: str) -> None:
    assert teammate.get(f"{PATH}/{part}").status_code == 400


@pytest.mark.parametrize("status", ["pending", "creating"])
def test_what_no_host_has_made_has_printed_nothing(teammate: Caller, container: Container, status: str) -> None:
    """No host is asked: it would not know the container."""
    Container.objects.update(observed_status=status)
    answer = teammate.get(f"{PATH}/histogram/")
    assert (answer.status_code, answer.json()["buckets"], answer.json()["complete"]) == (200, [], True)
