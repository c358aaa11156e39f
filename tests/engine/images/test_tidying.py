"""Tags, prune by Docker's filters, history and disk usage: what people see, and what is told of it."""

from __future__ import annotations

import datetime
import json
from collections.abc import Callable
from pathlib import Path

import pytest

from engine.errors import InvalidArgument, NotFound
from engine.images.removing import PruneRules
from engine.images.uses import Use
from tests.engine.images.conftest import Host
from tests.support.oci_layout import Layout, tar_of
from tests.support.registry import Registry

pytestmark = [pytest.mark.root, pytest.mark.registry]
Push = Callable[..., str]


def unused(_: str) -> list[Use]:
    return []


def actions(host: Host) -> list[tuple[str, str]]:
    """What was told in Docker's words: (action, name)."""
    entries = host.journal.read(0)
    return [(e.attributes["action"], e.attributes["name"]) for e in entries if e.kind == "action.done"]


def test_a_tag_moves_and_is_told_once(host: Host, push: Push) -> None:
    one, two = (host.images.pull(push({"a": text}, name=f"tagged:{text.decode()}")) for text in (b"1", b"2"))
    before = len(actions(host))
    assert set(host.images.tag(one.tags[0], "mine/app").tags) == {"mine/app:latest", *one.tags}
    assert host.images.tag(one.id, "mine/app:latest").id == one.id
    host.images.tag(two.id[7:19], "mine/app")
    assert host.images.get("mine/app").id == two.id
    assert host.images.get(one.id).tags == one.tags
    name = "mine/app:latest"
    assert actions(host)[before:] == [("tag", name), ("untag", name), ("tag", name)]
    with pytest.raises(InvalidArgument):
        host.images.tag(one.id, one.digests[0])
    with pytest.raises(NotFound):
        host.images.tag("nothing", "mine/app")


def test_prune_takes_what_has_no_tag_and_gives_its_space_back(host: Host, push: Push) -> None:
    old = host.images.pull(push({"a": bytes(100_000)}, {"shared": b"s"}, name="moved"))
    new = host.images.pull(push({"b": b"2"}, {"shared": b"s"}, name="moved"))
    assert host.images.get(old.id).tags == ()
    report = host.images.prune(PruneRules(), uses=unused)
    assert report.deleted == (old.id,)
    assert report.reclaimed_bytes > 100_000
    assert host.images.list() == [new]
    told = host.journal.read(0)[-1]
    assert told.attributes == {"action": "prune", "type": "image", "name": "", "reclaimed": report.reclaimed_bytes}
    assert host.images.prune(PruneRules(), uses=unused).reclaimed_bytes == 0


def test_prune_of_all_keeps_what_is_used_with_all_its_names(host: Host, push: Push) -> None:
    used = host.images.pull(push({"a": b"1"}, name="in-use"))
    host.images.tag(used.id, "second/name")
    host.images.pull(push({"b": b"2"}, name="not-in-use"))

    def uses(image_id: str) -> list[Use]:
        return [Use("web", is_running=False)] if image_id == used.id else []

    host.images.prune(PruneRules(all=True), uses=uses)
    (left,) = host.images.list()
    assert (left.id, len(left.tags)) == (used.id, 2)
    host.images.prune(PruneRules(all=True), uses=unused)
    assert host.is_empty


@pytest.mark.parametrize(
    ("rules", "goes"),
    [
        ({}, "abc"),
        ({"labels": ("stage",)}, "ab"),
        ({"labels": ("stage=test",)}, "a"),
        ({"labels": ("stage=test", "keep")}, ""),
        ({"not_labels": ("stage=test",)}, "bc"),
        ({"not_labels": ("stage", "keep")}, "ac"),
        ({"labels": ("stage",), "not_labels": ("keep",)}, "a"),
        ({"until": datetime.datetime(2026, 1, 2, tzinfo=datetime.UTC)}, "abc"),
        ({"until": datetime.datetime(2025, 1, 1, tzinfo=datetime.UTC)}, ""),
    ],
)
def test_prune_filters(host: Host, push: Push, rules: dict[str, object], goes: str) -> None:
    labels = {"a": {"stage": "test"}, "b": {"stage": "live", "keep": ""}, "c": {}}
    made = {
        host.images.pull(push({name: b"1"}, name=f"filter-{name}", config={"Labels": of})).id: name
        for name, of in labels.items()
    }
    report = host.images.prune(PruneRules(all=True, **rules), uses=unused)  # type: ignore[arg-type]
    assert "".join(sorted(made[image_id] for image_id in report.deleted)) == goes


def test_history_has_a_line_for_each_step_the_newest_first(host: Host, registry: Registry, tmp_path: Path) -> None:
    layout = Layout(tmp_path / "layout")
    layers = [layout.layer(tar_of({name: bytes(size)})) for name, size in (("a", 10), ("b", 2000))]
    manifest = layout.manifest(layers)
    document = json.loads((layout.blobs / manifest["digest"][7:]).read_bytes())
    config = json.loads((layout.blobs / document["config"]["digest"][7:]).read_bytes())
    config["history"] = [
        {"created": "2026-01-01T00:00:00Z", "created_by": "ADD a"},
        {"created_by": "ENV B=1", "empty_layer": True, "comment": "why"},
        {"created_by": "RUN b"},
        {"created_by": "one too many"},
    ]
    document["config"] = layout.blob(json.dumps(config).encode(), document["config"]["mediaType"])
    layout._index([layout.blob(json.dumps(document).encode(), manifest["mediaType"])])
    image = host.images.pull(registry.push(layout.directory, "history"))
    found = host.images.history(image.id)
    assert [(step.created_by, step.size_bytes, step.is_empty) for step in found] == [
        ("one too many", 0, True),
        ("RUN b", 2000, False),
        ("ENV B=1", 0, True),
        ("ADD a", 10, False),
    ]
    assert (found[0].id, found[0].tags, found[1].id) == (image.id, image.tags, "<missing>")
    assert (found[3].created_at, found[2].comment) == ("2026-01-01T00:00:00Z", "why")
    assert [found[1].diff_id, found[3].diff_id] == [layers[1].diff_id, layers[0].diff_id]
    assert [found[1].digest, found[3].digest] == [layers[1].descriptor["digest"], layers[0].descriptor["digest"]]


def test_disk_usage_says_what_is_shared(host: Host, push: Push) -> None:
    one = host.images.pull(push({"common": bytes(5000)}, {"a": bytes(300)}, name="usage-one"))
    two = host.images.pull(push({"common": bytes(5000)}, {"b": bytes(40)}, {"c": bytes(2)}, name="usage-two"))
    used = host.images.disk_usage()
    of = {image.id: (image.size_bytes, image.shared_bytes, image.unique_bytes) for image in used.images}
    assert of == {one.id: (5300, 5000, 300), two.id: (5042, 5000, 42)}
    assert used.layers_bytes == 5342
    assert used.blobs_bytes == sum(host.content.size(digest) for digest in host.content.digests())
    assert used.ingests_bytes == 0
