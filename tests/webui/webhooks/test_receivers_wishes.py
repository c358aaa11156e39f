"""What a receiver asks for by its answer: to be left alone for a while, or for good."""

from __future__ import annotations

from datetime import timedelta
from email.utils import format_datetime

import pytest
from django.utils import timezone

from tests.webui.cast import Caller
from tests.webui.webhooks.receiving import Receiver, due, happened
from webui.hosts.models import Host
from webui.webhooks.deliverer import RETRY_AFTER, delivery_send, due_claim, hooks_due
from webui.webhooks.models import Delivery, Webhook
from webui.webhooks.sending import RETRY_AFTER_MAXIMUM, retry_after_read
from webui.webhooks.telling import events_collect

pytestmark = pytest.mark.django_db(transaction=True)

Hook = tuple[Webhook, str]
NOW = 1_800_000_000.0


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("120", 120),
        (" 7 ", 7),
        ("0", 0),
        ("9" * 30, RETRY_AFTER_MAXIMUM),
        ("Fri, 15 Jan 2027 08:01:00 GMT", 60),
        ("Fri, 15 Jan 2027 07:00:00 GMT", 0),
        ("Fri, 15 Jan 2038 08:00:00 GMT", RETRY_AFTER_MAXIMUM),
        ("Fri, 99 Foo 2027 08:00:00 GMT", 0),
        ("", 0),
        ("-5", 0),
        ("1.5", 0),
        ("soon", 0),
    ],
)
def test_retry_after_is_read_as_http_has_it(text: str, seconds: float) -> None:
    assert retry_after_read(text, NOW) == seconds


def test_who_asks_for_it_is_left_alone_by_all_messages(hook: Hook, host: Host, receiver: Receiver) -> None:
    receiver.status, receiver.headers = 429, {"Retry-After": "3600"}
    happened(host)
    happened(host, seq=2)
    events_collect()
    began = timezone.now()
    assert not delivery_send(due(hook)).is_delivered
    tried = Delivery.objects.get(attempts=1)
    assert tried.next_at is not None
    assert timedelta(minutes=59) < tried.next_at - began < timedelta(minutes=61)
    assert (hooks_due(), due_claim(hook[0].pk)) == ([], None), "the other message waits as well"
    happened(host, seq=3)
    events_collect()
    assert hooks_due() == []
    receiver.status, receiver.headers = 200, {}
    Webhook.objects.update(waits_until=timezone.now())
    assert delivery_send(due(hook)).is_delivered
    assert Webhook.objects.get().waits_until is None


def test_a_date_is_as_good_and_the_own_pause_is_the_least(hook: Hook, host: Host, receiver: Receiver) -> None:
    date = format_datetime(timezone.now() + timedelta(hours=2), usegmt=True)
    for header, least, most in (
        (date, timedelta(minutes=119), timedelta(minutes=121)),
        ("1", RETRY_AFTER[0] - timedelta(seconds=1), RETRY_AFTER[0] + timedelta(seconds=5)),
    ):
        receiver.status, receiver.headers = 503, {"Retry-After": header}
        Delivery.objects.all().delete()
        Webhook.objects.update(waits_until=None)
        Delivery.objects.create(webhook=hook[0], event="x", body={})
        began = timezone.now()
        delivery_send(due(hook))
        tried = Delivery.objects.get()
        assert tried.next_at is not None
        assert least < tried.next_at - began < most


def test_who_wants_to_see_now_does_not_wait(
    hook: Hook,
    host: Host,
    receiver: Receiver,
    owner: Caller,
) -> None:
    receiver.status, receiver.headers = 503, {"Retry-After": "3600"}
    happened(host)
    events_collect()
    delivery_send(due(hook))
    assert hooks_due() == []
    assert owner.get(f"webhooks/{hook[0].pk}/").json()["waits_until"] > timezone.now().isoformat()
    path = f"webhooks/{hook[0].pk}/"
    assert owner.post(f"{path}test/").status_code == 202
    assert delivery_send(due(hook)).status == 503
    assert hooks_due() == []
    assert owner.post(f"{path}deliveries/{Delivery.objects.get(event='container.die').pk}/again/").status_code == 202
    assert len(hooks_due()) == 1


def test_who_is_gone_is_told_nothing_more(
    hook: Hook,
    host: Host,
    receiver: Receiver,
    owner: Caller,
) -> None:
    receiver.status = 410
    happened(host)
    events_collect()
    delivery_send(due(hook))
    kept = Delivery.objects.get()
    assert (kept.status, kept.next_at, kept.problem) == ("failed", None, "It answered 410.")
    shown = owner.get(f"webhooks/{hook[0].pk}/").json()
    assert shown["is_enabled"] is False and "410 Gone" in shown["problem"]
    happened(host, seq=2)
    assert (events_collect(), hooks_due()) == (0, [])


def test_an_address_that_was_changed_meanwhile_is_not_the_one_that_is_gone(
    hook: Hook,
    host: Host,
    receiver: Receiver,
) -> None:
    receiver.status = 410
    happened(host)
    events_collect()
    claimed = due(hook)
    Webhook.objects.update(url="https://example.com/another")
    delivery_send(claimed)
    assert Webhook.objects.get().is_enabled
