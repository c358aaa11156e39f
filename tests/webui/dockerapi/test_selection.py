"""Filters of lists, of rows that no database has to hold."""

from __future__ import annotations

from copy import copy
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest

from engine.errors import InvalidArgument, NotFound
from webui.dockerapi import selection
from webui.images.models import Image
from webui.volumes.models import Volume

NOW = datetime(2026, 11, 26, 12, 0, tzinfo=UTC)


def image(name: str, age_hours: float = 0, **labels: str) -> Image:
    tags = [f"{name}:1"] if name else []
    return Image(tags=tags, config={"labels": labels}, built_at=NOW - timedelta(hours=age_hours))


ROWS = [image("old", 10, a="1"), image("mid", 5, a="2", b=""), image("new", 1), image("", 3)]


def find(name: str) -> Image:
    found = [row for row in ROWS if f"{name}:1" in row.tags]
    if not found:
        raise NotFound(f"No such image: {name}")
    return found[0]


def chosen(**filters: list[str]) -> list[str]:
    wanted = {name.replace("_not", "!"): values for name, values in filters.items()}
    return [(row.tags or ["none"])[0] for row in selection.images([copy(row) for row in ROWS], wanted, find)]


def test_images_are_chosen_as_docker_does() -> None:
    assert chosen() == ["old:1", "mid:1", "new:1", "none"]
    assert chosen(dangling=["true"]) == ["none"]
    assert chosen(dangling=["false"]) == ["old:1", "mid:1", "new:1"]
    assert chosen(label=["a"]) == ["old:1", "mid:1"]
    assert chosen(label=["a=2", "b"]) == ["mid:1"]
    assert chosen(label_not=["a"]) == ["new:1", "none"]
    assert chosen(before=["mid"]) == ["old:1"]
    assert chosen(since=["mid"]) == ["new:1", "none"]
    assert chosen(reference=["n*"]) == ["new:1"]
    assert chosen(reference=["old", "mid:1"]) == ["old:1", "mid:1"]
    assert chosen(until=["2026-11-26T08:00:00Z"]) == ["old:1", "mid:1"]
    with pytest.raises(NotFound):
        chosen(before=["nope"])


def test_only_names_that_fit_are_shown() -> None:
    row = Image(tags=["a:1", "b:1"], digests=["a@sha256:1", "b@sha256:1"], config={})
    found = selection.images([row], {"reference": ["b*"]}, find)
    assert (found[0].tags, found[0].digests) == (["b:1"], ["b@sha256:1"])


@pytest.mark.parametrize("values", [["maybe"], ["true", "false"], []])
def test_a_flag_is_true_or_false(values: list[str]) -> None:
    with pytest.raises(InvalidArgument, match="invalid filter 'dangling"):
        selection.flag({"dangling": values}, "dangling")


def network(name: str, driver: str = "bridge", used: bool = False, **labels: str) -> Any:
    endpoints = SimpleNamespace(all=lambda: [1] if used else [])
    return SimpleNamespace(name=name, network_id=name * 8, driver=driver, labels=labels, endpoints=endpoints)


def test_networks_are_chosen_with_the_three_of_every_host() -> None:
    rows = [network("front", used=True, a="1"), network("back", driver="macvlan")]

    def names(**filters: list[str]) -> list[str]:
        own = [row.name for row in selection.networks(rows, filters)]
        return own + selection.predefined(lambda name: f"id-of-{name}", filters)

    assert names() == ["front", "back", "bridge", "host", "none"]
    assert names(name=["^front$"]) == ["front"]
    assert names(name=["n"]) == ["front", "none"]
    assert names(driver=["bridge"]) == ["front", "bridge"]
    assert names(driver=["null"]) == ["none"]
    assert names(type=["custom"]) == ["front", "back"]
    assert names(type=["builtin"]) == ["bridge", "host", "none"]
    assert names(label=["a=1"]) == ["front"]
    assert names(id=["^id-of-host"]) == ["host"]
    assert names(dangling=["true"]) == ["back"]
    assert names(dangling=["false"]) == ["front", "bridge", "host", "none"]
    assert names(scope=["swarm"]) == []
    with pytest.raises(InvalidArgument, match="'type'='odd'"):
        names(type=["odd"])


def test_volumes_are_chosen_by_use_too() -> None:
    rows = [Volume(name="data", labels={"a": "1"}), Volume(name="other")]

    def names(**filters: list[str]) -> list[str]:
        return [row.name for row in selection.volumes(rows, filters, lambda row: row.name == "data")]

    assert names() == ["data", "other"]
    assert names(dangling=["true"]) == ["other"]
    assert names(dangling=["0"]) == ["data"]
    assert names(name=["dat"]) == ["data"]
    assert names(driver=["nfs"]) == []
    assert names(label=["a=1"]) == ["data"]
