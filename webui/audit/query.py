"""Which entries somebody asks for: one reading of the parameters for REST, the export and the page.

since, until     Unix seconds or RFC 3339: at or after, before          before, after   ids of entries
actor, action, team, host, object, door, result, address   each may be given several times, which means any of them;
                 `action` also takes a resource: `container` means all that begins with `container.`
search           part of a name, an id, an error
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Self

from django.db.models import Q

from webui.accounts.models import User
from webui.asking import DOORS
from webui.audit.models import AuditEntry, AuditQuerySet, Result
from webui.parameters import Given, is_uuid, moment, row_id, texts, wrong

LISTS = ("actor", "action", "team", "host", "object", "door", "result", "address")
PARAMETERS = frozenset({"since", "until", "before", "after", "search", *LISTS})


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditQuery:
    since: datetime | None = None
    until: datetime | None = None
    after: int | None = None
    before: int | None = None
    search: str = ""
    actor: tuple[str, ...] = ()
    action: tuple[str, ...] = ()
    team: tuple[str, ...] = ()
    host: tuple[str, ...] = ()
    object: tuple[str, ...] = ()
    door: tuple[str, ...] = ()
    result: tuple[str, ...] = ()
    address: tuple[str, ...] = ()

    @classmethod
    def from_parameters(cls, given: Given) -> Self:
        """Of query parameters, each with its values. Raises InvalidArgument that names the parameter."""
        lists = {name: texts(name, given) for name in LISTS}
        for name, choices in (("door", DOORS), ("result", Result.values)):
            if not set(lists[name]) <= set(choices):
                raise wrong(name, f"Choose of {', '.join(choices)}.")
        return cls(
            since=moment("since", given),
            until=moment("until", given),
            after=row_id("after", given),
            before=row_id("before", given),
            search=next(iter(texts("search", given)), ""),
            **lists,
        )

    def rows(self, user: User) -> AuditQuerySet:
        """What `user` may see of it."""
        found = AuditEntry.objects.visible_to(user)
        for name, value in (("at__gte", self.since), ("at__lt", self.until), ("id__gt", self.after)):
            found = found if value is None else found.filter(**{name: value})
        found = found if self.before is None else found.filter(id__lt=self.before)
        for wish in self._wishes():
            found = found.filter(wish)
        return found

    def _wishes(self) -> list[Q]:
        wishes = [
            Q(**{f"{field}__in": values})
            for field, values in (
                ("actor_name", self.actor),
                ("door", self.door),
                ("result", self.result),
                ("address", self.address),
            )
            if values
        ]
        if self.action:
            resources = [Q(action__startswith=f"{name}.") for name in self.action if "." not in name]
            wishes.append(_any([Q(action__in=self.action), *resources]))
        if self.team:
            ids = [text for text in self.team if is_uuid(text)]
            wishes.append(Q(team_name__in=self.team) | Q(team_id__in=ids))
        if self.host:
            wishes.append(Q(host_id__in=self.host) | Q(host_name__in=self.host))
        if self.object:
            wishes.append(Q(object_id__in=self.object) | Q(object_name__in=self.object))
        if self.search:
            fields = ("object_name", "object_id", "actor_name", "action", "error", "address")
            wishes.append(_any([Q(**{f"{name}__icontains": self.search}) for name in fields]))
        return wishes


def _any(wishes: list[Q]) -> Q:
    found = Q()
    for wish in wishes:
        found |= wish
    return found
