"""Which rows people change, and writing down each change of one: what it was before and after.

Hearing of it from the models instead of from each service means that no service can forget it. What a host does is not
here: it is asked for by a job, which is an entry of its own (`webui.jobs`).
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from django.apps import apps
from django.core.exceptions import ObjectDoesNotExist
from django.db import models
from django.db.models.signals import post_delete, post_save, pre_save

from webui.accounts.models import Team
from webui.audit.recording import entry_record

HIDDEN = "(hidden)"
TEXT_MAXIMUM = 2000
"""Characters of one value; more of it is cut."""


@dataclass(frozen=True, slots=True)
class Tracked:
    """`resource` begins the action's name. Of `hidden` fields only that they changed is written; `passed_over` are no
    change; `name` is the attribute, or the path to it, that people know the object by."""

    resource: str
    name: str = "name"
    hidden: frozenset[str] = frozenset()
    passed_over: frozenset[str] = frozenset()


TRACKED: dict[str, Tracked] = {
    "accounts.User": Tracked("user", "username", frozenset({"password"}), frozenset({"last_login"})),
    "accounts.Team": Tracked("team"),
    "certificates.ClientCertificate": Tracked("certificate", passed_over=frozenset({"last_used_at"})),
    "policies.TeamPolicy": Tracked("policy", "team.name"),
    "accounts.Membership": Tracked("member", "user.username"),
    "accounts.CustomRole": Tracked("role"),
    "accounts.CustomRoleAction": Tracked("role_action", "action"),
    "accounts.Grant": Tracked("grant", "membership.user.username", passed_over=frozenset({"needle"})),
    "accounts.HostGroup": Tracked("host_group"),
    "accounts.Invitation": Tracked("invitation", "known_as", frozenset({"digest"})),
    "accounts.ApiToken": Tracked("token", "name", frozenset({"digest"}), frozenset({"last_used_at"})),
    "backups.BackupPlace": Tracked("backup_place", "name", frozenset({"encrypted_secret_key"}), frozenset({"tried"})),
    "backups.BackupPlan": Tracked("backup_plan", "volume.name", passed_over=frozenset({"next_at"})),
    "images.SigningKey": Tracked("signing_key", "name", frozenset({"sealed_private_key"})),
    "builds.BuildRule": Tracked(
        "build_rule", "name", frozenset({"sealed_secret"}), frozenset({"refused_at", "refusal"})
    ),
    "builds.SshKey": Tracked("ssh_key", "name", frozenset({"sealed_private_key"})),
    "builds.GitServer": Tracked("git_server", "server", frozenset({"sealed_password"})),
    "webhooks.Webhook": Tracked(
        "webhook",
        "name",
        frozenset({"sealed_secret", "url"}),
        frozenset({"failures", "failing_since", "last_event", "problem", "waits_until"}),
    ),
    "images.RegistryCredential": Tracked(
        "registry", "registry", frozenset({"encrypted_password"}), frozenset({"tried"})
    ),
    "signin.GroupMapping": Tracked("group_mapping", "group"),
    "signin.Identity": Tracked("identity", "subject", passed_over=frozenset({"last_used_at", "email"})),
    "signin.IdentityProvider": Tracked("identity_provider", "name", frozenset({"sealed_secret"})),
    "signin.Passkey": Tracked("passkey", "name", frozenset({"credential"}), frozenset({"sign_count", "last_used_at"})),
    "signin.SignInSettings": Tracked("sign_in_policy", "id"),
    "signin.Totp": Tracked("code_generator", "user.username", frozenset({"sealed_secret"}), frozenset({"last_step"})),
}
UNTRACKED: dict[str, str] = {
    "accounts.SignInFailures": "counts; the failures are entries themselves",
    "activity.Event": "told by hosts",
    "activity.HealthResult": "told by hosts",
    "audit.AuditEntry": "is the log",
    "backups.Backup": "made and removed by jobs",
    "builds.Build": "made by jobs",
    "builds.BuildDelivery": "told by forges; what they begin are jobs",
    "builds.BuildContext": "made by sessions with hosts, which are entries",
    "containers.Container": "changed by jobs and hosts",
    "containers.RemovedContainer": "told by hosts",
    "hosts.Host": "told by hosts",
    "images.Image": "told by hosts",
    "images.RemoteTag": "what registries say",
    "jobs.Job": "an entry each",
    "networks.Endpoint": "told by hosts",
    "networks.Network": "told by hosts",
    "recordings.Recording": "made by terminals, which are entries",
    "signin.MappedMembership": "beside a membership, which is an entry",
    "signin.RecoveryCode": "their making and their use are entries",
    "signin.SignInSession": "signing in and out are entries",
    "volumes.Volume": "told by hosts",
    "webhooks.Delivery": "made of what happens",
    "volumes.VolumeSize": "told by hosts",
}
"""Every other model of the site, and why nobody needs to hear of its changes here."""


def watch() -> None:
    """Begin to listen; called once, when Django is ready."""
    for label in TRACKED:
        model = apps.get_model(label)
        pre_save.connect(_remember, sender=model, dispatch_uid=f"audit {label}")
        post_save.connect(_saved, sender=model, dispatch_uid=f"audit {label}")
        post_delete.connect(_deleted, sender=model, dispatch_uid=f"audit {label}")


def _tracked(instance: models.Model) -> Tracked:
    return TRACKED[instance._meta.label]


def _remember(sender: Any, instance: Any, raw: bool = False, update_fields: Any = None, **_: Any) -> None:
    """Before a save: what is there now."""
    instance._audit_before = None
    wanted = None if update_fields is None else set(update_fields) - _tracked(instance).passed_over
    if raw or instance._state.adding or wanted == set():
        return
    found = sender._base_manager.filter(pk=instance.pk).first()
    instance._audit_before = None if found is None else fields_of(found)


def _saved(sender: Any, instance: Any, created: bool, raw: bool = False, update_fields: Any = None, **_: Any) -> None:
    before, instance._audit_before = getattr(instance, "_audit_before", None), None
    if raw:
        return
    if created:
        _record(instance, "create", None, fields_of(instance))
    elif before is not None:
        after = fields_of(instance)
        # The other fields of the instance may be old, and are not in the row.
        written = after if update_fields is None else after.keys() & set(update_fields)
        changed = {name for name in written if after[name] != before.get(name)}
        if changed:
            hidden = _tracked(instance).hidden
            old, new = ({name: side[name] for name in sorted(changed)} for side in (before, after))
            for name in changed & hidden:
                old[name] = new[name] = HIDDEN
            _record(instance, "update", old, new)


def _deleted(sender: Any, instance: Any, **_: Any) -> None:
    _record(instance, "remove", fields_of(instance), None)


def _record(instance: models.Model, verb: str, before: dict[str, Any] | None, after: dict[str, Any] | None) -> None:
    tracked = _tracked(instance)
    shown = [None if side is None else _shown(tracked, side) for side in (before, after)]
    entry_record(
        action=f"{tracked.resource}.{verb}",
        team=_team_of(instance),
        host=getattr(instance, "host", None),
        object_id=instance.pk,
        object_name=_name_of(instance, tracked.name),
        before=shown[0],
        after=shown[1],
    )


def fields_of(instance: models.Model) -> dict[str, Any]:
    """The row's fields as JSON takes them, those that are passed over left out; what is hidden is still in it."""
    passed_over = _tracked(instance).passed_over
    return {
        field.name: _plain(field.value_from_object(instance))
        for field in instance._meta.concrete_fields
        if field.name not in passed_over and not field.primary_key
    }


