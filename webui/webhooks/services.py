"""Writes about webhooks: who manages the team may."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any
from urllib.parse import urlsplit

from django.db import IntegrityError, transaction
from django.utils import timezone

from engine.errors import AlreadyExists, Conflict, InvalidArgument, NotFound
from webui.accounts.models import Team, User
from webui.accounts.roles import require, require_loosening
from webui.activity.models import Event
from webui.webhooks.models import Delivery, DeliveryStatus, Webhook
from webui.webhooks.sending import new_secret, secret_seal
from webui.webhooks.telling import PING, TYPES, message

MANAGE = "team.manage"
WEBHOOKS_MAXIMUM = 50
SWITCHED_OFF = "Its webhook was switched off before it was sent: send it again if it is still wanted."
_EVENT = re.compile(rf"({'|'.join(TYPES)})(\.[a-z_]{{1,40}})?")


@transaction.atomic
def webhook_create(
    *, user: User, team: Team, name: str, url: str, events: Sequence[str] = (), reaches_local: bool = False
) -> tuple[Webhook, str]:
    """A new webhook, told of what happens from now on, and its secret, which is shown this once.

    Raises PermissionDenied, InvalidArgument with the fields, AlreadyExists.
    """
    require(user, MANAGE, team)
    _require_near(user, team, reaches_local)
    if Webhook.objects.filter(team=team).count() >= WEBHOOKS_MAXIMUM:
        raise Conflict(f"the team has {WEBHOOKS_MAXIMUM} webhooks already: remove one first")
    fields = _checked(name=name, url=url, events=events)
    secret = new_secret()
    newest = Event.objects.order_by("-id").values_list("id", flat=True).first() or 0
    hook = Webhook(
        team=team,
        created_by=user,
        sealed_secret=secret_seal(secret),
        last_event=newest,
        reaches_local=reaches_local,
        **fields,
    )
    _save(hook)
    return hook, secret


@transaction.atomic
def webhook_update(*, user: User, webhook: Webhook, **changes: Any) -> Webhook:
    """Change name, url, events, reaches_local, is_enabled; one that is switched on again begins anew, from now on."""
    require(user, MANAGE, webhook.team)
    # As it is now, since what is meant is a change of that; the rest of the row is not written back.
    found = Webhook.objects.select_for_update().filter(pk=webhook.pk).first()
    if found is None:
        raise NotFound(f"the webhook {webhook.name} has been removed: make a new one")
    if changes.get("reaches_local", found.reaches_local) and {"reaches_local", "url"} & set(changes):
        _require_near(user, found.team, True)
    present = {"name": found.name, "url": found.url, "events": found.events}
    wanted = {**changes, **_checked(**{name: changes.get(name, value) for name, value in present.items()})}
    if wanted.get("is_enabled") and not found.is_enabled:
        newest = Event.objects.order_by("-id").values_list("id", flat=True).first() or 0
        wanted |= {"failures": 0, "failing_since": None, "waits_until": None, "problem": "", "last_event": newest}
        found.deliveries.filter(status=DeliveryStatus.WAITING).update(
            status=DeliveryStatus.FAILED, problem=SWITCHED_OFF, next_at=None, finished_at=timezone.now()
        )
    for name, value in wanted.items():
        setattr(found, name, value)
    _save(found, update_fields=list(wanted))
    return found


@transaction.atomic
def webhook_new_secret(*, user: User, webhook: Webhook) -> str:
    """Another secret, shown this once; what is sent from now on is signed with it, what waits too.

    Raises PermissionDenied.
    """
    require(user, MANAGE, webhook.team)
    secret = new_secret()
    webhook.sealed_secret = secret_seal(secret)
    webhook.save(update_fields=["sealed_secret"])
    return secret


def webhook_remove(*, user: User, webhook: Webhook) -> None:
    """It goes with its log. Raises PermissionDenied."""
    require(user, MANAGE, webhook.team)
    webhook.delete()


def webhook_test(*, user: User, webhook: Webhook) -> Delivery:
    """Send a message of the type `ping` soon. Raises PermissionDenied, Conflict for one that is switched off."""
    require(user, MANAGE, webhook.team)
    if not webhook.is_enabled:
        raise Conflict("it is switched off: switch it on first")
    _wait_no_longer(webhook)
    body = message(PING, {"webhook": {"id": str(webhook.pk), "name": webhook.name}})
    return Delivery.objects.create(webhook=webhook, event=PING, body=body)


def delivery_again(*, user: User, delivery: Delivery) -> Delivery:
    """Send the same once more, as a new delivery. Raises PermissionDenied, Conflict."""
    require(user, MANAGE, delivery.webhook.team)
    if not delivery.webhook.is_enabled:
        raise Conflict("its webhook is switched off: switch it on first")
    _wait_no_longer(delivery.webhook)
    if delivery.status == DeliveryStatus.WAITING:
        Delivery.objects.filter(pk=delivery.pk).update(next_at=timezone.now())
        return delivery
    return Delivery.objects.create(webhook=delivery.webhook, event=delivery.event, body=delivery.body)


def _wait_no_longer(webhook: Webhook) -> None:
    """Somebody wants to see now whether it takes messages, whatever its receiver has said."""
    Webhook.objects.filter(pk=webhook.pk).exclude(waits_until=None).update(waits_until=None)


def _require_near(user: User, team: Team, reaches_local: bool) -> None:
    wanted = [("reaches_local", "addresses of this host and its neighbours")] if reaches_local else []
    require_loosening(user, team, wanted)


def _checked(*, name: str, url: str, events: Sequence[str]) -> dict[str, Any]:
    wrong: dict[str, list[str]] = {}
    name, url = name.strip(), url.strip()
    if not 0 < len(name) <= 80 or not name.isprintable():
        wrong["name"] = ["Give a name of 1 to 80 characters."]
    if not _is_address(url):
        wrong["url"] = ["Give an address such as https://example.com/hooks/portside."]
    names = list(dict.fromkeys(text.strip() for text in events if text.strip()))
    strange = [text for text in names if not _EVENT.fullmatch(text)]
    if strange:
        wrong["events"] = [f"{strange[0][:60]!r} is no event: such as container, container.die or job.failed."]
    if len(names) > 100:
        wrong["events"] = ["Give at most 100."]
    if wrong:
        raise InvalidArgument("the webhook can't be like this: correct the marked fields", {"fields": wrong})
    return {"name": name, "url": url, "events": names}


def _is_address(url: str) -> bool:
    try:
        parts = urlsplit(url)
        parts.port  # noqa: B018 - raises for what is no port
    except ValueError:
        return False
    is_plain = len(url) <= 2000 and url.isascii() and url.isprintable() and " " not in url
    return is_plain and parts.scheme in ("http", "https") and bool(parts.hostname)


def _save(hook: Webhook, update_fields: Sequence[str] | None = None) -> None:
    try:
        with transaction.atomic():
            hook.save(update_fields=update_fields)
    except IntegrityError as error:
        message_ = f"The team has a webhook named {hook.name} already: choose another name."
        raise AlreadyExists(message_, {"fields": {"name": [message_]}}) from error
