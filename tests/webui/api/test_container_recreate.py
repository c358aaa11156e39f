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


@pytest.mark.parametrize(
    ("body", "status", "said"),
    [
        ({}, 400, "This is missing"),
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
