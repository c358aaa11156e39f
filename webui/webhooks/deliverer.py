"""Sends what waits, again and again with longer pauses, in a thread of the inbox's process.

A message is claimed before it is sent, by moving its `next_at`: whoever dies in between leaves it to be sent after
`CLAIM`. Receivers know one that comes twice by its `webhook-id`.
"""

from __future__ import annotations

import logging
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

from django.db import close_old_connections, connection
from django.db.models import F
from django.utils import timezone

from engine.errors import DataCorrupt
from webui.webhooks.models import Delivery, DeliveryStatus, Webhook
from webui.webhooks.sending import Sent, secret_open, send
from webui.webhooks.telling import events_collect

logger = logging.getLogger(__name__)

PAUSE_SECONDS = 1.0
AT_ONCE = 4
CLAIM = timedelta(minutes=1)
RETRY_AFTER = (
    *(timedelta(seconds=seconds) for seconds in (10, 60, 300, 1800)),
    *(timedelta(hours=hours) for hours in (2, 6, 12)),
)
"""After the first failure, the second …; then it has failed."""
FAILURES_MAXIMUM = 100
KEPT = timedelta(days=7)
TRIM_EVERY = 3600


class Deliverer:
    def __init__(self) -> None:
        self._pool = ThreadPoolExecutor(AT_ONCE, thread_name_prefix="webhook")
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
        self._pool.shutdown(wait=False, cancel_futures=True)

    def turn(self) -> int:
        """Look for what has happened, and send what is due; how many were sent."""
        self._turns += 1
        if self._turns % TRIM_EVERY == 1:
            Delivery.objects.filter(created_at__lt=timezone.now() - KEPT).exclude(
                status=DeliveryStatus.WAITING
            ).delete()
        events_collect()
        claimed = due_claim(4 * AT_ONCE)
        list(self._pool.map(_deliver, claimed))
        return len(claimed)


def due_claim(count: int) -> list[Delivery]:
    """At most so many messages whose time has come; nobody else gets them for a while."""
    now = timezone.now()
    due = Delivery.objects.filter(status=DeliveryStatus.WAITING, next_at__lte=now, webhook__is_enabled=True)
    found = []
    for delivery in due.select_related("webhook").order_by("next_at")[:count]:
        mine = Delivery.objects.filter(pk=delivery.pk, next_at=delivery.next_at, status=DeliveryStatus.WAITING)
        if mine.update(next_at=now + CLAIM):
            found.append(delivery)
    return found


def _deliver(delivery: Delivery) -> None:
    close_old_connections()
    try:
        delivery_send(delivery)
    except Exception:
        logger.exception("the delivery %s could not be written down", delivery.pk)
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
        is_over = attempts > len(RETRY_AFTER)
        status = DeliveryStatus.FAILED if is_over else DeliveryStatus.WAITING
        next_at = None if is_over else now + RETRY_AFTER[attempts - 1]
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
        hooks.exclude(failures=0).update(failures=0)
        return
    hooks.update(failures=F("failures") + 1)
    problem = f"It was switched off after {FAILURES_MAXIMUM} failures in a row; the last: {sent.problem}"[:300]
    hooks.filter(failures__gte=FAILURES_MAXIMUM, is_enabled=True).update(is_enabled=False, problem=problem)
