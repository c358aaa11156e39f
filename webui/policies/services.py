"""Changing a team's policy. What loosens, and how much of the hosts is the team's, administrators say."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.db import transaction

from engine.errors import InvalidArgument
from webui.accounts.models import Team, User
from webui.accounts.roles import require, require_loosening
from webui.policies.models import TeamPolicy
from webui.policies.reading import LOOSENING, QUOTAS, changes_read, policy_of
from webui.policies.signals import policy_changed

_WORDS = {
    "bind_paths": "lending directories of the hosts",
    "privileged": "privileged containers",
    "host_namespaces": "namespaces of the hosts",
    "capabilities": "further capabilities",
    "devices": "devices of the hosts",
}


@transaction.atomic
def policy_update(*, user: User, team: Team, changes: Mapping[str, Any]) -> TeamPolicy:
    """Change the fields that are given; the rest stays. Raises PermissionDenied, InvalidArgument with the fields."""
    require(user, "policies.manage", team)
    read = changes_read(changes)
    # One change after the other: nobody writes on what has become another policy since it was looked at.
    Team.objects.select_for_update().filter(pk=team.pk).first()
    policy = policy_of(team)
    changed = {name for name, value in read.items() if getattr(policy, name) != value}
    _require_keys(team, policy, read)
    restricted = [(name, _WORDS.get(name, "quotas")) for name in (*LOOSENING, *QUOTAS) if name in changed]
    require_loosening(user, team, restricted)
    for name in changed:
        setattr(policy, name, read[name])
    policy.save(update_fields=None if policy._state.adding else changed)
    transaction.on_commit(lambda: policy_changed.send(TeamPolicy, team=team) and None)
    return policy


def _require_keys(team: Team, policy: TeamPolicy, read: Mapping[str, Any]) -> None:
    """Raises InvalidArgument for keys that the team has not, and where nothing could ever be signed."""
    named = read.get("signing_keys", policy.signing_keys)
    if not {"signed_images", "signing_keys"} & read.keys():
        return
    present = set(team.signing_keys.values_list("name", flat=True))
    missing = [name for name in named if name not in present]
    field, message = "", ""
    if missing:
        field, message = "signing_keys", f"The team has no signing key {missing[0][:64]!r}: see Registries."
    elif read.get("signed_images", policy.signed_images) and not present:
        field, message = "signed_images", "The team has no signing key: make one, or bring one along, under Registries."
    if message:
        raise InvalidArgument(message, {"fields": {field: [message]}})
