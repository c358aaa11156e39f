"""A prepared write does what Django's own of the same does."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.db import DatabaseError, IntegrityError, connection, transaction
from django.db.models import Model, ProtectedError
from django.db.models.signals import post_delete, post_save
from django.db.transaction import TransactionManagementError
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from tests.webui.site_broker import host, team  # noqa: F401

# ruff: noqa: F811
from webui.accounts.models import Team, User
from webui.activity.models import Event, HealthResult
from webui.audit.models import AuditEntry
from webui.containers.models import Container, RemovedContainer
from webui.hosts.models import Host
from webui.jobs.models import Job
from webui.networks.models import Endpoint, Network
from webui.prepared_writes import PreparedDelete, PreparedInsert, PreparedRemoval, PreparedSave, PreparedUpdate

pytestmark = pytest.mark.django_db(transaction=True)

REFERRING = {"networks.Endpoint", "activity.HealthResult"}


def container(host: Host, number: int, **more: Any) -> dict[str, Any]:
    return {"id": f"{number:064x}", "team": host.team, "host": host, "name": f"c{number}", "image": "i", **more}


def job(host: Host) -> dict[str, Any]:
    return {"team": host.team, "host": host, "kind": "k", "command": {"a": [1, None, "ä"]}, "error": None}


def entry(host: Host) -> dict[str, Any]:
    return {"door": "rest", "action": "a", "team_id": host.team_id, "before": None, "after": {"x": None}}


def event(host: Host, seq: int, **more: Any) -> Event:
    values = {"at": timezone.now(), "type": "container", "verb": "v", "action": "v", "actor_id": "x", **more}
    return Event(host=host, team=host.team, seq=seq, **values)


def same(one: Model, other: Model, *but: str) -> None:
    assert type(one) is type(other)
    for field in one._meta.concrete_fields:
        if field.name not in but:
            assert getattr(one, field.attname) == getattr(other, field.attname), field.name


@pytest.mark.parametrize(
    ("model", "values", "but"),
    [
        (Container, lambda host: container(host, 1), ("id", "name", "created_at")),
        (Job, job, ("id", "created_at")),
        (AuditEntry, entry, ("id", "at")),
    ],
)
def test_a_new_row_is_as_django_would_make_it(host: Host, model: Any, values: Any, but: tuple[str, ...]) -> None:
    insert: PreparedInsert[Any] = PreparedInsert(model)
    theirs = model.objects.create(**{**values(host), **({"id": "f" * 64, "name": "t"} if model is Container else {})})
    for _ in range(2):  # compiled, and from what was compiled
        ours = insert.create(**values(host))
        assert not ours._state.adding and ours._state.db == "default" and ours.pk is not None
        read = model.objects.get(pk=ours.pk)
        same(ours, read)
        same(read, theirs, *but)
        if model is not AuditEntry:
            ours.save()  # it knows that it is there
            assert model.objects.filter(pk=ours.pk).count() == 1
            ours.delete()
    assert len(insert._compiled) == 1


def test_a_null_of_json_is_null_and_not_a_text(host: Host) -> None:
    PreparedInsert(Job).create(**job(host))
    made = PreparedInsert(Container).create(**container(host, 1, health={"status": "none"}))
    assert Job.objects.filter(error__isnull=True).count() == 1
    PreparedUpdate(Container.objects.order_by(), "pk", changed=["health"])(made.pk, None)
    assert Container.objects.filter(health__isnull=True).count() == 1


def test_a_row_that_may_not_be_there_undoes_the_transaction(host: Host) -> None:
    insert = PreparedInsert(Container)
    insert.create(**container(host, 1))
    with transaction.atomic():
        Team.objects.create(name="undone")
        with pytest.raises(IntegrityError):
            insert.create(**container(host, 1))
        with pytest.raises(TransactionManagementError):
            Team.objects.create(name="not even asked")
    assert not Team.objects.filter(name="undone").exists()


@pytest.mark.parametrize("count", [1, 2, 5])
def test_of_several_rows_those_that_are_there_stay(host: Host, count: int) -> None:
    insert = PreparedInsert(Event, ignore_conflicts=True)
    insert.all([])
    insert.all([event(host, 1, labels={"a": "b"})])
    insert.all([event(host, seq, name="new", attributes={"n": str(seq)}) for seq in range(1, count + 1)])
    insert.all([event(host, 100 + seq, name="new") for seq in range(count)])
    found = list(Event.objects.filter(seq__lt=100))
    assert [(one.seq, one.name, one.labels, one.attributes) for one in found] == [
        (1, "", {"a": "b"}, {}),
        *((seq, "new", {}, {"n": str(seq)}) for seq in range(2, count + 1)),
    ]
    assert Event.objects.count() == 2 * count


def test_one_that_is_there_is_replaced_where_that_is_wished(host: Host) -> None:
    insert = PreparedInsert(RemovedContainer, unique=["id"], replaced=["name", "exit_code"])
    values = {"id": "a" * 64, "team": host.team, "host": host, "created_at": timezone.now()}
    insert.all([RemovedContainer(**values, name="old", image="stays", exit_code=1)])
    insert.all([RemovedContainer(**values, name="new", image="passed over", exit_code=None)])
    [found] = RemovedContainer.objects.all()
    assert (found.name, found.image, found.exit_code) == ("new", "stays", None)


def test_who_listens_to_saves_hears_of_them(host: Host) -> None:
    heard: list[tuple[Any, bool]] = []

    def hear(instance: Any, created: bool, **_: Any) -> None:
        heard.append((instance.pk, created))

    post_save.connect(hear, sender=Container)
    try:
        made = PreparedInsert(Container).create(**container(host, 1))
        PreparedSave(Container)(made, ["name"])
    finally:
        post_save.disconnect(hear, sender=Container)
    assert heard == [(made.pk, True), (made.pk, False)]


def test_a_save_writes_the_fields_that_are_named_and_no_others(host: Host) -> None:
    save = PreparedSave(Container)
    made = Container.objects.create(**container(host, 1))
    other = Container.objects.create(**container(host, 2))
    made.name, made.pid, made.ports, made.started_at = "new", 7, [{"a": 1}], timezone.now()
    made.image = "not saved"
    with CaptureQueriesContext(connection) as asked:
        save(made, ["name", "pid", "ports", "started_at"])
    assert len(asked) == 1
    read = Container.objects.get(pk=made.pk)
    same(read, made, "image")
    assert read.image == "i"
    same(Container.objects.get(pk=other.pk), other)
    Container.objects.filter(pk=made.pk).delete()
    with pytest.raises(DatabaseError, match="did not affect any rows"):
        save(made, ["name"])


def test_an_update_finds_what_filter_finds(host: Host) -> None:
    for number in range(3):
        Container.objects.create(**container(host, number, observed_status="running" if number else "stopped"))
    update = PreparedUpdate(
        Container.objects.order_by(), "host_id", "observed_status", changed=["error", "finished_at"]
    )
    now = timezone.now() - timedelta(days=1)
    assert update(host.pk, "running", "gone", now) == 2
    assert update("elsewhere", "running", "gone", now) == 0
    assert Container.objects.filter(error="gone", finished_at=now).count() == 2
    with pytest.raises(ValueError, match="None"):
        update(None, "running", "gone", now)


def test_a_deletion_finds_what_filter_finds(host: Host) -> None:
    for number in range(3):
        Container.objects.create(**container(host, number))
    delete = PreparedDelete(Container.objects.order_by(), "host_id", "name")
    assert (delete(host.pk, "c1"), delete(host.pk, "c1")) == (1, 0)
    assert sorted(Container.objects.values_list("name", flat=True)) == ["c0", "c2"]
    with pytest.raises(ValueError, match="None"):
        delete(host.pk, None)


def test_a_removal_takes_along_what_refers_to_the_row(host: Host) -> None:
    now = timezone.now()
    rows = [Container.objects.create(**container(host, number)) for number in range(2)]
    for row in rows:
        HealthResult.objects.create(container=row, start=now, end=now, exit_code=0)
    with CaptureQueriesContext(connection) as asked:
        PreparedRemoval(Container)(rows[0])
    assert list(Container.objects.all()) == [rows[1]]
    assert [one.container_id for one in HealthResult.objects.all()] == [rows[1].pk]
    assert len(asked) == 3


def test_a_removal_is_djangos_where_somebody_listens(host: Host, team: Team) -> None:
    """Networks hear of who has left."""
    row = Container.objects.create(**container(host, 1))
    network = Network.objects.create(
        host=host, team=team, network_id="n", name="n", driver="bridge", created_at=timezone.now()
    )
    Endpoint.objects.create(network=network, container=row)
    heard: list[Any] = []

    def hear(instance: Any, **_: Any) -> None:
        heard.append(type(instance))

    for model in (Endpoint, Container):
        post_delete.connect(hear, sender=model)
    try:
        PreparedRemoval(Container)(row)
    finally:
        for model in (Endpoint, Container):
            post_delete.disconnect(hear, sender=model)
    assert set(heard) == {Endpoint, Container}
    assert not Container.objects.exists() and not Endpoint.objects.exists()


def test_a_removal_is_djangos_where_it_is_refused(host: Host) -> None:
    """A host's jobs go with it, its team may not go before."""
    user = User.objects.create_user("ann")
    Job.objects.create(**job(host), requested_by=user)
    PreparedRemoval(User)(user)
    assert Job.objects.get().requested_by is None
    with pytest.raises(ProtectedError):
        PreparedRemoval(Team)(host.team)
    PreparedRemoval(Host)(host)
    assert not Job.objects.exists()


def test_what_refers_to_a_container_is_known() -> None:
    assert {one.related_model._meta.label for one in Container._meta.related_objects} == REFERRING
