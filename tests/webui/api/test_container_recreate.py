"""`POST /containers/{id}/recreate/`: one job for two rows, and what becomes of them when it has ended."""

from __future__ import annotations

from typing import Any

import pytest
from django.utils import timezone

from tests.support.valkey import Valkey
from tests.webui.cast import CONTAINER_ID, Caller, caller, member
from webui.accounts.models import CustomRole
from webui.audit.models import AuditEntry
from webui.containers.models import Container
from webui.containers.services import container_apply_state
from webui.hosts.models import Host
from webui.jobs.models import Job
from webui.jobs.services import job_apply
from webui.networks.models import Endpoint, Network
from webui.policies.models import TeamPolicy
from worker.contract.events import ContainerState

pytestmark = pytest.mark.django_db(transaction=True)

PATH = f"containers/{CONTAINER_ID}/recreate/"


def seen(host: Host, seq: int, **values: Any) -> None:
    fields = {"id": CONTAINER_ID, "name": "web", "image": "alpine", "status": "running", "created_at": 1.0, "spec": {}}
    container_apply_state(host=host, seq=seq, state=ContainerState(**{**fields, **values}))


def end(job: Job, status: str, message: str = "") -> None:
    error = {"family": "unavailable", "message": message, "detail": {}} if message else None
    job_apply(job=job, finished={"status": status, "at": timezone.now(), "result": {}, "error": error})


def test_one_job_makes_another_in_its_place(
    site_broker: Valkey, owner: Caller, host: Host, container: Container
) -> None:
    seen(host, 105)
    answer = owner.post(PATH, {"image": "nginx:1", "env": {"A": "secret"}})
    assert answer.status_code == 202, answer.content
    new, job = answer.json()["container"], Job.objects.get()
    assert (new["name"], new["status"]) == (f"web-{new['id'][:12]}", "pending")
    assert (job.kind, job.subject) == ("container.recreate", CONTAINER_ID)
    asked = {name: job.command[name] for name in ("container_id", "replaces", "name", "image", "start")}
    assert asked == {
        "container_id": new["id"], "replaces": CONTAINER_ID, "name": "web", "image": "docker.io/library/nginx:1",
        "start": True,
    }  # fmt: skip
    assert "replaces" not in Container.objects.get(pk=new["id"]).spec
    (entry,) = AuditEntry.objects.filter(action__startswith="container.")
    assert (entry.action, entry.object_id, entry.object_name) == ("container.recreate", CONTAINER_ID, "web")
    assert "secret" not in str(entry.after)
    for path in (PATH, f"containers/{CONTAINER_ID}/start/"):
        assert owner.post(path, {"image": "nginx:1"} if path == PATH else {}).status_code == 409

    seen(host, 106, name=f"web-{CONTAINER_ID[:12]}", status="stopped")  # as the host tells of it, one by one
    seen(host, 107, id=new["id"], status="created")
    seen(host, 108, id=new["id"])
    end(job, "succeeded")
    assert set(Container.objects.values_list("name", "observed_status")) == {
        (f"web-{CONTAINER_ID[:12]}", "stopped"),
        ("web", "running"),
    }
    assert Container.objects.get(pk=new["id"]).created_by == owner.user


def test_what_failed_leaves_the_one_that_was_there(
    site_broker: Valkey, owner: Caller, host: Host, container: Container
) -> None:
    seen(host, 105)
    assert owner.post(PATH, {"image": "nginx:1"}).status_code == 202
    end(Job.objects.get(), "failed", "there is no image nginx:1")
    (kept,) = Container.objects.all()
    assert (kept.pk, kept.desired_status, kept.error) == (CONTAINER_ID, "running", "there is no image nginx:1")
    assert owner.post(PATH, {"image": "nginx:2", "start": False, "name": "front"}).status_code == 202
    job = Job.objects.get(status="queued")
    assert (job.command["start"], job.command["name"]) == (False, "front")
    assert Container.objects.filter(name="front").exists()
    end(job, "cancelled")
    assert list(Container.objects.values_list("pk", "name")) == [(CONTAINER_ID, "web")]


def test_what_rests_is_not_started(site_broker: Valkey, owner: Caller, host: Host, container: Container) -> None:
    seen(host, 105, status="stopped")
    assert owner.post(PATH, {"image": "nginx:1"}).status_code == 202
    assert Job.objects.get().command["start"] is False


