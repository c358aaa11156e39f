"""What somebody may see, as conditions of a query: the database filters, in one statement, however many rights.

The names of models are texts here, since every model's queryset stands on this.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any, TypeVar

from django.apps import apps
from django.db import connection
from django.db.models import Exists, F, OuterRef, Q, QuerySet, TextField
from django.db.models.expressions import RawSQL
from django.db.models.functions import Cast

from webui.accounts.actions import IN_TEAM, OF_IMAGES, ON_HOST, roles_with

if TYPE_CHECKING:
    from webui.accounts.models import User

S = TypeVar("S", bound=QuerySet[Any])


def teams(found: S, user: User) -> S:
    """Of a queryset of teams those that `user` is in."""
    if not user.is_active:
        return found.none()
    if user.token_team is not None:
        found = found.filter(pk=user.token_team)
    return found if user.is_superuser else found.filter(memberships__user=user)


def objects(found: S, user: User, action: str, host_path: str | None) -> S:
    """Of objects with a team those with which `user` may do `action`; `host_path`: where they say on which host."""
    return _allowed(found, user, action, host_path, Q())


def images(found: S, user: User, action: str) -> S:
    """The same for images, which grants may also name by repository: their `tags` are a JSON list of names."""
    if action not in OF_IMAGES or user.is_superuser:  # who needs no condition of their repositories
        return objects(found, user, action, "host")
    grants = _model("Grant").filter(_with_role("role", action), membership__user=user).exclude(needle="")
    grants = grants.filter(membership__team=OuterRef("team"))
    named = grants.annotate(tags=Cast(OuterRef("tags"), TextField())).filter(tags__contains=F("needle"))
    return _allowed(found, user, action, "host", Q(Exists(named)))


def whole_teams(user: User, action: str) -> QuerySet[Any]:
    """Ids of the teams in the whole of which a role of `user`'s has `action`: for who is no administrator."""
    return _whole_teams(user.pk, action)


def is_ruled_out(user: User, action: str) -> bool:
    """Whether `user` may nowhere do it, because he is locked out or his token does not go so far."""
    is_beyond = user.token_actions is not None and action not in user.token_actions
    return not user.is_active or is_beyond or action not in IN_TEAM


def sees_all(user: User, action: str) -> bool:
    """Whether it is everybody's objects that `user` may do it with: of a queryset no row would be left out."""
    return user.is_superuser and user.token_team is None and not is_ruled_out(user, action)


def _allowed(found: S, user: User, action: str, host_path: str | None, other: Q) -> S:
    if is_ruled_out(user, action):
        return found.none()
    if user.token_team is not None:
        found = found.filter(team=user.token_team)
    if user.is_superuser:  # not burdened with a condition that always holds
        return found
    allowed = Q(team__in=_subquery("teams", user, action)) | other
    if host_path is not None and action in ON_HOST:
        allowed |= _on_hosts(user, action, host_path)
    return found.filter(allowed)


def _on_hosts(user: User, action: str, host_path: str) -> Q:
    hosts = Q(**{f"{host_path}__in": _subquery("hosts", user, action)})
    hosts |= Q(**{f"{host_path}__in": _subquery("hosts of groups", user, action)})
    return Q(team__in=_subquery("teams of grants", user, action)) & hosts


_ANYBODY = -1
"""In place of a user in statements that are made for all."""


def _subquery(which: str, user: User, action: str) -> RawSQL:
    sql, parameters = _statement(connection.vendor, which, action)
    return RawSQL(sql, [user.pk if one == _ANYBODY else one for one in parameters])  # noqa: S611 - the ORM wrote it


@cache
def _statement(_dialect: str, which: str, action: str) -> tuple[str, tuple[Any, ...]]:
    """Text and parameters of one of the queries below: the ORM takes half a millisecond to write each, and every
    request needs several; only the user differs."""
    grants = _model("Grant").filter(_with_role("role", action), membership__user=_ANYBODY, needle="")
    if which == "teams":
        found = _whole_teams(_ANYBODY, action)
    elif which == "teams of grants":
        found = grants.values("membership__team")
    elif which == "hosts":
        found = grants.filter(host__isnull=False).values("host")
    else:
        groups = grants.filter(group__isnull=False).values("group")
        places = apps.get_model("accounts", "HostGroup").hosts.through.objects
        found = places.filter(hostgroup__in=groups).values("host")
    return found.order_by().query.sql_with_params()  # type: ignore[no-any-return]


def _whole_teams(user_id: int, action: str) -> QuerySet[Any]:
    return _model("Membership").filter(_with_role("role", action), user=user_id).values("team")


def _with_role(field: str, action: str) -> Q:
    custom = _model("CustomRoleAction").filter(action=action).values("role")
    return Q(**{f"{field}__in": roles_with(action)}) | Q(**{f"{field}__in": custom})


def _model(name: str) -> Any:
    return apps.get_model("accounts", name)._default_manager
