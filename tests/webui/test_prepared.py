"""A prepared query answers as the queryset that it is made of."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.db import connection, transaction
from django.db.transaction import TransactionManagementError
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from tests.webui.site_broker import host, team  # noqa: F401

# ruff: noqa: F811
from webui.accounts.models import ApiToken, Team, User
from webui.containers.models import Container
from webui.hosts.models import Host
from webui.prepared import FEW, Prepared, acquainted

pytestmark = pytest.mark.django_db(transaction=True)


def token_of(user: User, digest: str) -> ApiToken:
    return ApiToken.objects.create(user=user, name="t", digest=digest, scopes=["read"], expires_at=timezone.now())


def container_on(host: Host, number: int) -> Container:
    return Container.objects.create(
        id=f"{number:064x}", team=host.team, host=host, name=f"c{number}", image="i", spec={"n": number}
    )


def test_rows_are_whole_model_objects_with_what_is_related(team: Team) -> None:
    tokens = [token_of(User.objects.create_user(name), name * 64) for name in "ab"]
    by_digest = Prepared(ApiToken.objects.select_related("user"), "digest")
    for token in tokens:
        found = by_digest.first(token.digest)
        assert found is not None
        for field in ApiToken._meta.concrete_fields:  # converters too: times, JSON
            assert getattr(found, field.attname) == getattr(token, field.attname), field.attname
        with CaptureQueriesContext(connection) as asked:
            assert found.user.get_username() == token.user.get_username()
        assert len(asked) == 0, "what select_related brings is there"
        found.name = "other"
        found.save()  # it knows its database, and that it is there already
    assert ApiToken.objects.filter(name="other").count() == 2
    assert by_digest.first("' OR 1=1 --") is None


def test_values_are_what_filter_takes(team: Team, host: Host) -> None:
    Team.objects.create(name="Other")
    by_key = Prepared(Team.objects.all(), "pk")
    assert [by_key.first(given) for given in (team.pk, str(team.pk))] == [team, team]
    beating = Prepared(Host.objects.all(), "team_id", "heartbeat_at__gt")
    now = timezone.now()
    assert beating.all(team.pk, now - timedelta(hours=1)) == [host]
    assert beating.all(team.pk, now + timedelta(hours=1)) == []


def test_none_is_refused_since_the_database_would_find_nothing(team: Team) -> None:
    by_beat = Prepared(Host.objects.all(), "heartbeat_at")
    Host.objects.create(pk="silent", team=team, name="silent")
    assert Host.objects.filter(heartbeat_at=None).exists()
    with pytest.raises(ValueError, match="None"):
        by_beat.all(None)


def test_order_limit_tuples_and_joins_hold(host: Host) -> None:
    made = [container_on(host, number) for number in range(4)]
    last = Prepared(Container.objects.order_by("-name"), "host__team_id", limit=2)
    assert last.all(host.team_id) == [made[3], made[2]]
    names = Prepared(Container.objects.order_by("name").values_list("name", "spec"), "host_id")
    assert names.rows(host.pk)[1] == ("c1", {"n": 1})


@pytest.mark.parametrize("count", [0, 1, FEW, FEW + 1])
def test_any_of_finds_the_same_by_one_question_or_by_many(host: Host, count: int) -> None:
    made = [container_on(host, number) for number in range(FEW + 3)]
    wanted = [one.pk for one in made[:count]]
    found = Prepared(Container.objects.all(), "host_id", "pk").any_of([*wanted, "no such"], host.pk)
    assert sorted(one.pk for one in found) == wanted


def test_a_lock_needs_a_transaction(host: Host) -> None:
    locked = Prepared(Host.objects.select_for_update(), "pk")
    with pytest.raises(TransactionManagementError):
        locked.first(host.pk)
    with transaction.atomic():
        assert locked.first(host.pk) == host
    with pytest.raises(TransactionManagementError):
        locked.first(host.pk)


def test_what_is_known_already_is_not_read_again(host: Host) -> None:
    other = Host.objects.create(pk="other", team=Team.objects.create(name="Other"), name="other")
    user = User.objects.create_user("ann")
    ours, theirs = container_on(host, 1), container_on(other, 2)
    Container.objects.update(created_by=user)
    ours, theirs = (Container.objects.get(pk=one.pk) for one in (ours, theirs))
    found = Host.objects.select_related("team").get(pk=host.pk)
    with CaptureQueriesContext(connection) as asked:
        assert acquainted(ours, found, None, user) is ours
        assert (ours.host, ours.team, ours.created_by) == (found, found.team, user)
    assert len(asked) == 0
    assert acquainted(theirs, found).host == other, "what a key does not mean is not taken for it"
    assert (theirs.team, theirs.created_by) == (other.team, user)


def test_what_is_there_already_stays(host: Host) -> None:
    one = Container.objects.select_related("host").get(pk=container_on(host, 1).pk)
    before = one.host
    assert acquainted(one, Host.objects.get(pk=host.pk)).host is before