def _shown(tracked: Tracked, fields: dict[str, Any]) -> dict[str, Any]:
    return {name: HIDDEN if name in tracked.hidden and value else value for name, value in fields.items()}


def _plain(value: Any) -> Any:
    if value is None or isinstance(value, bool | int | float):
        return value
    if isinstance(value, str):
        return value if len(value) <= TEXT_MAXIMUM else f"{value[:TEXT_MAXIMUM]}…"
    if isinstance(value, dict | list):
        text = json.dumps(value, default=str)
        return json.loads(text) if len(text) <= TEXT_MAXIMUM else f"{text[:TEXT_MAXIMUM]}…"
    return str(value)


def _team_of(instance: Any) -> Team | None:
    if isinstance(instance, Team):
        return instance
    found = (_at(instance, path) for path in ("team", "membership.team", "volume.team"))
    return next((team for team in found if isinstance(team, Team)), None)


def _name_of(instance: Any, path: str) -> str:
    found = _at(instance, path)
    return "" if found is None else str(found)


def _at(instance: Any, path: str) -> Any:
    """What a path of attributes leads to; None where there is nothing, or nothing any more."""
    found = instance
    try:
        for name in path.split("."):
            found = getattr(found, name, None)
    except ObjectDoesNotExist:  # it goes together with what it belongs to
        return None
    return found
