"""What a transaction publishes reaches the pages in order, whether it goes out at once or together."""

from __future__ import annotations

import json

import pytest
from django.db import transaction

from tests.support.valkey import Valkey
from tests.webui.site_broker import site_broker  # noqa: F401
from webui.broadcast import Push, change_publish, gathered, kept_back, push, unheard
from worker.contract import keys

pytestmark = pytest.mark.django_db(transaction=True)


def told(server: Valkey) -> list[str]:
    return [json.loads(fields[b"m"])["id"] for _, fields in server.client().xrange(keys.CHANGES)]


def publish(*ids: str) -> None:
    for id_ in ids:
        change_publish(team_id="t", kind="container", action="removed", id=id_, object=None)


def test_what_is_gathered_goes_out_at_the_end_in_order(site_broker: Valkey) -> None:  # noqa: F811
    with gathered():
        with transaction.atomic():
            publish("1", "2")
        assert told(site_broker) == []
        with transaction.atomic():
            publish("3")
    assert told(site_broker) == ["1", "2", "3"]
    with transaction.atomic():
        publish("4")
    assert told(site_broker) == ["1", "2", "3", "4"]


def test_what_is_kept_back_goes_out_when_there_is_time_for_it(site_broker: Valkey) -> None:  # noqa: F811
    with kept_back() as tell:
        with transaction.atomic():
            publish("1", "2")
    publish("3")
    assert told(site_broker) == ["3"]
    for _ in range(2):
        tell()
        assert told(site_broker) == ["3", "1", "2"]
    with pytest.raises(ZeroDivisionError), kept_back():
        publish("4")
        raise ZeroDivisionError
    assert told(site_broker) == ["3", "1", "2", "4"]


def test_what_nobody_can_hear_yet_is_not_told(site_broker: Valkey) -> None:  # noqa: F811
    with unheard():
        publish("1")
    publish("2")
    assert told(site_broker) == ["2"]


def test_a_transaction_that_is_undone_tells_nothing_and_what_was_done_before_it_is_told(site_broker: Valkey) -> None:  # noqa: F811
    with pytest.raises(ZeroDivisionError), gathered():
        with transaction.atomic():
            publish("done")
        with transaction.atomic():
            publish("undone")
            raise ZeroDivisionError
    assert told(site_broker) == ["done"]


def test_a_block_within_another_is_part_of_it(site_broker: Valkey) -> None:  # noqa: F811
    with gathered():
        with gathered(), transaction.atomic():
            publish("1")
        assert told(site_broker) == []
        publish("2")
    assert told(site_broker) == ["1", "2"]


def test_what_is_pushed_goes_with_the_rest_and_is_given_up_where_nobody_hears(site_broker: Valkey) -> None:  # noqa: F811
    lost: list[object] = []
    with gathered():
        push(Push("list", "a", lost.append))
        publish("1")
        assert site_broker.client().llen("list") == 0
    assert (site_broker.client().lrange("list", 0, -1), told(site_broker), lost) == ([b"a"], ["1"], [])
    with unheard():
        push(Push("list", "b", lost.append))
        assert lost == []
    assert lost == [None]
    assert site_broker.client().llen("list") == 1


def test_who_works_is_woken_before_who_watches(site_broker: Valkey) -> None:  # noqa: F811
    with site_broker.client().monitor() as monitor:
        with gathered():
            publish("1")
            push(Push("list", "a", lambda _: None))
            publish("2")
        seen: list[str] = []
        while "EXEC" not in seen:
            seen.append(monitor.next_command()["command"].split()[0])
    assert seen[seen.index("MULTI") :] == ["MULTI", "LPUSH", "XADD", "XADD", "EXEC"]
    assert told(site_broker) == ["1", "2"]
