"""Images for the pages: one row for an image, however many hosts have it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db.models import Max, Q, TextField
from django.db.models.functions import Cast
from django.utils.dateparse import parse_datetime

from webui.accounts.actions import IN_TEAM
from webui.accounts.models import User
from webui.accounts.roles import Rights
from webui.containers.models import Container
from webui.images.models import Image, ImageQuerySet
from webui.images.representation import image_as_json

USERS_SHOWN = 5
PAGE_ROWS = 200


@dataclass(frozen=True, slots=True)
class ImagePage:
    """Ids of images, the newest first. `older`: what `before` is for those that follow, empty if none do."""

    image_ids: list[str]
    older: str
    is_older: bool


def image_page(images: ImageQuerySet, *, query: str = "", before: str = "") -> ImagePage:
    """A page of images, however many hosts have each; `query` is a part of a tag or an id.

    `before` is the place after which it begins (the time of the last change and the id), not a number: images that come
    meanwhile move nothing. One that can't be read is the beginning.
    """
    if query:
        found = images.alias(text=Cast("tags", TextField()))
        images = found.filter(Q(text__icontains=query) | Q(image_id__icontains=query))
    groups = images.order_by().values("image_id").annotate(newest=Max("updated_at")).order_by("-newest", "image_id")
    text, _, last = before.replace("\0", "")[:200].partition(" ")
    since = _time(text)
    if since is not None:
        groups = groups.filter(Q(newest__lt=since) | Q(newest=since, image_id__gt=last))
    rows = list(groups[: PAGE_ROWS + 1])
    more = len(rows) > PAGE_ROWS
    end = rows[PAGE_ROWS - 1] if more else None
    older = f"{end['newest'].isoformat()} {end['image_id']}" if end is not None else ""
    return ImagePage([row["image_id"] for row in rows[:PAGE_ROWS]], older, since is not None)


def _time(text: str) -> datetime | None:
    try:
        found = parse_datetime(text)
    except ValueError:  # it looks like one, and is none
        return None
    return found if found is not None and found.tzinfo is not None else None


def image_groups(images: ImageQuerySet, *, user: User) -> list[dict[str, Any]]:
    """The newest first. `places` are its rows by host, `used_by` the newest containers that use it on any of them,
    `used_more` how many more there are; `newer` the tags that moved on, anywhere; `may` what the user may do with it in
    all places."""
    groups: dict[str, dict[str, Any]] = {}
    rights = Rights(user)
    for image in images.select_related("host", "team"):
        row = image_as_json(image)
        group = groups.setdefault(
            image.image_id, {**row, "tags": [], "newer": [], "places": [], "used": [], "may": IN_TEAM}
        )
        group["tags"] += [tag for tag in row["tags"] if tag not in group["tags"]]
        group["newer"] += [tag for tag in row["newer"] if tag not in group["newer"]]
        group["places"].append({"id": image.pk, "host": row["host"], "online": image.host.is_online})
        group["may"] &= rights.of(image.team_id, host=image.host_id, repository=image.repositories)
    for container in containers_of(groups, user=user):
        for image_id in container.image_ids & groups.keys():
            group = groups[image_id]
            if container.host_id in {place["host"]["id"] for place in group["places"]}:
                group["used"].append({"id": container.pk, "name": container.name})
    for group in groups.values():
        group["hex"] = group["image_id"].removeprefix("sha256:")
        group["used_by"], group["used_more"] = group["used"][:USERS_SHOWN], max(0, len(group["used"]) - USERS_SHOWN)
        group["title"] = group["tags"][0] if group["tags"] else group["short_id"]
    return list(groups.values())


def image_places(images: Iterable[Image], *, user: User) -> list[dict[str, Any]]:
    """One image on its hosts: REST's JSON of each, with what the user `may` do there.

    `may_look_up`: asking for newer ones is about all that a registry has, and not for who has a repository alone.
    """
    rights = Rights(user)
    return [
        image_as_json(image)
        | {
            "online": image.host.is_online,
            "may": rights.of(image.team_id, host=image.host_id, repository=image.repositories),
            "may_look_up": "images.pull" in rights.of(image.team_id, host=image.host_id),
        }
        for image in images
    ]


def containers_of(image_ids: Iterable[str], *, user: User) -> Iterable[Container]:
    """The containers that were made from these images, or have mounted them."""
    found = Container.objects.visible_to(user).using_images(list(image_ids))
    return found.only("pk", "name", "host_id", "image_id", "mounted")
