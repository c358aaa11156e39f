"""Images beside containers: what a container uses stays, what images and containers take on the disk."""

from __future__ import annotations

import pytest

from engine.containers.committing import CommitSpec
from engine.errors import Conflict
from tests.support.engine import Host
from tests.support.home import Home

pytestmark = [pytest.mark.root, pytest.mark.registry]


@pytest.fixture
def host(home: Home, tiny_image: str) -> Host:
    return Host(home, tiny_image)


def test_disk_usage_of_a_host(host: Host) -> None:
    record = host.run("sh", "-c", "head -c 300000 /dev/urandom > /file; echo written; exec sleep 1000")
    host.says(record.id, b"written")
    used = host.engine.disk_usage()
    (container,) = used.containers
    assert (container.id, container.is_running) == (record.id, True)
    assert container.writable_bytes >= 300_000 and container.log_bytes > 0
    host.run("mkdir", "/made")
    (empty,) = (one for one in host.engine.disk_usage().containers if one.id != record.id)
    assert empty.writable_bytes == 0, "directories are no files"
    (image,) = used.images
    assert (image.id, image.containers) == (record.image_id, 1)
    assert image.unique_bytes == image.size_bytes == used.layers_bytes > 0
    assert used.logs_bytes >= container.log_bytes
    assert (used.build_cache_bytes, used.volumes) == (0, ())


def test_what_an_image_was_made_from_stays_without_a_name_until_it_goes(host: Host) -> None:
    engine = host.engine
    record = host.run("touch", "/made")
    host.ended(record.id)
    base = engine.images.get(host.image)
    child = engine.container_commit(record.id, CommitSpec(reference="local/child"))
    engine.container_remove(record.id)
    with pytest.raises(Conflict, match="made from it"):
        engine.image_remove(base.id, force=True)
    untagged, deleted = engine.image_remove(host.image)
    assert base.tags[0] in untagged and not deleted
    assert engine.images.get(base.id).tags == ()
    assert engine.image_prune().deleted == (), "what others were made from is not in the way"
    untagged, deleted = engine.image_remove("local/child")
    assert (untagged, deleted) == (["local/child:latest"], [child.id, base.id])
    assert engine.images.list() == []
    assert engine.disk_usage().blobs_bytes == 0


def test_prune_spares_what_a_stopped_container_uses(host: Host) -> None:
    spec = host.spec("true")
    host.engine.container_create(spec)
    assert host.engine.image_prune(all=True).deleted == ()
    host.engine.container_remove(spec.id)
    assert len(host.engine.image_prune(all=True).deleted) == 1


def test_a_container_whose_image_was_deleted_by_force_starts(host: Host) -> None:
    spec = host.spec("cat", "/etc/not-executable")
    host.engine.container_create(spec)
    assert host.engine.image_remove(host.image, force=True)[1]
    host.engine.container_start(spec.id)
    assert host.ended(spec.id).exit_code == 0
    assert host.log(spec.id) == b"only words\n"
    host.engine.container_remove(spec.id)
