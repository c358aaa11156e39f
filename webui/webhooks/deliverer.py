"""Sends what waits, again and again with longer pauses, in a thread of the inbox's process.

A message is claimed before it is sent, by moving its `next_at`: whoever dies in between leaves it to be sent after
`CLAIM`. Receivers know one that comes twice by its `webhook-id`.

Whoever answers with Retry-After is left alone for so long, by all messages of its webhook; whoever answers with 410
wants none any more, and its webhook is switched off.

A webhook has one thread at most, and those that have waited longest come first: receivers that take their time hold
up nobody but themselves for long.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Collection
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import timedelta
from uuid import UUID

from django.db import close_old_connections, connection
from django.db.models import F, Min, Q, QuerySet
from django.db.models.functions import Coalesce
from django.utils import timezone

from engine.errors import DataCorrupt
from webui.prepared import Prepared
from webui.webhooks.models import Delivery, DeliveryStatus, Webhook
from webui.webhooks.sending import Sent, secret_open, send
from webui.webhooks.telling import events_collect

logger = logging.getLogger(__name__)

PAUSE_SECONDS = 1.0
AT_ONCE = 8
TURN_SECONDS = 5.0
"""After so long a thread turns to the next webhook."""
CLAIM = timedelta(minutes=1)
RETRY_AFTER = (
    *(timedelta(seconds=seconds) for seconds in (10, 60, 300, 1800)),
    *(timedelta(hours=hours) for hours in (2, 6, 12)),
)
"""After the first failure, the second …; then it has failed."""
FAILURES_MAXIMUM = 100
FAILING_MAXIMUM = timedelta(days=1)
"""After so many failures in a row, over so long a time, a webhook is switched off. A busy team has a hundred messages
in minutes: the number alone would take a receiver that is being restarted for one that is gone.
"""
GONE_PROBLEM = (
    "It was switched off: its receiver answered 410 Gone, and wants no messages any more. Give it another address, or "
    "delete it."
)
KEPT = timedelta(days=7)
_ANY = Prepared(Webhook.objects.order_by().filter(is_enabled=True).values_list("pk"), limit=1)
TRIM_EVERY = 3600


class Deliverer:
    def __init__(self) -> None:
        self._pool = ThreadPoolExecutor(AT_ONCE, thread_name_prefix="webhook")
        self._sending: dict[UUID, Future[None]] = {}
        self._last_turns: dict[UUID, int] = {}
        self._turns = 0

    def start(self, stop: threading.Event) -> threading.Thread:
        thread = threading.Thread(target=self.run, args=(stop,), name="webhooks", daemon=True)
        thread.start()
        return thread

    def run(self, stop: threading.Event) -> None:
        """Until `stop` is set; troubles of the database are waited out."""
        while not stop.wait(PAUSE_SECONDS):
            try:
                self.turn()
            except Exception:
                logger.exception("webhooks wait")
                connection.close()
                stop.wait(10 * PAUSE_SECONDS)
        self.close()

    def close(self) -> None:
        """Begin nothing more; what is being sent may end."""
        self._pool.shutdown(wait=False, cancel_futures=True)

    def turn(self) -> int:
        """Look for what has happened, and begin to send what is due; to how many webhooks. Waits for none of them."""
        self._turns += 1
        if self._turns % TRIM_EVERY == 1:
            trim()
        if not _ANY.rows():  # most sites have none, and this is asked every second
            return 0
        events_collect()
        self._sending = {hook: future for hook, future in self._sending.items() if not future.done()}
        due = sorted(hooks_due(self._sending), key=lambda hook: self._last_turns.get(hook, 0))
        begun = due[: AT_ONCE - len(self._sending)]
        for hook in begun:
            self._last_turns[hook] = self._turns
            self._sending[hook] = self._pool.submit(_deliver, hook)
        return len(begun)


def trim() -> None:
    """Forget old deliveries; those that wait only when their webhook is off."""
    old = Delivery.objects.filter(created_at__lt=timezone.now() - KEPT)
    old.exclude(status=DeliveryStatus.WAITING, webhook__is_enabled=True).delete()


def hooks_due(busy: Collection[UUID] = ()) -> list[UUID]:
    """The webhooks with messages whose time has come but those that are `busy`, the longest due first."""
    rows = _due().exclude(webhook__in=busy).order_by()
    return list(
        rows.values("webhook").annotate(first=Min("next_at")).order_by("first").values_list("webhook", flat=True)
    )


def due_claim(webhook: UUID) -> Delivery | None:
    """The webhook's message whose time came first; nobody else gets it for a while."""
    while found := _due().filter(webhook=webhook).select_related("webhook").order_by("next_at").first():
        mine = Delivery.objects.filter(pk=found.pk, next_at=found.next_at, status=DeliveryStatus.WAITING)
        if mine.update(next_at=timezone.now() + CLAIM):
            return found
    return None