def asked(owner: Caller, **body: Any) -> dict[str, Any]:
    """The command that this recreation becomes, which ends then and leaves all as it was."""
    answer = owner.post(PATH, {"keep": True, **body})
    assert answer.status_code == 202, answer.content
    job = Job.objects.get(status="queued")
    end(job, "cancelled")
    assert "renew_volumes" not in answer.json()["container"]
    return dict(job.command)


OPTIONS: dict[str, Any] = {
    "image": "nginx:1", "name": "api", "command": ["serve", ""], "entrypoint": ["/run"], "user": "app:app",
    "env": {"A": "1", "B": "2"}, "labels": {"a": "1", "b": "2"}, "workdir": "/srv", "hostname": "api",
    "memory_bytes": 64 << 20, "memory_swap": 128 << 20, "cpus": 0.5, "pids_limit": 50, "restart": "on-failure",
    "restart_limit": 3, "ports": [{"container": 80}, {"container": 90, "container_last": 91, "host": 9000,
    "host_last": 9001, "protocol": "udp"}], "read_only": True, "cap_drop": ["ALL"], "volumes": ["data:/data:ro"],
    "tmpfs": ["/run"], "healthcheck": {"test": ["CMD", "true"], "retries": 2}, "sysctls": {"net.core.somaxconn": "9"},
    "stop_timeout": 4, "log_opt": {"max-size": "1m"}, "dns": ["10.0.0.2"], "publish_all": True, "tty": True,
}  # fmt: skip


def test_with_keep_it_is_asked_for_as_it_was(site_broker: Valkey, owner: Caller, host: Host) -> None:
    made = owner.post("containers/", OPTIONS)
    assert made.status_code == 202, made.content
    first = Job.objects.get()
    assert OPTIONS.keys() - {"ports", "image"} <= {name for name, value in first.command.items() if value}
    end(first, "succeeded")
    path = f"containers/{made.json()['container']['id']}/recreate/"
    assert owner.post(path, {"keep": True}).status_code == 202
    again = Job.objects.get(status="queued").command
    new = {"kind": "container.recreate", "replaces": first.command["container_id"], "renew_volumes": False}
    assert again == {**first.command, **new, "container_id": again["container_id"], "start": False}


def test_with_keep_what_is_named_is_changed(
    site_broker: Valkey, owner: Caller, host: Host, container: Container
) -> None:
    spec = {
        **container.spec, "env": {"A": "1", "B": "2", "C": "3"}, "labels": {"a": "1"}, "cpu_quota": 5000,
        "cpu_period": 10000, "memory_bytes": 64 << 20, "memory_swap": 128 << 20, "restart": "on-failure",
        "restart_limit": 3, "hostname": "web", "user": "app", "healthcheck": {"test": ["CMD", "true"]},
    }  # fmt: skip
    Container.objects.update(spec=spec, image="nginx:1")
    seen(host, 105, image="nginx:1", spec=spec)
    Container.objects.update(spec={**spec, "pull": "always"})
    same = asked(owner)
    assert (same["image"], same["env"], same["user"]) == ("docker.io/library/nginx:1", spec["env"], "app")
    assert (same["pull"], same["renew_volumes"], same["start"]) == ("missing", False, True)
    newest = asked(owner, pull="always", renew_volumes=True, start=False, name="front")
    assert (newest["pull"], newest["renew_volumes"], newest["start"], newest["name"]) == (
        "always",
        True,
        False,
        "front",
    )
    part = asked(
        owner, env={"A": "9", "B": None, "D": "4", "gone": None}, labels={"a": None, "b": "2"}, env_file="C=7\nD=5\n"
    )
    assert (part["env"], part["labels"]) == ({"A": "9", "C": "7", "D": "4"}, {"b": "2"})
    assert {name: part[name] for name in ("memory_bytes", "cpu_quota", "hostname", "user")} == {
        name: spec[name] for name in ("memory_bytes", "cpu_quota", "hostname", "user")
    }
    limits = asked(owner, cpus=2, memory_bytes=None, restart="always", user=None, healthcheck=None, image="nginx:2")
    assert (limits["cpus"], limits["cpu_quota"], limits["cpu_period"]) == (2, None, None)
    assert (limits["memory_bytes"], limits["memory_swap"]) == (None, None)
    assert (limits["restart"], limits["restart_limit"]) == ("always", None)
    assert (limits["user"], limits["healthcheck"], limits["image"]) == (None, None, "docker.io/library/nginx:2")


