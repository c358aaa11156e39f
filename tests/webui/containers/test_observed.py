"""What a host says changes only the observed columns, in the order of its journal; what was asked stays."""

from __future__ import annotations

import json
from typing import Any

import pytest
from django.utils import timezone

from engine.errors import Conflict
from tests.support.valkey import Valkey
from tests.webui.cast import CONTAINER_ID
from webui.accounts.models import Team
from webui.containers import services
from webui.containers.models import Container
from webui.containers.representation import container_as_json
from webui.hosts.models import Host
from webui.jobs.models import Job
from webui.jobs.services import job_apply
from worker.contract import keys
from worker.contract.commands import CreateContainer, RemoveContainer, StartContainer, encode_command
from worker.contract.events import ContainerState, HealthResult, HealthState, PublishedPort

pytestmark = pytest.mark.django_db(transaction=True)


def state(**more: Any) -> ContainerState:
    return ContainerState(**{"id": CONTAINER_ID, "name": "web", "image": "alpine", "status": "running", **more})


def changes(server: Valkey) -> list[dict[str, Any]]:
    """What pages were told of containers since this was last asked; of its own entries the audit log tells beside."""
    client = server.client()
    entries = client.xrange(keys.CHANGES)
    client.delete(keys.CHANGES)
    told = [json.loads(fields[b"m"]) for _, fields in entries]
    return [one for one in told if one["kind"] == "container"]


def job_of(container: Container, command: Any) -> Job:
    return Job.objects.create(
        team=container.team,
        host=container.host,
        kind=encode_command(command)["kind"],
        subject=container.pk,
        command=encode_command(command),
    )


def finish(job: Job, status: str, family: str | None = None, message: str = "") -> None:
    error = {"family": family, "message": message, "detail": {}} if family else None
    assert job_apply(
        job=job, started_at=timezone.now(), finished={"status": status, "at": timezone.now(), "error": error}
    )


def test_a_state_is_taken_over_whole_and_told_to_the_pages(
    site_broker: Valkey, host: Host, container: Container
) -> None:
    ports = (PublishedPort(container=80, host=32768, protocol="tcp", address="127.0.0.1"),)
    services.container_apply_state(
        host=host,
        seq=6,
        state=state(
            status="stopped", exit_code=137, oom_killed=True, ip_address="10.1.0.2", ports=ports, finished_at=5.0
        ),
    )
    [change] = changes(site_broker)
    assert (change["kind"], change["action"], change["id"], change["team"]) == (
        "container",
        "updated",
        CONTAINER_ID,
        str(host.team_id),
    )
    shown = change["object"]
    assert (shown["status"], shown["desired_status"], shown["exit_code"], shown["oom_killed"]) == (
        "stopped",
        "running",
        137,
        True,
    )
    port = {"container": 80, "host": 32768, "protocol": "tcp", "address": "127.0.0.1", "host_last": None}
    assert shown["ports"] == [port]
    assert shown["finished_at"] == "1970-01-01T00:00:05.000Z"


def test_who_runs_without_user_ids_of_its_own_is_seen_and_told_why(
    site_broker: Valkey, host: Host, container: Container
) -> None:
    seen = state(userns="host", userns_problem="the file system can't map owners")
    shown = container_as_json(services.container_apply_state(host=host, seq=6, state=seen))
    assert (shown["userns"], shown["loosened"]) == ("auto", ["user namespace of the host"])
    assert shown["userns_problem"] == "the file system can't map owners"
    shown = container_as_json(services.container_apply_state(host=host, seq=7, state=state(userns="auto")))
    assert (shown["loosened"], shown["userns_problem"]) == ([], None)


def test_who_runs_without_a_profile_is_seen(site_broker: Valkey, host: Host, container: Container) -> None:
    found = []
    for seq, profile in enumerate(("", "portside-default", "unconfined"), 6):
        seen = state(userns="auto", apparmor_profile=profile)
        shown = container_as_json(services.container_apply_state(host=host, seq=seq, state=seen))
        found.append((shown["apparmor_profile"], shown["loosened"]))
    assert found == [(None, []), ("portside-default", []), ("unconfined", ["AppArmor off"])]


def test_health_is_seen_with_its_history(site_broker: Valkey, host: Host, container: Container) -> None:
    result = HealthResult(start=1.0, end=1.5, exit_code=7, output="refused")
    seen = state(health=HealthState(status="unhealthy", failing_streak=3, log=(result,)))
    shown = container_as_json(services.container_apply_state(host=host, seq=6, state=seen))
    assert shown["health"] == {
        "status": "unhealthy",
        "failing_streak": 3,
        "log": [
            {
                "start": "1970-01-01T00:00:01.000Z",
                "end": "1970-01-01T00:00:01.500Z",
                "exit_code": 7,
                "output": "refused",
            }
        ],
    }
    [change] = changes(site_broker)
    assert change["object"]["health"] == shown["health"]
    shown = container_as_json(services.container_apply_state(host=host, seq=7, state=state()))
    assert shown["health"] is None


def test_an_older_number_never_overwrites_a_newer_one(site_broker: Valkey, host: Host, container: Container) -> None:
    services.container_apply_state(host=host, seq=7, state=state(status="stopped"))
    for seq in (6, 7):
        services.container_apply_state(host=host, seq=seq, state=state(status="running"))
    container.refresh_from_db()
    assert (container.observed_status, container.observed_seq) == ("stopped", 7)
    services.container_forget(host=host, container_id=CONTAINER_ID, seq=6)
    assert Container.objects.exists()


