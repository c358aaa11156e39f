"""Events as Docker tells them."""

from __future__ import annotations

import pytest

from webui.dockerapi.events import event_object


@pytest.mark.parametrize(
    ("known", "told"),
    [
        ("docker.io/library/alpine:latest", "alpine"),
        ("docker.io/team/app:1.2", "team/app:1.2"),
        ("127.0.0.1:5000/app:latest", "127.0.0.1:5000/app"),
        ("sha256:" + "a" * 64, "sha256:" + "a" * 64),
        ("Not a name", "Not a name"),
    ],
)
def test_a_containers_image_is_told_as_people_write_it(known: str, told: str) -> None:
    row = {"at": "2026-11-27T01:06:10.970340Z", "type": "container", "action": "die",
           "actor": {"id": "c1", "attributes": {"image": known, "name": "web"}}}  # fmt: skip
    event = event_object(row)
    assert event["from"] == told and event["Actor"]["Attributes"] == {"image": told, "name": "web"}
    assert row["actor"]["attributes"]["image"] == known


def test_other_events_have_no_image() -> None:
    row = {"at": "2026-11-27T01:06:10Z", "type": "network", "action": "create",
           "actor": {"id": "n1", "attributes": {"name": "front"}}}  # fmt: skip
    assert event_object(row)["Actor"]["Attributes"] == {"name": "front"}
