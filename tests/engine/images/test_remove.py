"""Names go one by one, an image goes with its last name, and nothing goes that a container uses."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from pathlib import Path

import pytest

from engine.content.leases import Leases
from engine.errors import Conflict, NotFound
from engine.images.removing import Removed
from engine.images.uses import Use
from tests.engine.images.conftest import Host

pytestmark = [pytest.mark.root, pytest.mark.registry]
Push = Callable[..., str]


def unused(_: str) -> list[Use]:
    return []


def stopped(_: str) -> list[Use]:
    return [Use("web", is_running=False)]


def running(_: str) -> list[Use]:
    return [Use("web", is_running=True)]


def test_the_last_tag_takes_the_image_and_its_space(host: Host, push: Push) -> None:
    files: dict[str, bytes | None] = {"a": b"1"}
    one, two = push(files, name="shared:1"), push(files, name="shared:2")
    image = host.images.pull(one)
    assert host.images.pull(two).tags == (one, two)
    assert host.images.remove(one, uses=unused) == Removed((one,))
    assert host.images.get(image.id).tags == (two,)
    removed = host.images.remove(two, uses=unused)
    assert removed.untagged[0] == two
    assert removed.deleted == (image.id,)
    assert host.is_empty
    assert [entry.kind for entry in host.journal.read(0)[-4:]] == [
        "image.updated",
        "action.done",
        "action.done",
        "image.removed",
    ]


def test_an_id_takes_its_one_tag_but_not_several(host: Host, push: Push) -> None:
    image = host.images.pull(push({"a": b"1"}, name="byid:1"))
    second = host.images.pull(push({"a": b"1"}, name="byid:2")).tags[1]
    with pytest.raises(Conflict, match="several names"):
        host.images.remove(image.id[7:19], uses=unused)
    assert host.images.remove(second, uses=unused) == Removed((second,))
    removed = host.images.remove(image.id[7:19], uses=unused)
    assert image.tags[0] in removed.untagged
    assert removed.deleted == (image.id,)
    assert host.is_empty


def test_by_force_an_id_takes_all_names(host: Host, push: Push) -> None:
    image = host.images.pull(push({"a": b"1"}, name="byforce:1"))
    host.images.tag(image.id, "elsewhere/copy:2")
    removed = host.images.remove(image.id, force=True, uses=stopped)
    assert {*image.tags, "elsewhere/copy:2"} < set(removed.untagged)
    assert removed.deleted == (image.id,)
    assert host.is_empty


def test_a_name_goes_while_there_are_others_even_of_a_used_image(host: Host, push: Push) -> None:
    image = host.images.pull(push({"a": b"1"}, name="used"))
    host.images.tag(image.id, "other/name")
    removed = host.images.remove(image.tags[0], uses=running)
    assert set(removed.untagged) == {*image.tags, *image.digests}, "digests go with the last tag of their repository"
    assert host.images.get(image.id).tags == ("other/name:latest",)
    with pytest.raises(Conflict, match="web"):
        host.images.remove("other/name", uses=running)


def test_by_force_a_running_container_keeps_its_image_and_a_stopped_one_its_layers(host: Host, push: Push) -> None:
    image = host.images.pull(push({"a": b"1"}, name="forced"))
    lower = host.snapshots.prepare("container", image.chain_id).lowerdirs
    with pytest.raises(Conflict, match="web"):
        host.images.remove(image.tags[0], uses=stopped)
    with pytest.raises(Conflict, match="web is using it"):
        host.images.remove(image.id, force=True, uses=running)
    assert host.images.get(image.tags[0]) == image
    removed = host.images.remove(image.tags[0], force=True, uses=running)
    assert image.tags[0] in removed.untagged
    assert removed.deleted == ()
    assert host.images.get(image.id).tags == ()
    with pytest.raises(Conflict, match="web"):
        host.images.remove(image.id, uses=stopped)
    assert host.images.remove(image.id, force=True, uses=stopped).deleted == (image.id,)
    assert host.snapshots.overlay("container").lowerdirs == lower
    assert Path(lower[0], "a").read_bytes() == b"1"


def test_by_digest(host: Host, push: Push) -> None:
    image = host.images.pull(push({"a": b"1"}, name="bydigest"))
    with pytest.raises(Conflict, match="web"):
        host.images.remove(image.digests[0], uses=stopped)
    assert host.images.remove(image.digests[0], uses=unused) == Removed((image.digests[0],))
    host.images.pull(image.digests[0])
    host.images.remove(image.tags[0], uses=unused)
    assert host.is_empty
    host.images.pull(image.digests[0])
    assert host.images.remove(image.digests[0], uses=unused).deleted == (image.id,)
    assert host.is_empty


def test_layers_below_a_container_outlive_their_image(host: Host, push: Push) -> None:
    image = host.images.pull(push({"a": b"1"}, name="below"))
    lower = host.snapshots.prepare("container", image.chain_id).lowerdirs
    host.images.remove(image.id, uses=unused)
    assert host.snapshots.overlay("container").lowerdirs == lower
    host.snapshots.remove("container")
    host.images.recover()
    assert host.is_empty


def test_what_is_not_there_cannot_be_removed(host: Host) -> None:
    for name in ("nothing", "sha256:" + "0" * 64, "abcdef123456"):
        with pytest.raises(NotFound):
            host.images.remove(name, uses=unused)


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
    host.images.remove(name, uses=unused)
    assert host.content.has(kept)
    with host.store.transaction() as connection:
        connection.execute("UPDATE lease SET expires_at = 0")
    host.images.pull(name)
    host.images.remove(name, uses=unused)
    assert host.is_empty