def test_with_keep_it_joins_what_it_is_on_now(
    site_broker: Valkey, owner: Caller, host: Host, container: Container
) -> None:
    for number, name in enumerate("abc"):
        Network.objects.create(
            team=host.team, host=host, name=name, network_id=name * 64,
            subnet=f"10.9.{number}.0/24", gateway=f"10.9.{number}.1",
        )  # fmt: skip
    for name, ip in (("a", "10.9.0.7"), ("c", "10.9.2.7")):  # it has left b, and joined c
        Endpoint.objects.create(network=Network.objects.get(name=name), container=container, ip=ip, interface="eth0")
    spec = {**container.spec, "network": "a", "ip": "10.9.0.7", "networks": ["b"]}
    Container.objects.update(spec=spec, image="nginx:1")
    same = asked(owner)
    assert (same["network"], same["ip"], same["networks"]) == ("a", "10.9.0.7", ["c"])
    moved = asked(owner, network="b")
    assert (moved["network"], moved["ip"], moved["networks"]) == ("b", None, ["c"])


def on_networks(host: Host, container: Container, spec: dict[str, Any], *names: str, **row: Any) -> dict[str, Any]:
    """The container is asked for so, and is on these of a, b and c, on the last at an address that was asked for."""
    for number, name in enumerate("abc"):
        Network.objects.get_or_create(
            name=name, host=host, team=host.team, network_id=name * 64,
            subnet=f"10.9.{number}.0/24", gateway=f"10.9.{number}.1",
        )  # fmt: skip
    Endpoint.objects.all().delete()
    for name in names:
        network = Network.objects.get(name=name)
        asked = {"ip": "10.9.2.50"} if name == "c" else {}
        Endpoint.objects.create(network=network, container=container, ip="10.9.2.50", interface="eth0", asked=asked)
    spec = {**container.spec, **spec}
    Container.objects.update(spec=spec, image="nginx:1", observed_seq=110, **row)
    return spec


def test_with_keep_nothing_is_joined_that_nobody_asked_for(
    site_broker: Valkey, owner: Caller, host: Host, container: Container
) -> None:
    on_networks(host, container, {"network": "a"}, on_default=False)
    answer = owner.post(PATH, {"keep": True})
    assert answer.status_code == 409 and "is on no network: name one" in answer.content.decode()
    assert asked(owner, network="none")["network"] == "none"
    gone = [{"network_id": "a" * 64, "network": "a"}]
    on_networks(host, container, {"network": "a", "ip": "10.9.0.7"}, on_default=False, networks_gone=gone)
    again = asked(owner)
    assert (again["network"], again["ip"]) == ("a", "10.9.0.7")  # one of that name is there again
    Network.objects.filter(name="a").delete()
    answer = owner.post(PATH, {"keep": True})
    assert answer.status_code == 400 and "There is no network a on the host" in answer.content.decode()


def test_with_keep_addresses_that_were_asked_for_go_along(
    site_broker: Valkey, owner: Caller, host: Host, container: Container
) -> None:
    on_networks(host, container, {"network": "a" * 12, "ip": "10.9.0.7"}, "a", "c", on_default=False)
    same = asked(owner)
    assert (same["network"], same["ip"], same["networks"]) == ("a" * 12, "10.9.0.7", ["c:ip=10.9.2.50"])
    assert asked(owner, network="c")["networks"] == []
    assert asked(owner, network="b", networks=[])["networks"] == []
    on_networks(host, container, {"network": "a", "networks": ["c"], "ports": [{"container": 80}]}, "a", "c")
    alone = asked(owner, network="none")
    assert (alone["network"], alone["networks"], alone["ports"]) == ("none", [], [])


def test_with_keep_a_health_check_is_changed_in_part(
    site_broker: Valkey, owner: Caller, host: Host, container: Container
) -> None:
    spec = {**container.spec, "healthcheck": {"test": ["CMD", "true"], "retries": 3}, "restart_unhealthy": True}
    Container.objects.update(spec=spec, image="nginx:1")
    part = asked(owner, healthcheck={"interval_seconds": 5.0})
    assert part["healthcheck"] == {"test": ["CMD", "true"], "retries": 3, "interval_seconds": 5.0}
    none = asked(owner, healthcheck={"test": ["NONE"]})
    assert (none["healthcheck"], none["restart_unhealthy"]) == ({"test": ["NONE"]}, False)


