"""People, teams and roles; what is done with them goes to REST."""

from __future__ import annotations

from itertools import groupby
from typing import Any
from uuid import UUID

from django.core.paginator import Paginator
from django.db.models import Count, Prefetch, Q
from django.http import HttpRequest
from django.shortcuts import get_object_or_404

from webui.accounts import invitations as inviting
from webui.accounts.actions import ACTIONS as TABLE
from webui.accounts.actions import GRANTABLE, IN_TEAM
from webui.accounts.models import HostGroup, Invitation, Membership, Team
from webui.accounts.people import people_visible
from webui.accounts.representation import (
    group_as_json,
    invitation_as_json,
    member_as_json,
    person_as_json,
    roles_as_json,
    service_account_as_json,
)
from webui.accounts.roles import LOOSEN, Rights, actions_of, may_in_site
from webui.accounts.service_accounts import accounts_visible
from webui.hosts.models import Host
from webui.pages.page import page
from webui.webhooks.models import Webhook
from webui.webhooks.representation import webhook_as_json

PAGE_SIZE = 100
FILTERS = {
    "people": Q(service_of=None),
    "administrators": Q(is_superuser=True),
    "service": Q(service_of__isnull=False),
    "locked": Q(is_active=False),
}
NAMESPACE_WORDS = (
    ("network", "network"),
    ("pid", "processes"),
    ("ipc", "IPC"),
    ("uts", "host name"),
    ("cgroupns", "control groups"),
    ("userns", "users"),
)
"""What of a host's a policy may lend, and what people call it."""
SHOWN = 500
"""Members of a team on its page; further ones are found by search."""


@page("pages/people.html", section="teams")
def people(request: HttpRequest) -> dict[str, Any]:
    query, status = request.GET.get("q", "").strip()[:150].replace("\0", ""), request.GET.get("status", "")
    teams = Membership.objects.visible_to(request.user).select_related("team").order_by("team__name")
    visible = people_visible(request.user)
    named = Q(username__icontains=query) | Q(first_name__icontains=query) | Q(last_name__icontains=query)
    found = visible.filter(named | Q(email__icontains=query)) if query else visible
    found = found.filter(FILTERS.get(status, Q())).order_by("username")
    found = found.prefetch_related(Prefetch("memberships", teams, to_attr="shown_memberships"))
    shown = Paginator(found, PAGE_SIZE).get_page(request.GET.get("page"))
    names = {role["key"]: role["name"] for role in roles_as_json()}
    return {
        "query": query,
        "status": status if status in FILTERS else "",
        "page": shown,
        "total": visible.count(),
        "people": [_person_row(user, names) for user in shown.object_list],
        "may_manage": may_in_site(request.user, "users.manage"),
    }


def _person_row(user: Any, names: dict[str, str]) -> dict[str, Any]:
    row = person_as_json(user, user.shown_memberships)
    for team in row["teams"]:
        team["role_name"] = names.get(team["role"], team["role"])
    return row


@page("pages/teams.html", section="teams")
def teams(request: HttpRequest) -> dict[str, Any]:
    visible = Team.objects.visible_to(request.user)
    counted = visible.annotate(
        members=Count("memberships", distinct=True), machines=Count("hosts", distinct=True)
    ).order_by("name")
    mine = dict(Membership.objects.filter(user=request.user).values_list("team_id", "role"))
    names = {role["key"]: role["name"] for role in roles_as_json()}
    return {
        "teams": [
            {
                "id": team.pk,
                "name": team.name,
                "members": team.members,
                "hosts": team.machines,
                "role": names.get(mine.get(team.pk) or "", "further roles" if team.pk in mine else ""),
            }
            for team in counted
        ],
        "may_create": may_in_site(request.user, "teams.manage"),
    }


