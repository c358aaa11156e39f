"""Rules by which forges have something built, what they have told, the team's git servers and SSH keys."""

from __future__ import annotations

from typing import Any

from django.db.models import Prefetch
from django.http import HttpRequest

from webui.accounts.models import Team
from webui.accounts.roles import Rights
from webui.builds.git_servers import git_server_as_json
from webui.builds.models import BuildDelivery, BuildRule, GitServer, SshKey
from webui.builds.representation import delivery_as_json, rule_as_json
from webui.builds.ssh_keys import ssh_key_as_json
from webui.hosts.models import Host
from webui.hosts.representation import host_as_json
from webui.pages.page import page

DELIVERIES_SHOWN = 20


@page("pages/build_rules.html", section="builds")
def build_rules(request: HttpRequest) -> dict[str, Any]:
    rights = Rights(request.user)
    teams = list(Team.objects.visible_to(request.user))
    hosts = list(Host.objects.visible_to(request.user).select_related("team"))
    rules = BuildRule.objects.visible_to(request.user).select_related("team", "host", "created_by")
    latest = Prefetch("deliveries", BuildDelivery.objects.all()[:DELIVERIES_SHOWN], to_attr="latest")
    rows: Any = rules.prefetch_related(latest)
    managed = [team for team in teams if "registries.manage" in rights.of(team.pk)]
    servers = GitServer.objects.visible_to(request.user).select_related("team")
    keys = SshKey.objects.visible_to(request.user).select_related("team")
    return {
        "origin": f"{request.scheme}://{request.get_host()}",
        "rules": [
            rule_as_json(rule)
            | {
                "may_change": "builds.create" in rights.of(rule.team_id, host=rule.host_id),
                "deliveries": [delivery_as_json(one) for one in rule.latest],
            }
            for rule in rows
        ],
        "servers": [git_server_as_json(one) | {"may_manage": one.team in managed} for one in servers],
        "ssh_keys": [ssh_key_as_json(one) | {"may_manage": one.team in managed} for one in keys],
        "teams": managed,
        "hosts": [host_as_json(host) for host in hosts if "builds.create" in rights.of(host.team_id, host=host.pk)],
        "may_create": any("builds.create" in rights.of(host.team_id, host=host.pk) for host in hosts),
    }