@pytest.mark.parametrize(
    ("spec", "change", "left"),
    [
        ({"publish_all": True, "publish_address": "0.0.0.0"}, {"publish_all": False}, {"publish_address": None}),
        ({"log_opt": {"max-size": "1m"}}, {"log_driver": "none"}, {"log_opt": {}}),
        ({"stdin_open": True, "stdin_once": True}, {"stdin_open": False}, {"stdin_once": False}),
    ],
)
def test_with_keep_what_makes_no_sense_any_more_goes(
    site_broker: Valkey, owner: Caller, host: Host, container: Container, spec: Any, change: Any, left: Any
) -> None:
    Container.objects.update(spec={**container.spec, **spec}, image="nginx:1")
    command = asked(owner, **change)
    assert {name: command[name] for name in left} == left


def test_with_keep_others_are_meant_that_were_recreated_since(
    site_broker: Valkey, owner: Caller, host: Host, container: Container
) -> None:
    other = owner.post("containers/", {"image": "nginx:1", "name": "db"}).json()["container"]["id"]
    end(Job.objects.get(), "succeeded")
    spec = {**container.spec, "network": f"container:{other}", "volumes_from": [f"{other}:ro"]}
    Container.objects.filter(pk=CONTAINER_ID).update(spec=spec, image="nginx:1")
    newer = owner.post(f"containers/{other}/recreate/", {"keep": True}).json()["container"]["id"]
    end(Job.objects.get(status="queued"), "succeeded")
    Container.objects.filter(pk=other).delete()
    command = asked(owner)
    assert (command["network"], command["volumes_from"]) == (f"container:{newer}", [f"{newer}:ro"])


@pytest.mark.parametrize(
    ("body", "status", "said"),
    [
        ({}, 400, "This is missing: name it, or send keep: true"),
        ({"image": "nginx:1", "env": {"A": None}}, 400, "goes with keep"),
        ({"keep": True, "image": ""}, 400, "image"),
        ({"keep": True, "env_file": "=1"}, 400, "env_file"),
        ({"keep": True, "memory_bytes": 1}, 400, "memory_bytes"),
        ({"keep": True, "network": "nowhere"}, 400, "There is no network nowhere"),
        ({"keep": "yes"}, 400, "Give true or false"),
        ({"image": "nginx:1", "host": "pier"}, 400, "host"),
        ({"image": "nginx:1", "memory_bytes": 1}, 400, "memory_bytes"),
        ({"image": "nginx:1", "name": "db"}, 409, "A container named db is already on the host pier"),
    ],
)
def test_what_is_wrong_is_refused_and_leaves_no_trace(
    site_broker: Valkey, owner: Caller, host: Host, container: Container, body: Any, status: int, said: str
) -> None:
    seen(host, 104, id="d" * 64, name="db")
    answer = owner.post(PATH, body)
    assert answer.status_code == status and said in answer.content.decode(), answer.content
    assert Container.objects.count() == 2 and not Job.objects.exists()


def test_one_that_goes_with_its_end_is_refused(
    site_broker: Valkey, owner: Caller, host: Host, container: Container
) -> None:
    Container.objects.update(spec={**container.spec, "auto_remove": True})
    answer = owner.post(PATH, {"image": "nginx:1"})
    assert answer.status_code == 409 and "stop it, and make a new one then" in answer.content.decode()


def test_it_counts_once_in_the_quota(site_broker: Valkey, owner: Caller, host: Host, container: Container) -> None:
    TeamPolicy.objects.update_or_create(team=host.team, defaults={"containers_quota": 1})
    assert owner.post("containers/", {"image": "nginx:1"}).status_code >= 400
    assert owner.post(PATH, {"image": "nginx:1"}).status_code == 202


@pytest.mark.parametrize("action", ["containers.create", "containers.remove"])
def test_it_takes_the_rights_to_create_and_to_remove(
    site_broker: Valkey, host: Host, container: Container, action: str
) -> None:
    for name, actions in (("some", {action}), ("both", {"containers.create", "containers.remove"})):
        role = CustomRole.objects.create(key=name, name=name)
        for one in actions | {"containers.view"}:
            role.allowed.create(action=one)
        answer = caller(member(name, host.team, name)).post(PATH, {"image": "nginx:1"})
        assert answer.status_code == (202 if name == "both" else 403), answer.content
