"""What somebody may see, as conditions of a query: the database filters, in one statement, however many rights.

The names of models are texts here, since every model's queryset stands on this.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import TYPE_CHECKING, Any, TypeVar

from django.apps import apps
from django.db.models import BooleanField, Exists, Expression, F, OuterRef, Q, QuerySet, TextField
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
    host = host_path if host_path is not None and action in ON_HOST else None
    return found.filter(Q(_Allowed(user, action, host)) | other)


class _Allowed(Expression):
    """Whether `user` may do `action` with a row: in all of its team, or on its host (`host_path`), if it has one.

    The ORM takes milliseconds to write this, in every request several times: it does once, and only the user differs.
    """

    def __init__(self, user: User, action: str, host_path: str | None) -> None:
        super().__init__(output_field=BooleanField())
        self._user_id, self._action = user.pk, action
        self._places: list[Any] = [F("team"), *([] if host_path is None else [F(host_path)])]

    def get_source_expressions(self) -> list[Any]:
        return self._places

    def set_source_expressions(self, exprs: Sequence[Any]) -> None:
        self._places = list(exprs)

    def as_sql(self, compiler: Any, connection: Any) -> tuple[str, list[Any]]:  # type: ignore[override]
        team, *host = (compiler.compile(place)[0] for place in self._places)  # columns, which have no parameters
        sql, parameters = _condition(connection.vendor, self._action, bool(host))
        sql = sql.format(team=team, host="".join(host))
        return sql, [self._user_id if one == _ANYBODY else one for one in parameters]


_ANYBODY = -1
"""In place of a user in statements that are made for all."""


@cache
def _condition(_dialect: str, action: str, with_host: bool) -> tuple[str, list[Any]]:
    """Text, with `{team}` and `{host}` where the row's columns belong, and parameters."""
    parameters: list[Any] = []

    def is_one_of(column: str, rows: QuerySet[Any]) -> str:
        sql, own = rows.order_by().query.sql_with_params()
        parameters.extend(own)
        return f"{column} IN ({sql})"

    in_team = is_one_of("{team}", _whole_teams(_ANYBODY, action))
    if not with_host:
        return in_team, parameters
    grants = _model("Grant").filter(_with_role("role", action), membership__user=_ANYBODY, needle="")
    groups = grants.filter(group__isnull=False).values("group")
    of_groups = apps.get_model("accounts", "HostGroup").hosts.through.objects.filter(hostgroup__in=groups)
    granted = is_one_of("{team}", grants.values("membership__team"))
    on_host = is_one_of("{host}", grants.filter(host__isnull=False).values("host"))
    in_group = is_one_of("{host}", of_groups.values("host"))
    return f"({in_team} OR ({granted} AND ({on_host} OR {in_group})))", parameters


def _whole_teams(user_id: int, action: str) -> QuerySet[Any]:
    return _model("Membership").filter(_with_role("role", action), user=user_id).values("team")


def _with_role(field: str, action: str) -> Q:
    custom = _model("CustomRoleAction").filter(action=action).values("role")
    return Q(**{f"{field}__in": roles_with(action)}) | Q(**{f"{field}__in": custom})


def _model(name: str) -> Any:
    return apps.get_model("accounts", name)._default_manager