@page("pages/team.html", section="teams")
def team(request: HttpRequest, team_id: UUID) -> dict[str, Any]:
    """Its parts are in templates/pages/team/: a new section is a tab and a panel."""
    found = get_object_or_404(Team.objects.visible_to(request.user), pk=team_id)
    held = actions_of(request.user, found)
    all_roles = roles_as_json()
    names = {role["key"]: role["name"] for role in all_roles}
    members = Membership.objects.visible_to(request.user).filter(team=found).select_related("user")
    members = members.prefetch_related("grants__host", "grants__group").order_by("user__username")
    invited = Invitation.objects.visible_to(request.user).filter(team=found, accepted_at=None)
    groups = HostGroup.objects.visible_to(request.user).filter(team=found)
    accounts = accounts_visible(request.user, found).prefetch_related("memberships", "tokens__team")
    mine = [role for role in all_roles if set(role["actions"]) <= held]
    return {
        "team": found,
        "members": [_member_row(one, names) for one in members[:SHOWN]],
        "member_count": members.count(),
        "invitations": [
            _named(invitation_as_json(one), names)
            for one in invited.select_related("team", "invited_by", "accepted_by")[:SHOWN]
        ],
        "accounts": [_named(service_account_as_json(one), names) for one in accounts.order_by("username")],
        "groups": [group_as_json(one) for one in groups.select_related("team").prefetch_related("hosts")],
        "hosts": list(Host.objects.visible_to(request.user).filter(team=found).values("id", "name")),
        "elsewhere": _movable_to(request, found) if "hosts.manage" in held else [],
        "roles": mine,
        "role_keys": {role["key"] for role in mine},
        "me": request.user.pk,
        "is_member": Membership.objects.filter(team=found, user=request.user).exists(),
        "may_see_members": "members.view" in held,
        "may_manage_members": "members.manage" in held,
        "may_manage_hosts": "hosts.manage" in held,
        "may_rename": "team.manage" in held,
        "may_manage_policies": "policies.manage" in held,
        "may_loosen": LOOSEN in held,
        "namespaces": NAMESPACE_WORDS,
        "signing_keys": list(found.signing_keys.values_list("name", flat=True)) if "members.view" in held else [],
        "webhooks": [
            webhook_as_json(one)
            for one in Webhook.objects.visible_to(request.user).filter(team=found).select_related("team")
        ],
        "may_delete": may_in_site(request.user, "teams.manage"),
        "days": inviting.DAYS,
        "days_maximum": inviting.DAYS_MAXIMUM,
    }


def _movable_to(request: HttpRequest, team: Team) -> list[dict[str, Any]]:
    """Other teams that hosts of this one can be given to."""
    rights = Rights(request.user)
    others = Team.objects.visible_to(request.user).exclude(pk=team.pk).order_by("name")
    return [{"id": one.pk, "name": one.name} for one in others if "hosts.manage" in rights.of(one.pk)]


def _member_row(membership: Membership, names: dict[str, str]) -> dict[str, Any]:
    row = _named(member_as_json(membership), names)
    for grant in row["grants"]:
        _named(grant, names)
    return row


def _named(row: dict[str, Any], names: dict[str, str]) -> dict[str, Any]:
    """With the role's name; a role that is gone is shown by its key."""
    row["role_name"] = names.get(row["role"], row["role"])
    return row


@page("pages/roles.html", section="teams")
def roles(request: HttpRequest) -> dict[str, Any]:
    """The table of actions as rows, the roles as columns."""
    columns = roles_as_json()
    rows = [action for action in TABLE if action.name in IN_TEAM]
    sections = [
        {
            "resource": resource.replace("_", " "),
            "rows": [
                {
                    "name": action.name,
                    "words": action.words,
                    "level": action.level.value,
                    "cells": [{"role": role, "has": action.name in role["actions"]} for role in columns],
                }
                for action in found
            ],
        }
        for resource, found in groupby(rows, key=lambda action: action.resource)
    ]
    counts: dict[str, int] = {}
    for role, count in Membership.objects.values_list("role").annotate(Count("pk")).order_by():
        counts[role] = count
    may_manage = may_in_site(request.user, "roles.manage")
    return {
        "roles": [role | {"members": counts.get(role["key"], 0) if may_manage else None} for role in columns],
        "sections": sections,
        "custom": sum(1 for role in columns if not role["built_in"]),
        "may_manage": may_manage,
        "grantable": len(GRANTABLE),
    }
