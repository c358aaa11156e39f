"""The registries that a person's teams speak to."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest

from webui.accounts.models import Team
from webui.accounts.roles import Rights
from webui.hosts.models import Host
from webui.hosts.representation import host_as_json
from webui.images.models import RegistryCredential, SigningKey
from webui.images.representation import credential_as_json
from webui.images.signing import signing_key_as_json
from webui.pages.page import page
from webui.pages.templatetags.portside import hostname, is_of_host


@page("pages/registries.html", section="registries")
def registries(request: HttpRequest) -> dict[str, Any]:
    teams = list(Team.objects.visible_to(request.user))
    rights = Rights(request.user)
    managed = [team for team in teams if "registries.manage" in rights.of(team.pk)]
    found = RegistryCredential.objects.visible_to(request.user).select_related("team")
    hosts = Host.objects.visible_to(request.user).select_related("team")
    return {
        "teams": managed,
        "several_teams": len(teams) > 1,
        "registries": [
            credential_as_json(credential)
            | {"may_manage": credential.team in managed, "is_local": is_of_host(hostname(credential.registry))}
            for credential in found
        ],
        "signing_keys": [
            signing_key_as_json(key) | {"may_manage": key.team in managed}
            for key in SigningKey.objects.visible_to(request.user).select_related("team")
        ],
        "hosts": [host_as_json(host) for host in hosts if host.is_online],
    }
