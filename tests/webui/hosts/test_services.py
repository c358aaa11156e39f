"""Hosts register, beat and say goodbye; pages hear of what they show and of nothing else."""

from __future__ import annotations

import json
import time
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from engine.errors import NotFound
from tests.support.valkey import Valkey
from tests.webui.cast import Caller
from webui.accounts.models import Team
from webui.hosts import services
from webui.hosts.models import Host
from worker.contract import keys
from worker.contract.events import HostFacts, RuntimeFacts

pytestmark = pytest.mark.django_db(transaction=True)


def facts(**more: Any) -> HostFacts:
    known = {
        "name": "pier",
        "session": "s1",
        "cores": 2,
        "memory_bytes": 4 << 30,
        "kernel": "6.1",
        "architecture": "x86_64",
        "operating_system": "Debian",
        "engine_version": "0.1",
        "cgroup_version": "v2",
        "disk_free_bytes": 10,
    }
    return HostFacts(**{**known, **more})


def published(server: Valkey) -> list[dict[str, Any]]:
    client = server.client()
    entries = client.xrange(keys.CHANGES)
    client.delete(keys.CHANGES)
    changes = [json.loads(fields[b"m"]) for _, fields in entries]
    return [change["object"] for change in changes if change["kind"] == "host"]


def test_a_worker_that_registers_makes_a_host_of_the_first_team(site_broker: Valkey, db: None) -> None:
    host = services.host_register(host_id="h1", facts=facts(), at=time.time())
    assert (host.name, host.team.name, host.session, host.is_online) == ("pier", "Default", "s1", True)
    assert [shown["online"] for shown in published(site_broker)] == [True]


def test_two_homes_on_one_machine_are_two_hosts(site_broker: Valkey, db: None) -> None:
    for host_id in ("h1", "h2"):
        services.host_register(host_id=host_id, facts=facts(), at=time.time())
    assert Host.objects.filter(name="pier").count() == 2


def test_a_heartbeat_that_says_nothing_new_is_not_told(site_broker: Valkey, db: None) -> None:
    services.host_register(host_id="h1", facts=facts(), at=time.time() - 5)
    published(site_broker)
    services.host_heartbeat(host_id="h1", facts=facts(), at=time.time())
    assert published(site_broker) == []
    services.host_heartbeat(host_id="h1", facts=facts(disk_free_bytes=9), at=time.time())
    assert [shown["disk_free_bytes"] for shown in published(site_broker)] == [9]


def test_an_installed_runtime_is_told_once(site_broker: Valkey, db: None) -> None:
    services.host_register(host_id="h1", facts=facts(), at=time.time() - 5)
    published(site_broker)
    crun = RuntimeFacts(name="crun", version="crun version 1.8.1")
    for _ in range(2):
        services.host_heartbeat(host_id="h1", facts=facts(runtimes=(crun,)), at=time.time())
    expected = [{"name": "crun", "version": "crun version 1.8.1", "problem": ""}]
    assert [shown["runtimes"] for shown in published(site_broker)] == [expected]


def test_what_confines_containers_is_told_once_and_why_nothing_does(site_broker: Valkey, db: None) -> None:
    services.host_register(host_id="h1", facts=facts(apparmor_profile="portside-default"), at=time.time() - 5)
    (shown,) = published(site_broker)
    assert (shown["apparmor_profile"], shown["apparmor_problem"]) == ("portside-default", "")
    for _ in range(2):
        services.host_heartbeat(host_id="h1", facts=facts(apparmor_problem="x" * 600), at=time.time())
    (shown,) = published(site_broker)
    assert (shown["apparmor_profile"], shown["apparmor_problem"]) == ("", "x" * 500)


@pytest.mark.parametrize("field", ["cpu_rt_problem", "swap_problem"])
def test_why_a_limit_can_not_be_had_is_told_once(field: str, site_broker: Valkey, db: None) -> None:
    services.host_register(host_id="h1", facts=facts(), at=time.time() - 5)
    published(site_broker)
    for _ in range(2):
        services.host_heartbeat(host_id="h1", facts=facts(**{field: "by this kernel"}), at=time.time())
    assert [shown[field] for shown in published(site_broker)] == ["by this kernel"]


def test_a_heartbeat_brings_a_lost_host_back_and_a_goodbye_takes_it_at_once(site_broker: Valkey, db: None) -> None:
    services.host_register(host_id="h1", facts=facts(), at=time.time() - 100)
    assert not Host.objects.get().is_online
    services.host_heartbeat(host_id="h1", facts=facts(), at=time.time() - 1)
    assert Host.objects.get().is_online
    services.host_stopped(host_id="h1", at=time.time())
    assert not Host.objects.get().is_online
    services.host_register(host_id="h1", facts=facts(session="s2"), at=time.time())
    assert Host.objects.get().is_online and Host.objects.get().session == "s2"


def test_a_heartbeat_of_an_unknown_host_registers_it(site_broker: Valkey, db: None) -> None:
    assert services.host_heartbeat(host_id="h9", facts=facts(), at=time.time()).is_online


def test_facts_that_are_too_long_are_cut_rather_than_lost(site_broker: Valkey, db: None) -> None:
    host = services.host_register(host_id="h1", facts=facts(kernel="x" * 500, memory_bytes=-1), at=time.time())
    host.refresh_from_db()
    assert (len(host.kernel), host.memory_bytes) == (120, 0)


def test_a_host_is_chosen_by_name_id_or_being_the_only_one(owner: Caller, host: Host, team: Team) -> None:
    assert owner.user is not None
    for text in (None, "", "pier", host.pk):
        assert services.host_choose(user=owner.user, host=text) == host
    Host.objects.create(pk="h2", team=team, name="quay")
    for text in (None, "dock"):
        with pytest.raises(NotFound):
            services.host_choose(user=owner.user, host=text)


def test_an_outsider_chooses_no_host_of_another_team(outsider: Caller, host: Host) -> None:
    assert outsider.user is not None
    for text in (None, "pier", host.pk):
        with pytest.raises(NotFound):
            services.host_choose(user=outsider.user, host=text)
    with pytest.raises(NotFound, match="ask an administrator"):
        services.host_choose(user=outsider.user, host=None)
    host.delete()
    with pytest.raises(NotFound, match="start a worker"):
        services.host_choose(user=outsider.user, host=None)


def test_of_hosts_with_one_name_the_one_that_is_there_is_meant(owner: Caller, host: Host) -> None:
    assert owner.user is not None
    long_ago, now = timezone.now() - timedelta(days=3), timezone.now()
    again = Host.objects.create(pk="again", team=host.team, name="pier", heartbeat_at=long_ago)
    assert services.host_choose(user=owner.user, host="pier") == host
    Host.objects.filter(pk=host.pk).update(heartbeat_at=long_ago)
    Host.objects.filter(pk="again").update(heartbeat_at=now)
    assert services.host_choose(user=owner.user, host="pier") == again
    Host.objects.filter(pk=host.pk).update(heartbeat_at=now)
    with pytest.raises(NotFound, match=r"several hosts called pier: say by its id which one \(.*again"):
        services.host_choose(user=owner.user, host="pier")
    assert services.host_choose(user=owner.user, host="again") == again