def _due() -> QuerySet[Delivery]:
    now = timezone.now()
    may = Q(webhook__waits_until=None) | Q(webhook__waits_until__lte=now)
    return Delivery.objects.filter(may, status=DeliveryStatus.WAITING, next_at__lte=now, webhook__is_enabled=True)


def _deliver(webhook: UUID) -> None:
    """Send what is due to one webhook, until something fails or its turn is over."""
    close_old_connections()
    until = time.monotonic() + TURN_SECONDS
    try:
        while delivery := due_claim(webhook):
            if not delivery_send(delivery).is_delivered or time.monotonic() > until:
                break
    except Exception:
        logger.exception("a delivery to the webhook %s could not be written down", webhook)
    finally:
        connection.close()


def delivery_send(delivery: Delivery) -> Sent:
    """Send one message, and write down what came of it."""
    hook = delivery.webhook
    try:
        secret = secret_open(hook.sealed_secret)
    except DataCorrupt as error:
        sent = Sent(None, "", error.message[:300], 0.0)
    else:
        sent = send(
            url=hook.url,
            secret=secret,
            delivery_id=str(delivery.pk),
            message=delivery.body,
            reaches_local=hook.reaches_local,
        )
    _note(delivery, sent)
    return sent


def _note(delivery: Delivery, sent: Sent) -> None:
    now, attempts = timezone.now(), delivery.attempts + 1
    status, next_at = DeliveryStatus.DELIVERED, None
    if not sent.is_delivered:
        is_over = sent.is_gone or attempts > len(RETRY_AFTER)
        status = DeliveryStatus.FAILED if is_over else DeliveryStatus.WAITING
        asked = timedelta(seconds=sent.retry_after)
        next_at = None if is_over else now + max(RETRY_AFTER[attempts - 1], asked)
    Delivery.objects.filter(pk=delivery.pk).update(
        status=status,
        attempts=attempts,
        next_at=next_at,
        answer_status=sent.status,
        answer=sent.answer,
        problem=sent.problem,
        seconds=sent.seconds,
        finished_at=None if status == DeliveryStatus.WAITING else now,
    )
    hooks = Webhook.objects.filter(pk=delivery.webhook_id)
    if sent.is_delivered:
        hooks.exclude(failures=0).update(failures=0, failing_since=None, waits_until=None)
        return
    waits_until = now + timedelta(seconds=sent.retry_after) if sent.retry_after else None
    hooks.update(failures=F("failures") + 1, failing_since=Coalesce("failing_since", now), waits_until=waits_until)
    if sent.is_gone:  # said of this address alone: it may have been changed meanwhile
        hooks.filter(url=delivery.webhook.url).update(is_enabled=False, problem=GONE_PROBLEM)
        return
    problem = f"It was switched off: for a day it took none of its messages. The last time: {sent.problem}"[:300]
    gone = hooks.filter(failures__gte=FAILURES_MAXIMUM, failing_since__lte=now - FAILING_MAXIMUM, is_enabled=True)
    gone.update(is_enabled=False, problem=problem)
