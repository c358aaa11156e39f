"""--storage-opt size=: what a container may write beside the image's files, held by a real kernel, or refused."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from engine import quotas
from engine.containers.committing import CommitSpec
from engine.errors import Unsupported
from engine.snapshots.service import Snapshots
from tests.engine.containers.fakes import FakeImage, World, engine_on, image_config, spec
from tests.support.disk import COUNTING, Disk, host_on
from tests.support.engine import Host
from tests.support.processes import eventually

pytestmark = [pytest.mark.root, pytest.mark.registry]
MIB = 1 << 20
FILLS = "cat /dev/zero >/big; mkdir -p /a/b/c && echo $? >/a/b/c/more; echo full; exec sleep 100000"


@pytest.fixture(params=sorted(COUNTING))
def counting(request: pytest.FixtureRequest, tiny_image: str) -> Iterator[tuple[Disk, Host]]:
    """A host whose home is all of a disk with project quotas."""
    with host_on(Disk.counting(request.param), tiny_image) as both:
        yield both


def upper(host: Host, container_id: str) -> Path:
    return Path(Snapshots(host.home.config, host.engine.store).overlay(container_id).upperdir)


def test_without_project_quotas_it_is_refused_before_anything_is_made(host: Host) -> None:
    if quotas.is_enforced(host.home.path):
        pytest.skip("this machine's own disk has project quotas")
    wanted = host.spec("true", storage_opt={"size": "10m"}, image="registry.invalid/nothing:1")
    with pytest.raises(Unsupported, match=r"^storage_opt: .*mount that with prjquota") as refused:
        host.engine.container_create(wanted)
    assert refused.value.detail["field"] == "storage_opt"
    assert host.engine.container_list() == [] and host.is_clean(wanted.id)
    assert host.ended(host.run("true", storage_opt={"size": "0"}).id).exit_code == 0, "no limit, as with Docker"


def test_the_size_reaches_the_snapshot_and_is_held_at_every_start(tmp_path: Path) -> None:
    world = World(images={"busybox": FakeImage("sha256:" + "a" * 64, image_config())})
    containers, _ = engine_on(tmp_path, world)
    for number, wish in enumerate(({}, {"size": "0"}, {"size": "1.5m"}), start=1):
        containers.create(spec(number, storage_opt=wish))
    assert list(world.sizes.values()) == [None, None, 3 * MIB // 2]
    assert world.calls.count("snapshots.require_limits") == 1
    world.fail_at, world.error = "snapshots.room_to_mount", Unsupported("storage_opt: no more")
    with pytest.raises(Unsupported, match="no more"):
        containers.start(spec(3).id)
    assert not world.cgroups and not world.processes
    containers.start(spec(3).id)
    steps = [call for call in world.calls if call in ("runtime.create", "snapshots.hold", "runtime.start")]
    assert steps == ["runtime.create", "snapshots.hold", "runtime.start"], "no program runs without its limit"


@pytest.mark.parametrize("wishes", [{}, {"userns": "host", "privileged": True}], ids=["own-users", "privileged"])
def test_a_container_fills_its_own_size_and_nobody_elses(counting: tuple[Disk, Host], wishes: dict[str, Any]) -> None:
    disk, host = counting
    record = host.run("sh", "-c", FILLS, storage_opt={"size": "1m"}, **wishes)
    host.says(record.id, b"full\n")
    said = host.log(record.id, "stderr")
    assert b"No space left on device" in said or b"Disk quota exceeded" in said
    place = upper(host, record.id)
    project = quotas.project_of(place)
    assert quotas.project_of(place.with_name("work")) == project
    assert MIB // 2 < quotas.usage(place, project).size_bytes <= MIB
    assert MIB // 2 < (place / "big").stat().st_size <= MIB

    other = host.run("sh", "-c", "head -c 8388608 /dev/zero >/big && echo fits; exec sleep 100000", **wishes)
    host.says(other.id, b"fits\n")
    assert quotas.project_of(upper(host, other.id)) == 0, "without a size there is none"

    # A full one becomes an image as it is, starts again, and may delete and write as before.
    image = host.engine.container_commit(record.id, CommitSpec())
    assert image.size_bytes > MIB // 2
    host.engine.container_stop(record.id, 0)
    assert quotas.project_of(place) == project
    host.engine.container_start(record.id)
    eventually(lambda: host.log(record.id).count(b"full\n") == 2, what="the second run")
    assert b"Read-only" not in host.log(record.id)
    assert MIB // 2 < quotas.usage(place, project).size_bytes <= MIB

    host.engine.container_remove(record.id, force=True)
    eventually(lambda: not quotas.usage(disk.path, project).files, what="no file of that number")
