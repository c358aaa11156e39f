"""A newer image exists: who is asked when, and what becomes of the answers."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.utils import timezone

from tests.support.valkey import Valkey
from tests.webui.cast import IMAGE_ID, Caller
from webui.accounts.models import Membership, Role, Team
from webui.hosts.models import Host
from webui.images import services
from webui.images.models import Image, RemoteTag
from webui.images.newer import lookups_due, watched_tags
from webui.jobs.models import Job
from webui.jobs.services import job_apply
from worker.contract.events import ImageState

pytestmark = pytest.mark.django_db(transaction=True)

OLD, NEW = "sha256:" + "1" * 64, "sha256:" + "2" * 64
ALPINE = "docker.io/library/alpine:latest"
LATER = timedelta(hours=13)


@pytest.fixture
def pulled(site_broker: Valkey, team: Team, host: Host) -> Image:
    state = ImageState(id=IMAGE_ID, tags=("alpine:latest", "mine:1"), digests=(f"alpine@{OLD}",))
    return services.image_apply_state(host=host, team=team, state=state)


def answer(job: Job, digest: str | None, **more: Any) -> None:
    images = [{"reference": reference, "digest": digest, "problem": ""} for reference in job.command["references"]]
    finished = {"status": "succeeded", "at": datetime.now(UTC), "result": {"images": images}}
    job_apply(job=job, finished={**finished, **more})


def test_only_tags_that_came_from_a_registry_are_asked_for() -> None:
    assert watched_tags(["alpine:latest", "mine:1", "b a d"], [f"alpine@{OLD}", "x x"]) == {ALPINE: "alpine:latest"}


def test_a_tag_that_moved_is_shown_until_it_is_pulled_again(
    owner: Caller, team: Team, host: Host, pulled: Image
) -> None:
    answer_ids = owner.post("images/lookup/", {"images": [pulled.pk]}).json()["jobs"]
    assert len(answer_ids) == 1
    job = Job.objects.get()
    assert (job.command["references"], job.subject) == ([ALPINE], "docker.io")
    answer(job, NEW)
    assert owner.get(f"images/{pulled.pk}/").json()["newer"] == ["alpine:latest"]
    state = ImageState(id="sha256:newer", tags=("alpine:latest",), digests=(f"alpine@{NEW}",))
    assert services.image_apply_state(host=host, team=team, state=state).newer == []
    left = services.image_apply_state(host=host, team=team, state=ImageState(id=IMAGE_ID, digests=(f"alpine@{OLD}",)))
    assert left.newer == []


def test_the_same_digest_or_none_is_nothing_new(owner: Caller, pulled: Image) -> None:
    for digest in (OLD, None):
        Job.objects.all().delete()
        owner.post("images/lookup/")
        answer(Job.objects.get(), digest)
        pulled.refresh_from_db()
        assert pulled.newer == []


def test_tags_are_asked_for_twice_a_day_and_once(team: Team, pulled: Image) -> None:
    now = timezone.now()
    assert lookups_due(now) == []  # it was pulled just now
    (job,) = lookups_due(now + LATER)
    assert lookups_due(now + LATER) == []  # that one is still under way
    answer(job, OLD)
    assert lookups_due(now + timedelta(hours=1)) == []
    RemoteTag.objects.update(checked_at=now - LATER)
    Image.objects.update(updated_at=now - LATER)
    assert len(lookups_due(now)) == 1


def test_a_registry_that_refuses_is_left_alone_and_what_was_known_stays(team: Team, pulled: Image) -> None:
    RemoteTag.objects.create(team=team, reference=ALPINE, digest=NEW, checked_at=timezone.now() - LATER)
    Image.objects.update(updated_at=timezone.now() - LATER)
    (job,) = lookups_due(timezone.now())
    error = {"family": "resource_exhausted", "message": "too many requests", "detail": {}}
    answer(job, None, status="failed", result={}, error=error)
    known = RemoteTag.objects.get()
    assert (known.digest, known.problem) == (NEW, "too many requests")
    assert lookups_due(timezone.now()) == []


def test_nobody_is_asked_where_that_is_turned_off_or_the_host_is_away(pulled: Image, host: Host, settings: Any) -> None:
    from dataclasses import replace

    Image.objects.update(updated_at=timezone.now() - LATER)
    Host.objects.update(heartbeat_at=None)
    assert lookups_due(timezone.now()) == []
    Host.objects.update(heartbeat_at=timezone.now())
    settings.PORTSIDE = replace(settings.PORTSIDE, lookup_hours=0)
    assert lookups_due(timezone.now()) == []


def test_images_of_teams_in_which_one_may_not_pull_are_passed_over(
    owner: Caller, teammate: Caller, outsider: Caller, pulled: Image, host: Host
) -> None:
    theirs = Team.objects.get(name="Lighthouse")
    Membership.objects.create(user=teammate.user, team=theirs, role=Role.DEVELOPER)
    Image.objects.create(team=theirs, host=host, image_id="sha256:x", tags=["b:1"], digests=[f"b@{OLD}"])
    assert len(teammate.post("images/lookup/").json()["jobs"]) == 1
    assert Job.objects.get().command["references"] == ["docker.io/library/b:1"]


def test_who_may_not_pull_may_not_ask(teammate: Caller, outsider: Caller, pulled: Image) -> None:
    assert teammate.post("images/lookup/").status_code == 403
    assert outsider.post("images/lookup/").json() == {"jobs": []}
    assert not Job.objects.exists()
