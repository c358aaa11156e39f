"""Places, plans and backups over REST: who may, what hosts are asked, what becomes of it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.utils import timezone

from tests.support.valkey import Valkey
from tests.webui.cast import Caller, caller, member
from webui.accounts.models import Grant, Role, Team, User
from webui.backups import places, services
from webui.backups.models import Backup, BackupPlace, BackupPlan
from webui.containers.models import Container
from webui.hosts.models import Host
from webui.jobs.models import Job
from webui.jobs.services import job_apply
from webui.policies.models import TeamPolicy
from webui.volumes.models import Volume

pytestmark = pytest.mark.django_db(transaction=True)

STORAGE = {
    "name": "vault", "kind": "s3", "endpoint": "https://s3.example.com", "bucket": "backups", "prefix": "box",
    "access_key": "AK", "secret_key": "very secret",
}  # fmt: skip


@pytest.fixture
def vault(owner: Caller, team: Team) -> BackupPlace:
    answer = owner.post("backup-places/", STORAGE)
    assert answer.status_code == 201, answer.content
    assert "very secret" not in answer.content.decode()
    return BackupPlace.objects.get()


@pytest.fixture
def administrator(owner: Caller) -> User:
    """The owner, with all rights."""
    user = User.objects.get(username="owner")
    user.is_superuser = True
    user.save()
    return user


def end(job: Job, **more: Any) -> None:
    job_apply(job=job, finished={"status": "succeeded", "at": timezone.now(), "result": {}, "error": None, **more})


def test_a_secret_key_is_kept_and_goes_only_where_it_was_meant_for(
    site_broker: Valkey, owner: Caller, vault: BackupPlace, host: Host
) -> None:
    assert "very secret" not in vault.encrypted_secret_key and vault.encrypted_secret_key
    without = {name: value for name, value in STORAGE.items() if name != "secret_key"}
    assert owner.post("backup-places/", {**without, "bucket": "other"}).status_code == 201
    for change in ({"endpoint": "https://evil.example.com"}, {"access_key": "BK"}, {"tls_verify": False}):
        answer = owner.post("backup-places/", {**without, **change})
        assert (answer.status_code, list(answer.json()["errors"])) == (400, ["secret_key"])
    assert owner.post(f"backup-places/{vault.pk}/test/").status_code == 202
    job = Job.objects.get()
    assert job.command["place"]["bucket"] == "other"
    assert "secret" not in str(job.command)
    assert places.backup_job_secrets(job) == {"access_key": "AK", "secret_key": "very secret"}
    end(job, status="failed", error={"family": "not_found", "message": "no bucket", "detail": {}})
    (shown,) = owner.get("backup-places/").json()["results"]
    assert (shown["tried"]["ok"], shown["tried"]["message"], shown["access_key"]) == (False, "no bucket", "AK")


@pytest.mark.parametrize(
    ("change", "field", "status"),
    [
        ({"name": ""}, "name", 400),
        ({"kind": "tape"}, "kind", 400),
        ({"endpoint": "s3.example.com"}, "endpoint", 400),
        ({"endpoint": "https://user@s3.example.com"}, "endpoint", 400),
        ({"endpoint": "https://:word@s3.example.com"}, "endpoint", 400),
        ({"endpoint": "https://[::1"}, "endpoint", 400),
        ({"endpoint": "https://s3.example.com:port"}, "endpoint", 400),
        ({"bucket": ""}, "bucket", 400),
        ({"prefix": "../x"}, "prefix", 400),
        ({"ca_pem": "no pem"}, "ca_pem", 400),
        ({"directory": "/srv"}, "directory", 400),
        ({"reaches_local": True}, "reaches_local", 403),
        ({"kind": "directory", "directory": "srv"}, "directory", 400),
    ],
)
def test_a_place_that_can_not_be_is_refused_at_its_field(
    owner: Caller, host: Host, change: dict[str, Any], field: str, status: int
) -> None:
    answer = owner.post("backup-places/", {**STORAGE, **change})
    assert answer.status_code == status and field in answer.json()["errors"], answer.content
    assert not BackupPlace.objects.exists()


def test_only_an_administrator_opens_a_directory_of_the_host(
    site_broker: Valkey, owner: Caller, teammate: Caller, volume: Volume, host: Host
) -> None:
    wish = {"name": "disk", "kind": "directory", "directory": "/srv/backups"}
    answer = owner.post("backup-places/", wish)
    assert (answer.status_code, list(answer.json()["errors"])) == (403, ["directory"])
    User.objects.filter(username="owner").update(is_superuser=True)
    assert owner.post("backup-places/", wish).json()["host"]["id"] == host.pk
    place = BackupPlace.objects.get()
    assert teammate.post(f"volumes/{volume.pk}/backups/", {"place": str(place.pk)}).status_code == 202
    command = Job.objects.get().command
    assert (command["place"]["kind"], command["place"]["directory"]) == ("directory", "/srv/backups")
    assert teammate.post("backup-places/", STORAGE).status_code == 403
    other = Host.objects.create(id="9" * 36, name="other", team=host.team)
    elsewhere = Volume.objects.create(team=host.team, host=other, name="far")
    assert owner.post(f"volumes/{elsewhere.pk}/backups/", {"place": str(place.pk)}).status_code == 400


def test_a_backup_is_made_by_a_job_and_restored(
    site_broker: Valkey, owner: Caller, vault: BackupPlace, volume: Volume, container: Container
) -> None:
    begun = owner.post(f"volumes/{volume.pk}/backups/", {"place": str(vault.pk), "pause": True}).json()["backup"]
    job = Job.objects.get()
    assert (begun["status"], begun["job"], job.command["pause"]) == ("running", str(job.pk), True)
    assert begun["key"].startswith("data/") and job.command["key"] == begun["key"]
    assert owner.post(f"backups/{begun['id']}/restore/").status_code == 409, "it isn't whole yet"
    assert owner.delete(f"backups/{begun['id']}/").status_code == 409
    end(job, result={"size_bytes": 5, "raw_bytes": 50, "digest": "sha256:abc"})
    (shown,) = owner.get(f"volumes/{volume.pk}/backups/").json()["results"]
    assert (shown["status"], shown["size_bytes"], shown["files_bytes"]) == ("succeeded", 5, 50)
    assert owner.get(shown["url"]).json() == shown
    container.mounted = [{"type": "volume", "name": "data", "destination": "/data"}]
    container.observed_status = "running"
    container.save()
    assert owner.post(f"backups/{begun['id']}/restore/").status_code == 409
    assert owner.post(f"backups/{begun['id']}/restore/", {"stop": True}).status_code == 202
    assert owner.post(f"backups/{begun['id']}/restore/", {"name": "new"}).status_code == 202
    for name, stop in (("data", True), ("new", False)):
        command = Job.objects.get(kind="volume.restore", subject=name).command
        assert (command["key"], command["digest"], command["stop"]) == (begun["key"], "sha256:abc", stop)
    assert owner.delete(f"backups/{begun['id']}/").status_code == 202
    assert Backup.objects.exists(), "until the host has done it"
    end(Job.objects.get(kind="backup.remove"))
    assert not Backup.objects.exists()


def test_a_failure_is_told(site_broker: Valkey, owner: Caller, vault: BackupPlace, volume: Volume) -> None:
    owner.post(f"volumes/{volume.pk}/backups/", {"place": str(vault.pk)})
    error = {"family": "resource_exhausted", "message": "the disk is full", "detail": {}}
    end(Job.objects.get(), status="failed", error=error)
    (shown,) = owner.get(f"volumes/{volume.pk}/backups/").json()["results"]
    assert (shown["status"], shown["error"]) == ("failed", "the disk is full")


def test_a_plan_backs_up_when_it_is_due_and_keeps_the_last(
    site_broker: Valkey, owner: Caller, vault: BackupPlace, volume: Volume
) -> None:
    wish = {"place": str(vault.pk), "schedule": "0 3 * * *", "keep": 2}
    assert owner.post(f"volumes/{volume.pk}/plans/", wish).status_code == 201
    plan = BackupPlan.objects.get()
    assert (plan.next_at.hour, plan.next_at.minute) == (3, 0) and plan.next_at > timezone.now()
    assert services.plans_due(timezone.now()) == []
    now = plan.next_at
    for number in range(4):
        (backup,) = services.plans_due(now)
        assert services.plans_due(now) == []
        end(Job.objects.get(pk=backup.job_id), **({} if number != 1 else {"status": "failed"}))
        now += timedelta(days=1)
    (removal,) = Job.objects.filter(kind="backup.remove")
    end(removal)
    states = list(Backup.objects.order_by("started_at").values_list("status", flat=True))
    assert states == ["succeeded", "succeeded"], "and what failed before them is forgotten"
    assert owner.delete(f"backup-places/{vault.pk}/").status_code == 409
    assert owner.get(f"volumes/{volume.pk}/plans/").json()["plans"][0]["keep"] == 2
    assert owner.delete(f"backup-plans/{plan.pk}/").status_code == 204
    assert Backup.objects.count() >= 2
    assert owner.delete(f"backup-places/{vault.pk}/").status_code == 204


def test_a_plan_whose_last_backup_still_runs_waits(
    site_broker: Valkey, owner: Caller, vault: BackupPlace, volume: Volume
) -> None:
    owner.post(f"volumes/{volume.pk}/plans/", {"place": str(vault.pk), "schedule": "*/5 * * * *"})
    plan = BackupPlan.objects.get()
    assert len(services.plans_due(plan.next_at)) == 1
    plan.refresh_from_db()
    assert services.plans_due(plan.next_at) == []


def test_what_can_not_be_asked_of_a_host_is_a_failure_of_its_plan(
    site_broker: Valkey, owner: Caller, vault: BackupPlace, volume: Volume
) -> None:
    owner.post(f"volumes/{volume.pk}/plans/", {"place": str(vault.pk), "schedule": "*/5 * * * *"})
    BackupPlace.objects.update(encrypted_secret_key="of another site")
    assert services.plans_due(BackupPlan.objects.get().next_at) == []
    backup = Backup.objects.get()
    assert (backup.status, "enter it again" in backup.error) == ("failed", True)
    BackupPlace.objects.update(encrypted_secret_key=vault.encrypted_secret_key)
    assert owner.delete(f"backups/{backup.pk}/").status_code == 202
    assert Job.objects.get().command["keys"] == [backup.key] and backup.key.startswith("data/")


def test_a_plan_with_no_schedule_that_is_one_holds_up_no_other(
    site_broker: Valkey, owner: Caller, vault: BackupPlace, volume: Volume
) -> None:
    for _ in range(2):
        owner.post(f"volumes/{volume.pk}/plans/", {"place": str(vault.pk), "schedule": "*/5 * * * *"})
    wrong, right = BackupPlan.objects.order_by("created_at")
    BackupPlan.objects.filter(pk=wrong.pk).update(schedule="* * * * * *")
    (begun,) = services.plans_due(right.next_at)
    assert begun.plan_id == right.pk
    wrong.refresh_from_db()
    assert (wrong.is_enabled, wrong.backups.get().status) == (False, "failed")


def test_a_plan_that_always_fails_keeps_its_last_failures_alone(
    site_broker: Valkey, owner: Caller, vault: BackupPlace, volume: Volume, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(services, "FAILURES_MAXIMUM", 2)
    owner.post(f"volumes/{volume.pk}/plans/", {"place": str(vault.pk), "schedule": "*/5 * * * *"})
    now, begun = BackupPlan.objects.get().next_at, []
    for _ in range(4):
        begun += services.plans_due(now)
        end(Job.objects.get(pk=begun[-1].job_id), status="failed")
        now += timedelta(minutes=5)
    newest = [one.pk for one in begun[-2:]]
    assert set(Backup.objects.values_list("pk", flat=True)) == set(newest)
    BackupPlace.objects.update(encrypted_secret_key="of another site")
    assert services.plans_due(now) == []
    assert Backup.objects.count() == 2 and newest[0] not in Backup.objects.values_list("pk", flat=True)


def test_a_backup_counts_though_older_ones_can_not_be_removed(
    site_broker: Valkey, owner: Caller, vault: BackupPlace, volume: Volume
) -> None:
    owner.post(f"volumes/{volume.pk}/plans/", {"place": str(vault.pk), "schedule": "*/5 * * * *", "keep": 1})
    now = BackupPlan.objects.get().next_at
    (first,) = services.plans_due(now)
    end(Job.objects.get(pk=first.job_id))
    (second,) = services.plans_due(now + timedelta(minutes=5))
    BackupPlace.objects.update(encrypted_secret_key="of another site")
    end(Job.objects.get(pk=second.job_id))
    assert list(Backup.objects.values_list("status", flat=True)) == ["succeeded", "succeeded"]


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"schedule": "every day"}, "schedule: Give five fields"),
        ({"schedule": "61 * * * *"}, "schedule: The minute is none"),
        ({"schedule": "0 0 31 2 *"}, "schedule: The day-of-month is none, or never comes"),
        ({"schedule": "* * * * * *"}, "schedule: Give five fields"),
        ({"keep": 0}, "keep: "),
        ({"place": "8f5a3c1e-0000-4000-8000-000000000009"}, "place: "),
    ],
)
def test_a_plan_that_can_not_be_is_refused(
    owner: Caller, vault: BackupPlace, volume: Volume, change: dict[str, Any], told: str
) -> None:
    answer = owner.post(f"volumes/{volume.pk}/plans/", {"place": str(vault.pk), "schedule": "0 3 * * *", **change})
    assert answer.status_code == 400
    ((field, (message,)),) = answer.json()["errors"].items()
    assert f"{field}: {message}".startswith(told)


def test_times_are_as_cron_has_them() -> None:
    after = datetime(2026, 2, 27, 12, 0, tzinfo=UTC)
    assert services.next_time("30 4 1 * *", after) == datetime(2026, 3, 1, 4, 30, tzinfo=UTC)
    assert services.next_time("0 0 * * 1-5", after) == datetime(2026, 3, 2, tzinfo=UTC)


def test_a_backup_is_brought_to_no_host_where_one_may_not(
    site_broker: Valkey, owner: Caller, team: Team, vault: BackupPlace, volume: Volume, host: Host
) -> None:
    """Nor beyond the quota of volumes."""
    begun = owner.post(f"volumes/{volume.pk}/backups/", {"place": str(vault.pk)}).json()["backup"]
    end(Job.objects.get(), result={"size_bytes": 5, "raw_bytes": 50, "digest": "sha256:abc"})
    other = Host.objects.create(pk="other", team=team, name="other", session="s", heartbeat_at=timezone.now())
    user = member("ann", team, Role.VIEWER)
    Grant.objects.create(membership=user.memberships.get(), role=Role.DEVELOPER, host=host)
    ann, path = caller(user), f"backups/{begun['id']}/restore/"
    assert ann.post(path, {"host": other.pk, "name": "new"}).status_code == 403
    assert ann.post(path, {"name": "new"}).status_code == 202
    TeamPolicy.objects.create(team=team, volumes_quota=1)
    assert owner.post(path, {"name": "newer"}).json()["family"] == "resource_exhausted"
    assert owner.post(path).status_code == 202, "this one is there already"


def test_backups_of_a_lost_volume_are_found_and_brought_back(
    site_broker: Valkey, owner: Caller, outsider: Caller, vault: BackupPlace, volume: Volume, host: Host
) -> None:
    begun = owner.post(f"volumes/{volume.pk}/backups/", {"place": str(vault.pk)}).json()["backup"]
    end(Job.objects.get(), result={"size_bytes": 5, "raw_bytes": 50, "digest": "sha256:abc"})
    volume.delete()
    (shown,) = owner.get("backups/?volume=data&host=pier&place=vault&status=succeeded").json()["results"]
    assert (shown["id"], shown["volume"]) == (begun["id"], {"id": None, "name": "data"})
    for miss in ("volume=other", "place=other", "status=failed", "host=other"):
        assert owner.get(f"backups/?{miss}").json()["results"] == []
    assert outsider.get("backups/").json()["results"] == []
    assert owner.post(f"backups/{begun['id']}/restore/").status_code == 202
    assert Job.objects.get(kind="volume.restore").command["name"] == "data"
    again = Volume.objects.create(team=host.team, host=host, name="data")
    other = Volume.objects.create(team=host.team, host=host, name="other")
    assert [one["id"] for one in owner.get(f"volumes/{again.pk}/backups/").json()["results"]] == [begun["id"]]
    assert owner.get(f"volumes/{other.pk}/backups/").json()["results"] == []
    owner.client.force_login(User.objects.get(username="owner"))
    assert f'data-restore="{begun["id"]}"' in owner.client.get(f"/volumes/{again.pk}/").content.decode()


def test_the_page_lists_places_for_those_who_manage_them(
    owner: Caller, teammate: Caller, vault: BackupPlace, volume: Volume
) -> None:
    vault.tried = {"at": "", "host": "pier", "ok": False, "message": "no <b>bucket"}
    vault.save()
    pages = []
    for who in ("owner", "teammate"):
        owner.client.force_login(User.objects.get(username=who))
        pages.append(owner.client.get(f"/volumes/{volume.pk}/").content.decode())
    buttons = [f'data-place-{what}="{vault.pk}"' for what in ("test", "remove")]
    assert all(button in pages[0] for button in buttons) and "no &lt;b&gt;bucket" in pages[0]
    assert not any(button in pages[1] for button in buttons)


def test_a_plan_is_changed_and_rests(
    site_broker: Valkey, owner: Caller, vault: BackupPlace, volume: Volume, host: Host
) -> None:
    assert owner.post("backup-places/", {**STORAGE, "name": "other"}).status_code == 201
    other = BackupPlace.objects.get(name="other")
    wish = {"place": str(vault.pk), "schedule": "0 3 * * *", "keep": 2}
    path = owner.post(f"volumes/{volume.pk}/plans/", wish).json()["url"].removeprefix("/api/v1/")
    changed = owner.call("patch", path, {"place": str(other.pk), "keep": 5, "pause": True}).json()
    assert (changed["place"]["name"], changed["keep"], changed["pause"]) == ("other", 5, True)
    assert changed["schedule"] == "0 3 * * *"
    later = owner.call("patch", path, {"schedule": "0 4 1 1 *"}).json()
    assert later["next_at"].partition("-")[2].startswith("01-01T04:00")
    assert owner.call("patch", path, {"enabled": False}).json()["enabled"] is False
    missed = timezone.now() - timedelta(days=9)
    BackupPlan.objects.update(next_at=missed)
    assert services.plans_due(timezone.now()) == []
    assert owner.call("patch", path, {"enabled": True}).json()["next_at"] > missed.isoformat()
    assert services.plans_due(timezone.now()) == [], "what it would have done meanwhile is not made up for"
    for wrong in ({"schedule": "now"}, {"keep": 0}, {"place": str(volume.team_id)}):
        answer = owner.call("patch", path, wrong)
        assert (answer.status_code, list(answer.json()["errors"])) == (400, list(wrong))


def test_a_place_is_changed_and_keeps_its_key_as_long_as_it_is_the_same(
    site_broker: Valkey, owner: Caller, vault: BackupPlace, host: Host
) -> None:
    path = f"backup-places/{vault.pk}/"
    changed = owner.call("patch", path, {"name": "safe", "prefix": "new"}).json()
    assert [changed[name] for name in ("name", "prefix", "bucket")] == ["safe", "new", "backups"]
    kept = BackupPlace.objects.get()
    assert (kept.pk, kept.encrypted_secret_key) == (vault.pk, vault.encrypted_secret_key)
    away = {"endpoint": "https://evil.example.com"}
    assert list(owner.call("patch", path, away).json()["errors"]) == ["secret_key"]
    assert owner.call("patch", path, {**away, "secret_key": "another"}).status_code == 200
    owner.post("backup-places/", STORAGE)
    assert list(owner.call("patch", path, {"name": "vault"}).json()["errors"]) == ["name"]
    assert owner.call("patch", path, {"reaches_local": True}).status_code == 403
    assert list(owner.call("patch", path, {"kind": "directory"}).json()["errors"]) == ["kind"]


def test_another_team_sees_nothing(
    owner: Caller, outsider: Caller, vault: BackupPlace, volume: Volume, site_broker: Valkey
) -> None:
    owner.post(f"volumes/{volume.pk}/backups/", {"place": str(vault.pk)})
    backup = Backup.objects.get()
    assert outsider.get("backup-places/").json()["results"] == []
    for path in (f"backups/{backup.pk}/", f"volumes/{volume.pk}/backups/", f"volumes/{volume.pk}/plans/"):
        assert outsider.get(path).status_code == 404
    assert outsider.post(f"backups/{backup.pk}/restore/").status_code == 404
