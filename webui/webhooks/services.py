"""Writes about webhooks: who manages the team may."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any
from urllib.parse import urlsplit

from django.db import IntegrityError, transaction
from django.utils import timezone

from engine.errors import AlreadyExists, Conflict, InvalidArgument
from webui.accounts.models import Team, User
from webui.accounts.roles import require, require_loosening
from webui.activity.models import Event
from webui.webhooks.models import Delivery, DeliveryStatus, Webhook
from webui.webhooks.sending import new_secret, secret_seal
from webui.webhooks.telling import PING, TYPES, message

MANAGE = "team.manage"
WEBHOOKS_MAXIMUM = 50
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
    if changes.get("reaches_local", webhook.reaches_local) and {"reaches_local", "url"} & set(changes):
        _require_near(user, webhook.team, True)
    present = {"name": webhook.name, "url": webhook.url, "events": webhook.events}
    for name, value in _checked(**{name: changes.get(name, value) for name, value in present.items()}).items():
        setattr(webhook, name, value)
    webhook.reaches_local = changes.get("reaches_local", webhook.reaches_local)
    if changes.get("is_enabled") and not webhook.is_enabled:
        webhook.failures, webhook.problem = 0, ""
        webhook.last_event = Event.objects.order_by("-id").values_list("id", flat=True).first() or 0
    webhook.is_enabled = changes.get("is_enabled", webhook.is_enabled)
    _save(webhook)
    return webhook


def webhook_remove(*, user: User, webhook: Webhook) -> None:
    """It goes with its log. Raises PermissionDenied."""
    require(user, MANAGE, webhook.team)
    webhook.delete()


def webhook_test(*, user: User, webhook: Webhook) -> Delivery:
    """Send a message of the type `ping` soon. Raises PermissionDenied, Conflict for one that is switched off."""
    require(user, MANAGE, webhook.team)
    if not webhook.is_enabled:
        raise Conflict("it is switched off: switch it on first")
    body = message(PING, {"webhook": {"id": str(webhook.pk), "name": webhook.name}})
    return Delivery.objects.create(webhook=webhook, event=PING, body=body)


def delivery_again(*, user: User, delivery: Delivery) -> Delivery:
    """Send the same once more, as a new delivery. Raises PermissionDenied, Conflict."""
    require(user, MANAGE, delivery.webhook.team)
    if not delivery.webhook.is_enabled:
        raise Conflict("its webhook is switched off: switch it on first")
    if delivery.status == DeliveryStatus.WAITING:
        Delivery.objects.filter(pk=delivery.pk).update(next_at=timezone.now())
        return delivery
    return Delivery.objects.create(webhook=delivery.webhook, event=delivery.event, body=delivery.body)


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


def _save(hook: Webhook) -> None:
    try:
        with transaction.atomic():
            hook.save()
    except IntegrityError as error:
        message_ = f"The team has a webhook named {hook.name} already: choose another name."
        raise AlreadyExists(message_, {"fields": {"name": [message_]}}) from error
