"""Names go one by one, an image goes with its last name, and nothing goes that a container uses."""

from __future__ import annotations

import contextlib
from collections.abc import Callable

import pytest

from engine.content.leases import Leases
from engine.errors import Conflict, NotFound
from tests.engine.images.conftest import Host

pytestmark = [pytest.mark.root, pytest.mark.registry]
Push = Callable[..., str]


def unused(_: str) -> list[str]:
    return []


def test_the_last_tag_takes_the_image_and_its_space(host: Host, push: Push) -> None:
    files: dict[str, bytes | None] = {"a": b"1"}
    one, two = push(files, name="shared:1"), push(files, name="shared:2")
    image = host.images.pull(one)
    assert host.images.pull(two).tags == (one, two)
    assert host.images.remove(one, used_by=unused) == ([one], [])
    assert host.images.get(image.id).tags == (two,)
    untagged, deleted = host.images.remove(two, used_by=unused)
    assert untagged[0] == two
    assert deleted == [image.id]
    assert host.is_empty
    assert [entry.kind for entry in host.journal.read(0)[-4:]] == [
        "image.updated",
        "action.done",
        "action.done",
        "image.removed",
    ]


def test_an_id_takes_all_tags(host: Host, push: Push) -> None:
    image = host.images.pull(push({"a": b"1"}, name="byid:1"))
    host.images.pull(push({"a": b"1"}, name="byid:2"))
    untagged, deleted = host.images.remove(image.id[7:19], used_by=unused)
    assert len(untagged) == 3
    assert deleted == [image.id]
    assert host.is_empty


def test_a_used_image_stays_and_force_takes_only_its_names(host: Host, push: Push) -> None:
    image = host.images.pull(push({"a": b"1"}, name="used"))
    host.snapshots.prepare("container", image.chain_id)
    with pytest.raises(Conflict, match="web"):
        host.images.remove(image.tags[0], used_by=lambda _: ["web"])
    assert host.images.get(image.tags[0]) == image
    untagged, deleted = host.images.remove(image.tags[0], force=True, used_by=lambda _: ["web"])
    assert image.tags[0] in untagged
    assert deleted == []
    assert host.images.get(image.id).tags == ()
    assert host.snapshots.overlay("container").lowerdirs


def test_layers_below_a_container_outlive_their_image(host: Host, push: Push) -> None:
    image = host.images.pull(push({"a": b"1"}, name="below"))
    lower = host.snapshots.prepare("container", image.chain_id).lowerdirs
    host.images.remove(image.id, used_by=unused)
    assert host.snapshots.overlay("container").lowerdirs == lower
    host.snapshots.remove("container")
    host.images.recover()
    assert host.is_empty


def test_what_is_not_there_cannot_be_removed(host: Host) -> None:
    for name in ("nothing", "sha256:" + "0" * 64, "abcdef123456"):
        with pytest.raises(NotFound):
            host.images.remove(name, used_by=unused)


def test_a_short_id_must_be_unique(host: Host, push: Push) -> None:
    image = host.images.pull(push({"a": b"1"}, name="short"))
    with pytest.raises(NotFound):
        host.images.get(image.id[7:10])  # three digits are a name
    assert host.images.get(image.id[7:11]) == image


def test_what_a_failed_pull_kept_goes_once_its_time_is_over(host: Host, push: Push) -> None:
    kept = host.content.put(b"fetched before the connection broke")
    with contextlib.suppress(RuntimeError), Leases(host.store).hold("pull x") as lease:
        lease.add([kept])
        raise RuntimeError
    name = push({"a": b"1"}, name="another")
    host.images.pull(name)
    host.images.remove(name, used_by=unused)
    assert host.content.has(kept)
    with host.store.transaction() as connection:
        connection.execute("UPDATE lease SET expires_at = 0")
    host.images.pull(name)
    host.images.remove(name, used_by=unused)
    assert host.is_empty
