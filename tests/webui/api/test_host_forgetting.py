"""A host that is away for good is forgotten, with all that is known of it; one that is there, or is missed, is not."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from tests.support.valkey import Valkey
from tests.webui.cast import Caller
from webui.audit.models import AuditEntry
from webui.builds.models import Build
from webui.containers.models import Container
from webui.hosts.models import Host
from webui.hosts.services import host_heartbeat
from webui.images.models import Image
from webui.jobs.models import Job
from webui.networks.models import Network
from webui.volumes.models import Volume
from worker.contract import keys
from worker.contract.events import HostFacts

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def away(site_broker: Valkey, host: Host) -> Host:
    Host.objects.filter(pk=host.pk).update(heartbeat_at=timezone.now() - timedelta(days=3))
    return host


def told(server: Valkey) -> list[dict[str, Any]]:
    return [json.loads(fields[b"m"]) for _, fields in server.client().xrange(keys.CHANGES)]


def test_a_host_that_is_there_is_not_forgotten(site_broker: Valkey, owner: Caller, host: Host) -> None:
    answer = owner.delete(f"hosts/{host.pk}/?force=true")
    assert answer.status_code == 409 and "stop its worker first" in answer.json()["detail"]
    assert Host.objects.filter(pk=host.pk).exists()


def test_what_may_be_missed_has_to_be_given_up_by_name(
    owner: Caller, away: Host, container: Container, volume: Volume
) -> None:
    answer = owner.delete(f"hosts/{away.pk}/")
    assert answer.status_code == 409
    assert "the site would forget 1 container and 1 volume: use force" in answer.json()["detail"]
    Container.objects.all().delete()
    Volume.objects.create(team=away.team, host=away, name="more")
    assert "2 volumes" in owner.delete(f"hosts/{away.pk}/").json()["detail"]
    Volume.objects.all().delete()
    assert owner.delete(f"hosts/{away.pk}/").status_code == 204
    assert owner.get("hosts/").json()["count"] == 0


def test_all_that_is_known_of_it_goes(
    site_broker: Valkey,
    owner: Caller,
    away: Host,
    container: Container,
    image: Image,
    volume: Volume,
    network: Network,
    build: Build,
    job: Job,
) -> None:
    client = site_broker.client()
    client.lpush(keys.queue(away.pk), "a task with a password")
    client.set(keys.acknowledged(away.pk), 7)
    assert owner.delete(f"hosts/{away.pk}/?force=true").status_code == 204
    for model in (Host, Container, Image, Volume, Network, Build, Job):
        assert not model._base_manager.exists(), model
    assert not client.exists(keys.queue(away.pk), keys.acknowledged(away.pk))
    changes = told(site_broker)
    gone = {(one["kind"], one["id"]) for one in changes if one["action"] == "removed"}
    assert gone >= {
        ("host", away.pk),
        ("container", container.pk),
        ("image", str(image.pk)),
        ("volume", str(volume.pk)),
        ("network", str(network.pk)),
    }
    [ended] = [one["object"] for one in changes if one["kind"] == "job" and one["id"] == str(job.pk)]
    assert ended["status"] == "failed" and "was forgotten" in ended["error"]["message"]
    entry = AuditEntry.objects.get(action="host.forget")
    assert (entry.host_name, entry.object_name, entry.before) == ("pier", "pier", {"containers": 1, "volumes": 1})


def test_who_does_not_manage_hosts_forgets_none(
    owner: Caller, teammate: Caller, outsider: Caller, nobody: Caller, away: Host
) -> None:
    answers = [one.delete(f"hosts/{away.pk}/?force=true").status_code for one in (teammate, outsider, nobody)]
    assert answers == [403, 404, 401]
    assert owner.delete(f"hosts/{away.pk}/?force=perhaps").status_code == 400
    assert Host.objects.filter(pk=away.pk).exists()


def test_one_that_calls_again_is_new(owner: Caller, away: Host) -> None:
    assert owner.delete(f"hosts/{away.pk}/").status_code == 204
    facts = HostFacts(
        name="pier", session="s2", cores=2, memory_bytes=1, kernel="6.1", architecture="x86_64",
        operating_system="Linux", engine_version="0.1", cgroup_version="v2", disk_free_bytes=1,
    )  # fmt: skip
    host = host_heartbeat(host_id=away.pk, facts=facts, at=timezone.now().timestamp())
    assert (host.last_event_seq, host.is_online) == (0, True)
