"""`POST /api/v1/containers/prune/`: a rehearsal changes nothing, the real one makes a job for each."""

from __future__ import annotations

import pytest

from tests.support.valkey import Valkey
from tests.webui.cast import CONTAINER_ID, Caller
from webui.accounts.models import Team
from webui.containers.models import Container
from webui.containers.pruning import containers_prune, containers_to_prune
from webui.hosts.models import Host
from webui.images.models import Image
from webui.jobs.models import Job

pytestmark = pytest.mark.django_db(transaction=True)

PATH = "containers/prune/"


def test_what_has_ended_is_told_and_then_removed(site_broker: Valkey, owner: Caller, container: Container) -> None:
    assert owner.post(PATH).json() == {"containers": []}
    Container.objects.update(observed_status="stopped", desired_status="stopped")
    assert owner.post(PATH, {"dry_run": True}).json() == {
        "containers": [{"id": CONTAINER_ID, "name": "web", "job": None}]
    }
    assert owner.post(PATH, {"host": "pier", "labels": ["other"]}).json() == {"containers": []}
    assert owner.post(PATH, {"until": 5}).json() == {"containers": []}
    assert not Job.objects.exists()
    (row,) = owner.post(PATH, {"host": "pier"}).json()["containers"]
    assert row["job"]["id"] == str(Job.objects.get().pk)


def test_others_remove_nothing(site_broker: Valkey, teammate: Caller, outsider: Caller, container: Container) -> None:
    Container.objects.update(observed_status="stopped", desired_status="stopped")
    assert teammate.post(PATH).json() == outsider.post(PATH).json() == {"containers": []}
    assert outsider.post(PATH, {"host": "pier"}).status_code == 404
    assert teammate.post(PATH, {"until": -1}).status_code == 400
    assert not Job.objects.exists()


@pytest.fixture
def fleet(team: Team, host: Host) -> None:
    states = {
        "runs": "running",
        "ended": "stopped",
        "never": "created",
        "starts": "created",
        "waits": "restarting",
        "pulls": "pending",
    }
    for number, (name, status) in enumerate(states.items()):
        Container.objects.create(
            id=f"{number:064x}", team=team, host=host, name=name, image="alpine", observed_status=status,
            desired_status="stopped" if name == "never" else "running",
            spec={"labels": {"stage": "test"} if name == "ended" else {}},
        )  # fmt: skip


def names(caller: Caller, **filters: object) -> set[str]:
    assert caller.user is not None
    return {row.name for row in containers_to_prune(user=caller.user, **filters)}  # type: ignore[arg-type]


def test_only_what_has_ended_goes_and_filters_narrow_it(
    site_broker: Valkey,
    fleet: None,
    owner: Caller,
    host: Host,
) -> None:
    assert names(owner) == {"ended", "never"}
    assert names(owner, labels=["stage"]) == names(owner, labels=["stage=test"]) == {"ended"}
    assert names(owner, not_labels=["stage"]) == {"never"}
    assert names(owner, not_labels=["stage=live"]) == names(owner, not_labels=["stage", "keep"]) == {"ended", "never"}
    Container.objects.update(image_id="sha256:1")
    Image.objects.create(
        team=host.team, host=host, image_id="sha256:1", config={"labels": {"stage": "live", "keep": ""}}
    )
    assert names(owner, labels=["keep"]) == {"ended", "never"}  # labels of the image are the container's
    assert names(owner, not_labels=["keep", "stage=live"]) == {"ended"}
    Image.objects.all().delete()
    assert names(owner, labels=["stage=live"]) == names(owner, until=5.0) == names(owner, host="other") == set()
    assert owner.user is not None
    assert {row.name for row, _ in containers_prune(user=owner.user, host=host.pk)} == {"ended", "never"}
    assert {(job.kind, job.command["force"]) for job in Job.objects.all()} == {("container.remove", False)}
    assert names(owner) == set()


def test_who_may_not_remove_prunes_nothing(
    site_broker: Valkey,
    fleet: None,
    teammate: Caller,
    outsider: Caller,
) -> None:
    assert names(teammate) == names(outsider) == set()
