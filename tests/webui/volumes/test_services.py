"""What hosts say of their volumes."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from tests.support.valkey import Valkey
from tests.webui.site_broker import changes_told
from webui.accounts.models import Team
from webui.containers.models import Container
from webui.containers.representation import container_as_json
from webui.containers.services import container_apply_state
from webui.hosts.models import Host
from webui.jobs.models import Job
from webui.jobs.services import job_apply
from webui.volumes import observed, services
from webui.volumes.models import Volume
from webui.volumes.using import Users
from worker.contract import keys
from worker.contract.events import ContainerState, MountState, VolumeState

pytestmark = pytest.mark.django_db(transaction=True)


def test_a_volume_is_taken_over_once_and_told_when_it_changes(site_broker: Valkey, host: Host, team: Team) -> None:
    state = VolumeState(name="data", driver_opts={"type": "tmpfs"}, created_at=7.5, mountpoint="/secret/place")
    for _ in range(2):
        volume = services.volume_apply_state(host=host, team=team, state=state)
    assert changes_told(site_broker, "volume") == 1
    assert (volume.name, volume.driver, volume.driver_opts) == ("data", "local", {"type": "tmpfs"})
    services.volume_apply_state(host=host, team=team, state=VolumeState(name="data", labels={"a": "b"}))
    told = [fields[b"m"].decode() for _, fields in site_broker.client().xrange(keys.CHANGES)]
    assert changes_told(site_broker, "volume") == 2 and not any("secret" in text for text in told)
    volume.refresh_from_db()
    assert (volume.labels, volume.created_at.timestamp()) == ({"a": "b"}, 7.5)


def test_a_volume_is_used_by_the_containers_that_have_it_mounted(
    site_broker: Valkey, host: Host, container: Container, volume: Volume
) -> None:
    mounts = (
        MountState(type="volume", name="data", source="/home/volumes/data/_data", destination="/a"),
        MountState(type="volume", name="data", source="/home/volumes/data/_data", destination="/b", read_only=True),
        MountState(type="bind", source="/srv", destination="/c"),
    )
    state = ContainerState(id=container.pk, name="web", image="alpine", status="running", mounts=mounts)
    seen = container_apply_state(host=host, seq=6, state=state)
    assert Users().of(volume) == [{"id": container.pk, "name": "web"}]
    assert container_as_json(seen)["mounted"] == [
        {"type": "volume", "name": "data", "source": "", "destination": "/a", "read_only": False},
        {"type": "volume", "name": "data", "source": "", "destination": "/b", "read_only": True},
        {"type": "bind", "name": "", "source": "/srv", "destination": "/c", "read_only": False},
    ]


def test_a_removal_of_what_the_host_does_not_have_is_done(site_broker: Valkey, host: Host, volume: Volume) -> None:
    for family, left in (("conflict", 1), ("not_found", 0)):
        job = Job.objects.create(team=host.team, host=host, kind="volume.remove", subject="data", command={})
        error = {"family": family, "message": "no", "detail": {}}
        job_apply(job=job, finished={"status": "failed", "at": job.created_at, "error": error})
        assert Volume.objects.count() == left


def test_sizes_are_remembered_when_they_change_and_not_too_often(site_broker: Valkey, host: Host, team: Team) -> None:
    def measured(at: float, size: int) -> Volume:
        state = VolumeState(name="data", created_at=7.5, size_bytes=size, files=1, measured_at=at)
        return services.volume_apply_state(host=host, team=team, state=state)

    for at, size in ((1000.0, 5), (1000.0, 5), (1100.0, 5), (2000.0, 6), (2100.0, 7), (2200.0, 8), (900.0, 1)):
        volume = measured(at, size)
    assert [(row.at.timestamp(), row.size_bytes) for row in volume.sizes.all()] == [(1000, 5), (2000, 6), (2200, 8)]
    observed.sizes_trim(datetime.fromtimestamp(2300, UTC) + observed.SIZES_KEPT)
    assert [row.size_bytes for row in volume.sizes.all()] == [8], "the last that is known stays"


def test_a_volume_that_is_called_otherwise_keeps_its_row(site_broker: Valkey, host: Host, volume: Volume) -> None:
    services.volume_rename(host=host, old_name="data", name="files")
    services.volume_apply_state(host=host, team=host.team, state=VolumeState(name="files"))
    assert list(Volume.objects.values_list("pk", "name")) == [(volume.pk, "files")]
