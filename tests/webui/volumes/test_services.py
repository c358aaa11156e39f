"""What hosts say of their volumes."""

from __future__ import annotations

import pytest

from tests.support.valkey import Valkey
from webui.accounts.models import Team
from webui.containers.models import Container
from webui.containers.representation import container_as_json
from webui.containers.services import container_apply_state
from webui.hosts.models import Host
from webui.jobs.models import Job
from webui.jobs.services import job_apply
from webui.volumes import services
from webui.volumes.models import Volume
from webui.volumes.using import Users
from worker.contract import keys
from worker.contract.events import ContainerState, MountState, VolumeState

pytestmark = pytest.mark.django_db(transaction=True)


def test_a_volume_is_taken_over_once_and_told_when_it_changes(site_broker: Valkey, host: Host, team: Team) -> None:
    state = VolumeState(name="data", driver_opts={"type": "tmpfs"}, created_at=7.5, mountpoint="/secret/place")
    for _ in range(2):
        volume = services.volume_apply_state(host=host, team=team, state=state)
    assert site_broker.client().xlen(keys.CHANGES) == 1
    assert (volume.name, volume.driver, volume.driver_opts) == ("data", "local", {"type": "tmpfs"})
    services.volume_apply_state(host=host, team=team, state=VolumeState(name="data", labels={"a": "b"}))
    told = [fields[b"m"].decode() for _, fields in site_broker.client().xrange(keys.CHANGES)]
    assert len(told) == 2 and not any("secret" in text for text in told)
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
