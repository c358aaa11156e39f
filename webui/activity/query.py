"""Which events somebody asks for: one reading of the parameters for REST, NDJSON, socket and page.

since, until   Unix seconds or RFC 3339: at or after, before
after, before  ids of events: what follows one, what came before one
type, event, container, image, label, host, team   as `docker events --filter`; each may be given several times,
which means any of them (of labels: all of them). `label` is KEY or KEY=VALUE. `image` is an id, or a name as people
write it; without a tag it means all of that name.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from functools import reduce
from operator import or_
from typing import Self

from django.db.models import Q
from django.db.models.fields.json import KeyTransform

from engine.errors import InvalidArgument
from engine.oci.reference import Reference
from webui.accounts.models import User
from webui.activity.models import Event, EventQuerySet
from webui.activity.naming import TYPES
from webui.parameters import Given, is_uuid, moment, row_id, texts, wrong

_LISTS = ("type", "event", "container", "image", "label", "host", "team")
PARAMETERS = frozenset({"since", "until", "before", "after", *_LISTS})


@dataclass(frozen=True, slots=True, kw_only=True)
class EventQuery:
    since: datetime | None = None
    until: datetime | None = None
    after: int | None = None
    before: int | None = None
    type: tuple[str, ...] = ()
    event: tuple[str, ...] = ()
    container: tuple[str, ...] = ()
    image: tuple[str, ...] = ()
    label: tuple[str, ...] = ()
    host: tuple[str, ...] = ()
    team: tuple[str, ...] = ()

    @classmethod
    def from_parameters(cls, given: Given) -> Self:
        """Of query parameters, each with its values. Raises InvalidArgument that names the parameter."""
        lists = {name: texts(name, given) for name in _LISTS}
        for kind in lists["type"]:
            if kind not in TYPES:
                raise wrong("type", f"Choose of {', '.join(TYPES)}.")
        if any(set('"\\') & set(label.partition("=")[0]) for label in lists["label"]):
            raise wrong("label", "A key can't contain a quotation mark or a backslash here.")
        return cls(
            since=moment("since", given),
            until=moment("until", given),
            after=row_id("after", given),
            before=row_id("before", given),
            **lists,
        )

    def rows(self, user: User) -> EventQuerySet:
        """What `user` may see of it."""
        found = Event.objects.visible_to(user).select_related("host", "team")
        if self.since is not None:
            found = found.filter(at__gte=self.since)
        if self.until is not None:
            found = found.filter(at__lt=self.until)
        if self.after is not None:
            found = found.filter(id__gt=self.after)
        if self.before is not None:
            found = found.filter(id__lt=self.before)
        for wish in self._wishes():
            found = found.filter(wish)
        return self._labelled(found)

    def _wishes(self) -> list[Q]:
        wishes: list[Q] = []
        if self.type:
            wishes.append(Q(type__in=self.type))
        if self.event:
            wishes.append(Q(verb__in=self.event) | Q(action__in=self.event))
        if self.container:
            of_name = Q(type="container", name__in=self.container)
            wishes.append(Q(container_id__in=self.container) | of_name)
        if self.image:
            wishes.append(reduce(or_, map(_of_image, self.image)))
        if self.host:
            wishes.append(Q(host_id__in=self.host) | Q(host__name__in=self.host))
        if self.team:
            wishes.append(Q(team__name__in=self.team) | Q(team_id__in=[text for text in self.team if is_uuid(text)]))
        return wishes

    def _labelled(self, found: EventQuerySet) -> EventQuerySet:
        for number, label in enumerate(self.label):
            key, has_value, value = label.partition("=")
            if has_value:
                name = f"label_{number}"
                found = found.annotate(**{name: KeyTransform(key, "labels")}).filter(**{name: value})
            else:
                found = found.filter(labels__has_key=key)
        return found


def _of_image(wanted: str) -> Q:
    """Hosts tell some events with an image's whole name, others with the one that people write."""
    found = Q(image=wanted) | Q(type="image") & (Q(name=wanted) | Q(actor_id=wanted))
    try:
        reference = Reference.parse(wanted)
    except InvalidArgument:
        return found
    names = {str(reference), reference.familiar}
    found |= Q(image__in=names) | Q(type="image", name__in=names)
    if "@" not in wanted and ":" not in wanted.rpartition("/")[2]:
        for name in (reference.name, reference.familiar_name):
            for separator in ":@":
                begin = name + separator
                found |= Q(image__startswith=begin) | Q(type="image", name__startswith=begin)
    return found