def test_the_same_again_is_no_news(site_broker: Valkey, host: Host, container: Container) -> None:
    services.container_apply_state(host=host, seq=6, state=state())
    changes(site_broker)
    services.container_apply_state(host=host, seq=7, state=state())
    assert changes(site_broker) == []


def test_a_container_that_was_made_on_the_host_gets_a_row(
    site_broker: Valkey, host: Host, container: Container
) -> None:
    found = services.container_apply_state(host=host, seq=9, state=state(id="aa" * 32, name="web"))
    assert found.name == "web-aaaaaaaaaaaa"  # the name is another's here
    assert (found.team, found.created_by, found.desired_status) == (host.team, None, "running")


def test_a_host_can_not_speak_for_another_hosts_container(
    site_broker: Valkey, host: Host, container: Container, team: Team
) -> None:
    other = Host.objects.create(pk="other", team=team, name="quay")
    with pytest.raises(Conflict):
        services.container_apply_state(host=other, seq=99, state=state(status="stopped"))
    services.container_forget(host=other, container_id=CONTAINER_ID)
    container.refresh_from_db()
    assert (container.observed_status, container.host) == ("running", host)


def test_a_removed_containers_row_goes_and_pages_hear_of_it(
    site_broker: Valkey, host: Host, container: Container
) -> None:
    services.container_forget(host=host, container_id=CONTAINER_ID, seq=6)
    assert not Container.objects.exists()
    [change] = changes(site_broker)
    assert (change["action"], change["id"], change["object"]) == ("removed", CONTAINER_ID, None)


def test_an_inventory_is_the_whole_truth_but_for_what_is_still_on_its_way(
    site_broker: Valkey, host: Host, container: Container, team: Team
) -> None:
    asked = Container.objects.create(id="b" * 64, team=team, host=host, name="asked", image="alpine")
    gone = Container.objects.create(id="d" * 64, team=team, host=host, name="gone", image="alpine", observed_seq=3)
    newer = Container.objects.create(id="e" * 64, team=team, host=host, name="newer", image="alpine", observed_seq=30)
    services.container_apply_inventory(host=host, seq=20, states=[state(status="paused")])
    assert set(Container.objects.values_list("pk", "observed_status")) == {
        (CONTAINER_ID, "paused"),
        (asked.pk, "pending"),
        (newer.pk, "pending"),
    }
    assert not Container.objects.filter(pk=gone.pk).exists()


def test_a_create_that_failed_leaves_a_row_that_says_why(site_broker: Valkey, host: Host, container: Container) -> None:
    Container.objects.update(observed_status="pending", observed_seq=0)
    command = CreateContainer(container_id=CONTAINER_ID, name="web", image="nonsense")
    finish(job_of(container, command), "failed", "not_found", "there is no image nonsense")
    container.refresh_from_db()
    assert (container.error, container.desired_status, container.observed_status) == (
        "there is no image nonsense",
        "stopped",
        "pending",
    )


def test_a_start_that_failed_says_why_and_stays_wanted(site_broker: Valkey, host: Host, container: Container) -> None:
    finish(job_of(container, StartContainer(container_id=CONTAINER_ID)), "failed", "conflict", "port 80 is in use")
    container.refresh_from_db()
    assert (container.error, container.desired_status) == ("port 80 is in use", "running")


@pytest.mark.parametrize(("status", "family"), [("succeeded", None), ("failed", "not_found")])
def test_a_remove_that_is_done_takes_the_row_even_without_an_event(
    site_broker: Valkey, host: Host, container: Container, status: str, family: str | None
) -> None:
    finish(job_of(container, RemoveContainer(container_id=CONTAINER_ID)), status, family)
    assert not Container.objects.exists()


def test_a_remove_that_failed_leaves_the_container_usable(
    site_broker: Valkey, host: Host, container: Container
) -> None:
    Container.objects.update(desired_status="removed")
    finish(job_of(container, RemoveContainer(container_id=CONTAINER_ID)), "failed", "unavailable", "the disk is away")
    container.refresh_from_db()
    assert (container.desired_status, container.error) == ("running", "the disk is away")


def test_a_container_is_called_what_its_host_calls_it(site_broker: Valkey, host: Host, container: Container) -> None:
    services.container_apply_state(host=host, seq=6, state=state(name="front"))
    [change] = changes(site_broker)
    assert change["object"]["name"] == "front"
    container.refresh_from_db()
    assert (container.name, container.spec["name"]) == ("front", "front")


def test_a_name_that_another_row_has_meanwhile_does_not_stop_the_rest(
    site_broker: Valkey, host: Host, container: Container
) -> None:
    Container.objects.create(id="d0" * 32, team=container.team, host=host, name="front", image="alpine")
    services.container_apply_state(host=host, seq=6, state=state(name="front", status="paused"))
    container.refresh_from_db()
    assert (container.name, container.observed_status) == ("web", "paused")


def test_limits_that_the_host_has_changed_are_shown(site_broker: Valkey, host: Host, container: Container) -> None:
    services.container_apply_state(host=host, seq=6, state=state(spec={"cpus": 0.5, "restart": "always", "env": {}}))
    [change] = changes(site_broker)
    assert (change["object"]["cpus"], change["object"]["restart"]) == (0.5, "always")
    container.refresh_from_db()
    assert container.spec["image"] == "docker.io/library/alpine:latest"
