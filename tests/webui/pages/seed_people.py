"""People for the pages: roles, grants, a service account, an invitation."""

from __future__ import annotations

from typing import Any

from webui.accounts.custom_roles import role_create
from webui.accounts.invitations import invitation_create
from webui.accounts.membership import grant_create, membership_make
from webui.accounts.models import Team, User
from webui.accounts.service_accounts import service_account_create, service_token_create
from webui.hosts.groups import group_create


def people(team: Any, hosts: list[Any], admin: Any, nasty: str) -> None:
    """A member with further roles, a service account, an invitation, a group of hosts and a role of one's own."""
    Team.objects.create(name=nasty)
    role = role_create(user=admin, name="On-call", actions=["containers.view", "containers.operate", "hosts.view"])
    ann = User.objects.create(username="ann", first_name=nasty, email="ann@example.com")
    member = membership_make(ann, team, role.key)
    group = group_create(user=admin, team=team, name="staging", hosts=[host.pk for host in hosts])
    grant_create(user=admin, membership=member, role="developer", group=group.pk)
    grant_create(user=admin, membership=member, role="viewer", repository="registry.example.com/team/*")
    User.objects.create(username="bob", is_active=False)
    account = service_account_create(user=admin, team=team, username="deploy", role="developer", name="Nightly")
    service_token_create(user=admin, account=account, name="ci")
    invitation_create(user=admin, team=team, role="viewer", note=nasty)
