"""Webhooks: signed, told once of what happens, tried again, written down; and no way to look around in the network."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import hmac
import json
import socket
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from engine.errors import NotFound
from tests.support.dripping import dripping
from tests.support.processes import eventually
from tests.support.valkey import Valkey
from tests.webui.cast import Caller
from tests.webui.webhooks.receiving import Receiver, due, happened
from webui.accounts.models import Team
from webui.audit.models import AuditEntry
from webui.hosts.models import Host
from webui.jobs.models import Job
from webui.jobs.services import job_apply
from webui.webhooks import deliverer, sending, services
from webui.webhooks.deliverer import Deliverer, delivery_send, due_claim, hooks_due
from webui.webhooks.models import Delivery, Webhook
from webui.webhooks.sending import send, signature
from webui.webhooks.telling import events_collect, wants

pytestmark = pytest.mark.django_db(transaction=True)


def test_what_happens_is_told_once_signed(
    hook: tuple[Webhook, str], host: Host, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    happened(host)
    assert events_collect() == 1
    assert events_collect() == 0
    claimed = due(hook)
    assert due_claim(hook[0].pk) is None  # nobody else gets it
    assert delivery_send(claimed).is_delivered
    ((headers, body),) = receiver.came
    said = json.loads(body)
    assert (said["type"], said["data"]["event"]["actor"]["attributes"]["name"]) == ("container.die", "web")
    key = base64.b64decode(hook[1].removeprefix("whsec_"))
    signed = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + body
    expected = base64.b64encode(hmac.digest(key, signed, hashlib.sha256)).decode()
    assert headers["webhook-signature"] == f"v1,{expected}"
    kept = Delivery.objects.get()
    assert (str(kept.pk), kept.status, kept.answer_status, kept.answer) == (
        headers["webhook-id"], "delivered", 200, "thanks",
    )  # fmt: skip


def test_the_signature_is_the_standards() -> None:
    """The example of standardwebhooks.com's specification."""
    secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
    found = signature(secret, "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, b'{"test": 2432232314}')
    assert found == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


def test_the_end_of_a_job_is_told(site_broker: Valkey, hook: tuple[Webhook, str], job: Job) -> None:
    job_apply(job=job, finished={"status": "failed", "at": timezone.now(), "error": {"message": "no"}})
    told = Delivery.objects.get()
    assert (told.event, told.body["data"]["job"]["error"]) == ("job.failed", {"message": "no"})


@pytest.mark.parametrize(
    ("events", "name", "is_wanted"),
    [
        ([], "container.die", True),
        (["container"], "container.die", True),
        (["container.die"], "container.die", True),
        (["container.start"], "container.die", False),
        (["contain"], "container.die", False),
        (["job.failed"], "job.succeeded", False),
    ],
)
def test_only_what_is_wanted(events: list[str], name: str, is_wanted: bool) -> None:
    assert wants(events, name) is is_wanted


def test_another_teams_events_are_not_told(hook: tuple[Webhook, str], host: Host, outsider: Caller) -> None:
    other = Team.objects.get(name="Lighthouse")
    far = Host.objects.create(pk="9" * 36, team=other, name="far")
    happened(far)
    assert events_collect() == 0


def test_what_fails_is_tried_again_later_and_in_the_end_given_up(
    hook: tuple[Webhook, str], host: Host, receiver: Receiver, owner: Caller
) -> None:
    receiver.status, receiver.answer = 500, b"\x00broken" * 1000
    happened(host)
    events_collect()
    tries = len(deliverer.RETRY_AFTER) + 1
    for number in range(1, tries + 1):
        Delivery.objects.update(next_at=timezone.now() - timedelta(seconds=1))
        delivery_send(due(hook))
        kept = Delivery.objects.get()
        assert (kept.attempts, kept.answer_status) == (number, 500)
        if number < tries:
            assert kept.status == "waiting" and kept.next_at > timezone.now() + timedelta(seconds=5)
    assert (kept.status, kept.next_at, len(kept.answer) <= 2048) == ("failed", None, True)
    assert len({headers["webhook-id"] for headers, _ in receiver.came}) == 1
    receiver.status = 200
    again = owner.post(f"webhooks/{hook[0].pk}/deliveries/{kept.pk}/again/")
    assert again.status_code == 202
    assert delivery_send(due(hook)).is_delivered
    assert Webhook.objects.filter(failures=0, failing_since=None).exists()


def test_one_that_never_answers_is_switched_off(
    hook: tuple[Webhook, str], host: Host, receiver: Receiver, monkeypatch: pytest.MonkeyPatch, owner: Caller
) -> None:
    monkeypatch.setattr(deliverer, "FAILURES_MAXIMUM", 2)
    receiver.server.shutdown()
    receiver.server.server_close()
    happened(host)
    events_collect()
    for _ in range(3):  # as many as a busy team has in a moment: the receiver may just be restarted
        Delivery.objects.update(next_at=timezone.now())
        delivery_send(due(hook))
    found = Webhook.objects.get()
    assert found.is_enabled and found.failing_since is not None and found.failures == 3
    Webhook.objects.update(failing_since=timezone.now() - deliverer.FAILING_MAXIMUM)
    Delivery.objects.update(next_at=timezone.now())
    delivery_send(due(hook))
    found = Webhook.objects.get()
    assert not found.is_enabled and "Nothing could be reached" in found.problem
    happened(host, seq=2)
    assert (events_collect(), hooks_due()) == (0, [])
    path = f"webhooks/{found.pk}/"
    assert owner.post(f"{path}test/").status_code == 409
    assert owner.call("patch", path, {"is_enabled": True}).json()["problem"] == ""
    assert (events_collect(), hooks_due()) == (0, [])  # what happened meanwhile is not told, nor what had to wait
    kept = Delivery.objects.get()
    assert (kept.status, kept.next_at) == ("failed", None) and "switched off" in kept.problem


def test_what_is_sent_meanwhile_is_kept_when_a_webhook_is_changed(
    hook: tuple[Webhook, str], host: Host, owner: Caller
) -> None:
    read = Webhook.objects.get()
    event = happened(host)
    Webhook.objects.update(last_event=event.pk, failures=3, is_enabled=False, problem="off")
    assert owner.user is not None
    services.webhook_update(user=owner.user, webhook=read, name="renamed")
    found = Webhook.objects.get()
    assert (found.name, found.failures, found.is_enabled, found.problem) == ("renamed", 3, False, "off")
    assert found.last_event == event.pk
    Webhook.objects.all().delete()
    with pytest.raises(NotFound):
        services.webhook_update(user=owner.user, webhook=read, name="gone")


def test_a_turn_does_all_of_it(hook: tuple[Webhook, str], host: Host, receiver: Receiver) -> None:
    happened(host)
    happened(host, seq=2)
    old = Delivery.objects.create(webhook=hook[0], event="x", body={}, status="failed", next_at=None)
    off = Webhook.objects.create(team=host.team, name="off", is_enabled=False)
    Delivery.objects.create(webhook=off, event="x", body={})
    Delivery.objects.update(created_at=timezone.now() - timedelta(days=8))
    assert (old.status, Deliverer().turn()) == ("failed", 1)
    eventually(lambda: [one.status for one in Delivery.objects.all()] == ["delivered"] * 2, what="both are delivered")
    assert {one.event for one in Delivery.objects.all()} == {"container.die"}
    assert len(receiver.came) == 2


def test_a_receiver_that_takes_its_time_holds_up_no_other(
    hook: tuple[Webhook, str], host: Host, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(deliverer, "AT_ONCE", 2)
    monkeypatch.setattr(sending, "WHOLE_SECONDS", 0.5)
    with socket.create_server(("127.0.0.1", 0)) as silent:  # whose queue accepts, and nobody answers
        url = f"http://127.0.0.1:{silent.getsockname()[1]}/"
        fields = {"team": host.team, "url": url, "reaches_local": True, "sealed_secret": hook[0].sealed_secret}
        slow = [Webhook.objects.create(name=str(number), events=["job"], **fields) for number in range(2)]
        for one in (*slow, *slow):
            Delivery.objects.create(webhook=one, event="x", body={}, next_at=timezone.now() - timedelta(hours=1))
        found = Deliverer()
        assert (found.turn(), found.turn()) == (2, 0)  # one thread each, and none is left
        eventually(lambda: Delivery.objects.filter(attempts=1).count() == 2, what="both have not answered")
        happened(host)
        # Their second messages have waited longer, and still it isn't their turn.
        monkeypatch.setattr(deliverer, "AT_ONCE", 1)
        eventually(found.turn, what="a thread is free")
        eventually(lambda: receiver.came, what="the other is told")
        assert Delivery.objects.filter(webhook__in=slow, attempts=0).count() == 2
        found.close()


def test_nothing_is_locked_where_nothing_has_happened(
    hook: tuple[Webhook, str], django_assert_num_queries: Callable[[int], contextlib.AbstractContextManager[None]]
) -> None:
    with django_assert_num_queries(1):
        assert events_collect() == 0


# -- who may, and what is refused -------------------------------------------------------------------------


def test_what_is_near_is_not_reached_unless_an_administrator_says_so(owner: Caller, receiver: Receiver) -> None:
    for url in (receiver.url, "http://169.254.169.254/latest", "http://[::1]:8000/", "http://localhost/x"):
        made = owner.post("webhooks/", {"name": url[:80], "url": url})
        assert made.status_code == 201, made.json()
        hook = Webhook.objects.get(pk=made.json()["id"])
        sent = send(
            url=url, secret=made.json()["secret"], delivery_id="1", message={}, reaches_local=hook.reaches_local
        )
        assert sent.status is None and "neighbours" in sent.problem
        assert owner.call("patch", f"webhooks/{hook.pk}/", {"reaches_local": True}).status_code == 403
    assert owner.post("webhooks/", {"name": "x", "url": receiver.url, "reaches_local": True}).status_code == 403
    assert receiver.came == []


def test_a_maintainer_can_not_turn_one_that_reaches_near_elsewhere(
    hook: tuple[Webhook, str], owner: Caller, admin: Caller
) -> None:
    path = f"webhooks/{hook[0].pk}/"
    assert owner.call("patch", path, {"url": "http://127.0.0.1:22/"}).status_code == 403
    assert owner.call("patch", path, {"name": "other"}).status_code == 200
    assert admin.call("patch", path, {"url": "http://127.0.0.1:9/"}).status_code == 200


def test_a_redirect_is_not_followed(hook: tuple[Webhook, str], receiver: Receiver) -> None:
    receiver.status, receiver.headers = 302, {"Location": receiver.url}
    sent = send(url=receiver.url, secret=hook[1], delivery_id="1", message={}, reaches_local=True)
    assert (sent.status, sent.is_delivered, len(receiver.came)) == (302, False, 1)


def test_what_no_host_can_be_called_is_said_to_be_unknown() -> None:
    sent = send(url="https://a..b/", secret="whsec_AAAA", delivery_id="1", message={}, reaches_local=False)
    assert (sent.status, sent.problem) == (None, "Its name is not known: check the address.")


def test_an_answer_that_drips_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sending, "WHOLE_SECONDS", 0.3)
    with dripping(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n", b"x") as place:
        sent = send(url=f"http://{place}/", secret="whsec_AAAA", delivery_id="1", message={}, reaches_local=True)
    assert (sent.status, set(sent.answer)) == (200, {"x"})
    assert len(sent.answer) < 2048


def test_members_and_outsiders_see_none_of_it(
    hook: tuple[Webhook, str], owner: Caller, teammate: Caller, outsider: Caller, nobody: Caller
) -> None:
    path = f"webhooks/{hook[0].pk}/"
    for who in (teammate, outsider):
        assert who.get("webhooks/").json()["count"] == 0
        for method, where in (("get", path), ("delete", path), ("post", f"{path}test/"), ("get", f"{path}deliveries/")):
            assert who.call(method, where, {} if method == "post" else None).status_code == 404
    assert nobody.get(path).status_code == 401
    assert teammate.post("webhooks/", {"name": "x", "url": "https://example.com"}).status_code == 403
    assert owner.delete(path).status_code == 204


def test_the_secret_is_nowhere_but_in_the_first_answer(hook: tuple[Webhook, str], owner: Caller) -> None:
    found, secret = hook
    assert secret not in owner.get(f"webhooks/{found.pk}/").content.decode()
    assert secret not in found.sealed_secret
    entry = AuditEntry.objects.filter(action="webhook.create").get()
    assert secret not in json.dumps(entry.after) and found.sealed_secret not in json.dumps(entry.after)
    owner.call("patch", f"webhooks/{found.pk}/", {"name": "b"})
    shown = owner.post("webhooks/", {"name": "c", "url": "https://ann:hunter2@example.com/x"}).json()["url"]
    assert shown == "https://(hidden)@example.com/x"


def test_another_secret_signs_from_then_on(
    hook: tuple[Webhook, str], host: Host, receiver: Receiver, owner: Caller, teammate: Caller
) -> None:
    path = f"webhooks/{hook[0].pk}/secret/"
    assert teammate.post(path).status_code == 404
    answer = owner.post(path)
    assert (answer.status_code, answer["Cache-Control"]) == (200, "no-store")
    secret = answer.json()["secret"]
    assert secret.startswith("whsec_") and secret != hook[1]
    happened(host)
    events_collect()
    assert delivery_send(due(hook)).is_delivered
    (headers, body) = receiver.came[-1]
    timestamp = int(headers["webhook-timestamp"])
    assert headers["webhook-signature"] == signature(secret, headers["webhook-id"], timestamp, body)
    entry = AuditEntry.objects.filter(action="webhook.update").latest("id")
    assert secret not in json.dumps(entry.after)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("url", "ftp://example.com"),
        ("url", "https://"),
        ("url", "http://example.com:99999/"),
        ("url", "http://exa mple.com/"),
        ("events", ["everything"]),
        ("events", ["container.DIE"]),
        ("name", "  "),
    ],
)
def test_nonsense_is_refused_with_its_field(owner: Caller, field: str, value: Any) -> None:
    answer = owner.post("webhooks/", {"name": "x", "url": "https://example.com", field: value})
    assert (answer.status_code, list(answer.json()["errors"])) == (400, [field])
