"""What a host says it has: taken over, told to the pages, forgotten."""

from __future__ import annotations

from datetime import datetime

from django.db import transaction
from django.utils import timezone
from django.utils.dateparse import parse_datetime

from webui.accounts.models import Team
from webui.broadcast import change_publish
from webui.hosts.models import Host
from webui.images.models import Image
from webui.images.newer import newer_tags
from webui.images.representation import image_as_json
from worker.contract.events import ImageState


@transaction.atomic
def image_apply_state(*, host: Host, team: Team, state: ImageState) -> Image:
    """Take over what the host says about one image; the pages are told if anything is new."""
    values = {
        "tags": list(state.tags),
        "digests": list(state.digests),
        "size_bytes": state.size_bytes,
        "layers": state.layers,
        "architecture": state.architecture[:40],
        "os": state.os[:40],
        "config": dict(state.config),
        "built_at": _moment(state.created_at),
    }
    values["newer"] = newer_tags(team, tags=state.tags, digests=state.digests)
    image = Image.objects.filter(host=host, team=team, image_id=state.id).first()
    if image is not None and all(getattr(image, name) == value for name, value in values.items()):
        return image
    image, _ = Image.objects.update_or_create(
        host=host, team=team, image_id=state.id, defaults={**values, "updated_at": timezone.now()}
    )
    image.host, image.team = host, team
    change_publish(team_id=team.pk, kind="image", action="updated", id=image.pk, object=image_as_json(image))
    return image


@transaction.atomic
def image_forget(*, host: Host, team: Team | None = None, image_id: str) -> None:
    """The host has no such image any more; None means for every team that saw it there."""
    images = Image.objects.filter(host=host, image_id=image_id)
    for image in images if team is None else images.filter(team=team):
        row_id, team_id = image.pk, image.team_id
        image.delete()
        change_publish(team_id=team_id, kind="image", action="removed", id=row_id, object=None)


@transaction.atomic
def image_apply_inventory(*, host: Host, team: Team, states: list[ImageState]) -> None:
    """`states` is everything the host has: take it over and forget the rest."""
    for state in states:
        image_apply_state(host=host, team=team, state=state)
    present = {state.id for state in states}
    for image_id in Image.objects.filter(host=host).values_list("image_id", flat=True):
        if image_id not in present:
            image_forget(host=host, image_id=image_id)


def _moment(text: str | None) -> datetime | None:
    """An image's `created`, which is whatever its builder wrote there (RFC 3339, with up to nine decimals)."""
    try:
        moment = parse_datetime(text) if text else None
    except ValueError:
        return None
    if moment is None:
        return None
    return moment if timezone.is_aware(moment) else timezone.make_aware(moment)
