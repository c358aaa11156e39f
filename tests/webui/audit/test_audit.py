"""The audit log: everything that people change is in it, nothing leaves it, and each reads what is for him."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path
from typing import Any

import pytest
from django.apps import apps
from django.core.management import CommandError, call_command
from django.db import DatabaseError, connection, transaction
from django.test import Client
from django.utils import timezone

from tests.support.valkey import Valkey
from tests.webui.cast import PASSWORD, Caller
from webui.accounts.models import Team, User
from webui.audit import recording, triggers
from webui.audit.models import AuditEntry, Result
from webui.audit.tracking import HIDDEN, TRACKED, UNTRACKED
from webui.containers.models import Container
from webui.images.models import RegistryCredential
from webui.jobs.models import Job
from webui.jobs.services import job_apply

pytestmark = pytest.mark.django_db


def last(**wanted: Any) -> AuditEntry:
    return AuditEntry.objects.filter(**wanted).order_by("-id")[0]


def test_of_every_model_it_is_said_whether_its_changes_are_written_down() -> None:
    """A new model belongs into `TRACKED`, or with a reason into `UNTRACKED` (webui/audit/tracking.py)."""
    ours = {model._meta.label for model in apps.get_models() if model.__module__.startswith("webui.")}
    assert ours == {*TRACKED, *UNTRACKED}
    for label, tracked in TRACKED.items():
        fields = {field.name for field in apps.get_model(label)._meta.concrete_fields}
        assert tracked.hidden | tracked.passed_over <= fields, label


def test_a_job_says_who_asked_through_which_door_and_how_it_ended(
    site_broker: Valkey, owner: Caller, container: Container
) -> None:
    answer = owner.post(f"containers/{container.pk}/stop/")
    entry = AuditEntry.objects.get(job_id=answer.json()["job"]["id"])
    assert (entry.actor_name, entry.door, entry.token, entry.address) == ("owner", "rest", "test", "127.0.0.1")
    assert (entry.action, entry.object_name, entry.object_id) == ("container.stop", "web", container.pk)
    assert (entry.team_name, entry.host_name) == (container.team.name, container.host.name)
    assert entry.result == Result.ASKED
    failed = {"status": "failed", "at": timezone.now(), "error": {"family": "conflict", "message": "no"}}
    job_apply(job=Job.objects.get(pk=entry.job_id), finished=failed)
    entry.refresh_from_db()
    assert (entry.result, entry.error) == (Result.FAILED, "no")


def test_values_that_may_be_secret_are_not_in_it(site_broker: Valkey, owner: Caller, container: Container) -> None:
    body = {"host": container.host.name, "image": "alpine", "name": "new", "env": {"PASSWORD": "hunter2"}}
    assert owner.post("containers/", body).status_code == 202
    entry = last(action="container.create")
    assert entry.after is not None
    assert entry.after["env"] == {"PASSWORD": HIDDEN}
    assert "hunter2" not in json.dumps(entry.after)


def test_of_instructions_for_an_image_only_their_names_are_in_it(
    site_broker: Valkey, owner: Caller, container: Container
) -> None:
    body = {"reference": "web:2", "changes": ["ENV PASSWORD=hunter2", "EXPOSE 80"]}
    answer = owner.post(f"containers/{container.pk}/commit/", body)
    assert answer.status_code == 202, answer.json()
    entry = last(action="container.commit")
    assert entry.after is not None
    assert entry.after["changes"] == [f"ENV {HIDDEN}", f"EXPOSE {HIDDEN}"]
    assert "hunter2" not in json.dumps(entry.after)


def test_a_change_says_what_was_before(owner: Caller, team: Team) -> None:
    assert owner.call("patch", f"teams/{team.pk}/", {"keep_logs_days": 3}).status_code == 200
    entry = last(action="team.update")
    assert (entry.before, entry.after) == ({"keep_logs_days": 7}, {"keep_logs_days": 3})
    assert (entry.actor_name, entry.object_name, entry.team_id) == ("owner", team.name, team.pk)


def test_of_a_password_only_that_it_changed_is_said(owner: Caller, credential: RegistryCredential) -> None:
    created = last(action="registry.create")
    assert created.after is not None
    assert created.after["encrypted_password"] == HIDDEN
    credential.encrypted_password = "something else"
    credential.save()
    changed = last(action="registry.update")
    assert (changed.before, changed.after) == ({"encrypted_password": HIDDEN}, {"encrypted_password": HIDDEN})
    name = credential.registry
    credential.delete()
    assert last(action="registry.remove").object_name == name


def test_what_says_nothing_new_is_no_change(team: Team) -> None:
    before = AuditEntry.objects.count()
    team.save()
    User.objects.create(username="ann").save(update_fields=["last_login"])
    assert AuditEntry.objects.count() == before + 1  # ann


def test_what_is_old_in_an_instance_and_not_written_is_no_change(team: Team) -> None:
    old = Team.objects.get(pk=team.pk)
    team.keep_logs_days = 3
    team.save()
    old.name = "Quay"
    old.save(update_fields=["name"])
    entry = last(action="team.update")
    assert (entry.before, entry.after) == ({"name": "Harbour"}, {"name": "Quay"})


def test_what_is_refused_is_written_down_once_the_rest_is_undone(
    site_broker: Valkey, teammate: Caller, container: Container
) -> None:
    assert teammate.delete(f"containers/{container.pk}/").status_code == 403
    entry = last(result=Result.REFUSED)
    assert (entry.actor_name, entry.team_name) == ("teammate", container.team.name)
    assert f"/containers/{container.pk}/" in entry.object_name
    assert "does not allow this" in entry.error


def test_a_flood_of_refusals_is_cut_off(
    monkeypatch: pytest.MonkeyPatch, site_broker: Valkey, teammate: Caller, container: Container
) -> None:
    monkeypatch.setattr(recording, "REFUSALS_A_MINUTE", 3)
    for _ in range(5):
        assert teammate.delete(f"containers/{container.pk}/").status_code == 403
    assert AuditEntry.objects.filter(result=Result.REFUSED).count() == 3


def test_signing_in_and_out_and_failing_to() -> None:
    user = User.objects.create_user(username="ann", password=PASSWORD)
    client = Client(REMOTE_ADDR="203.0.113.7")
    client.post("/login/", {"username": "ann", "password": "wrong one"})
    failed = last(action="session.sign_in")
    assert (failed.result, failed.object_name, failed.address) == (Result.REFUSED, "ann", "203.0.113.7")
    client.post("/login/", {"username": "hunter2-typed-here", "password": "x"})
    assert last(action="session.sign_in").object_name == "hu…"
    client.post("/login/", {"username": "ann", "password": PASSWORD})
    assert (last(action="session.sign_in").result, last(action="session.sign_in").actor_id) == ("succeeded", user.pk)
    client.post("/logout/")
    assert (last(action="session.sign_out").actor_name, last(action="session.sign_out").door) == ("ann", "pages")


@pytest.fixture
def guarded(db: None) -> Any:
    """The table as it is outside of tests."""
    triggers.install(connection)
    yield
    triggers.uninstall(connection)


def test_the_database_takes_back_nothing(guarded: None) -> None:
    entry = recording.entry_record(action="test", result=Result.ASKED)
    rows = AuditEntry.objects.filter(pk=entry.pk)
    for attempt in (
        lambda: rows.update(actor_name="somebody else"),
        lambda: rows.update(result=Result.SUCCEEDED, at=timezone.now()),
        rows.delete,
        lambda: connection.cursor().execute(f"DELETE FROM {triggers.TABLE}"),
    ):
        with pytest.raises(DatabaseError, match="append-only"), transaction.atomic():
            attempt()
    assert rows.update(result=Result.FAILED, error="why") == 1
    with pytest.raises(DatabaseError, match="append-only"), transaction.atomic():
        rows.update(result=Result.SUCCEEDED)
    with pytest.raises(TypeError):
        entry.save()


def test_its_columns_are_all_guarded() -> None:
    columns = {field.column for field in AuditEntry._meta.concrete_fields}
    assert columns == {*triggers.COLUMNS, "result", "error"}


def test_each_reads_what_is_for_him(
    team: Team, owner: Caller, teammate: Caller, outsider: Caller, nobody: Caller
) -> None:
    own = recording.entry_record(action="session.sign_in", user=teammate.user)
    others = recording.entry_record(action="container.stop", user=owner.user, team=team)

    def seen(caller: Caller) -> set[int]:
        return {entry["id"] for entry in caller.get("audit/?page_size=1000").json()["results"]}

    assert {others.pk} == {own.pk, others.pk} & seen(owner)
    assert {own.pk} == {own.pk, others.pk} & seen(teammate)
    assert not {own.pk, others.pk} & seen(outsider)
    assert nobody.get("audit/").status_code == 401
    assert owner.get(f"audit/{others.pk}/").status_code == 200
    assert outsider.get(f"audit/{others.pk}/").status_code == 404
    exported = outsider.get("audit/export/?as=ndjson")
    assert others.action.encode() not in b"".join(exported.streaming_content)


def test_filters_find_and_pages_follow_one_another(team: Team, owner: Caller) -> None:
    for number in range(5):
        recording.entry_record(action="container.stop", user=owner.user, team=team, object_name=f"web-{number}")
    recording.entry_record(action="image.pull", user=owner.user, team=team, object_name="alpine", result=Result.FAILED)
    assert [e["object_name"] for e in owner.get("audit/?action=image").json()["results"]] == ["alpine"]
    assert [e["object_name"] for e in owner.get("audit/?result=failed").json()["results"]] == ["alpine"]
    assert [e["object_name"] for e in owner.get("audit/?search=WEB-3").json()["results"]] == ["web-3"]
    found, address = [], "/api/v1/audit/?action=container.stop&page_size=2"
    while address:
        page = owner.get(address).json()
        found += [entry["object_name"] for entry in page["results"]]
        address = page["next"]
    assert found == [f"web-{number}" for number in (4, 3, 2, 1, 0)]
    assert owner.get("audit/?result=none").json()["errors"] == {
        "result": ["Choose of asked, succeeded, failed, cancelled, refused."]
    }
    assert len(owner.get("audit/?door=pages&door=rest&door=docker").json()["results"]) == 0
    refused = owner.get("audit/?door=rest&door=x")
    assert refused.status_code == 400
    assert refused.json()["errors"] == {"door": ["Choose of pages, rest, socket, docker, console, site."]}


@pytest.mark.parametrize("place", ["/audit/", "/activity/"])
def test_the_pages_say_which_filter_they_do_not_know(team: Team, owner: Caller, place: str) -> None:
    client = Client()
    assert owner.user is not None
    client.force_login(owner.user)
    shown = client.get(place, {"acton": "container.stop"})
    assert shown.context["trouble"].startswith("acton: There is no such parameter"), shown.context["trouble"]
    assert shown.context["trouble"] in shown.content.decode().replace("&#x27;", "'")
    assert "acton" not in shown.context.get("export", "")
    assert client.get(place, {"team": "Harbour"}).context["trouble"] == ""


def test_an_invitation_is_known_by_whom_it_is_for_or_as_what_it_invites(owner: Caller, team: Team) -> None:
    for note, name in (("", "as developer"), ("Cleo", "Cleo")):
        made = owner.post(f"teams/{team.pk}/invitations/", {"role": "developer", "note": note})
        assert made.status_code == 201, made.json()
        assert last(action="invitation.create").object_name == name
        assert owner.delete(f"teams/{team.pk}/invitations/{made.json()['id']}/").status_code == 204
        assert last(action="invitation.remove").object_name == name


def test_an_export_is_whole_and_no_cell_is_a_formula(team: Team, owner: Caller) -> None:
    recording.entry_record(action="container.stop", team=team, object_name='=HYPERLINK("http://x")')
    answer = owner.get("audit/export/?action=container.stop")
    rows = list(csv.DictReader(io.StringIO(b"".join(answer.streaming_content).decode())))
    assert [row["object_name"] for row in rows] == ['\'=HYPERLINK("http://x")']
    assert last(action="audit.export").after == {"action": "container.stop"}


@pytest.mark.django_db(transaction=True)
def test_old_entries_are_moved_into_a_file_and_that_is_written_down(tmp_path: Path) -> None:
    recording.entry_record(action="old.one")
    file = tmp_path / "old.ndjson"
    AuditEntry.objects.filter(action="old.one").update(at="2020-01-01T00:00:00Z")
    recording.entry_record(action="new.one")
    call_command("audit_trim", "--before", "2021-01-01", "--into", str(file))
    try:
        assert [json.loads(line)["action"] for line in file.read_text().splitlines()] == ["old.one"]
        assert file.stat().st_mode & 0o777 == 0o600
        assert set(AuditEntry.objects.values_list("action", flat=True)) >= {"new.one", "audit.trim"}
        assert not AuditEntry.objects.filter(action="old.one").exists()
        with pytest.raises(DatabaseError, match="append-only"), transaction.atomic():
            AuditEntry.objects.all().delete()
        AuditEntry.objects.create(action="older", door="site", at="2020-01-01T00:00:00Z")
        with pytest.raises(CommandError, match="already"):
            call_command("audit_trim", "--before", "2021-01-01", "--into", str(file))
    finally:
        triggers.uninstall(connection)
