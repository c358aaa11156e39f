"""Writes about builds: asked for by people, ended by what their hosts say."""

from __future__ import annotations

import json
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from typing import Any

from django.db import transaction

from engine.build.entitlements import DEVICE, INSECURE, NETWORK_HOST
from engine.errors import Conflict, InvalidArgument
from engine.oci.reference import Reference
from webui.accounts.models import ApiToken, Team, User
from webui.accounts.roles import require, require_loosening, require_on
from webui.broadcast import change_publish
from webui.builds.git_servers import git_secrets
from webui.builds.models import Build, BuildContext
from webui.builds.representation import build_as_json
from webui.builds.request import BuildRequest, request_check
from webui.builds.ssh_keys import ssh_keys_named, ssh_secrets
from webui.hosts.models import Host
from webui.images.credentials import GivenLogin, registries_secrets
from webui.images.signing import signing_key_named, signing_secrets
from webui.jobs.models import Job
from webui.jobs.services import job_create
from webui.policies.checks import disk_check, images_allowed, signers_of
from webui.policies.reading import policy_of
from webui.sealing import Seal
from worker.contract.builds import BuildImage, ForgetBuild, PruneBuildCache

_SEAL = Seal("portside build secrets 1", "a build's secret")
STEPS_MAXIMUM = 1000
PUSH = "images.push"
_SECRET_FIELDS = {"secrets": "the secret", "ssh": "the SSH key"}
"""Fields of a request whose values go with the task alone; the wish has their ids."""
_LOOSENING = {
    NETWORK_HOST: "the host's network",
    INSECURE: "commands with the host's devices and every capability",
    DEVICE: "devices of the host",
}


@transaction.atomic
def build_begin(
    *,
    user: User,
    host: Host,
    request: BuildRequest,
    context: BuildContext | None = None,
    again_of: Build | None = None,
    logins: Mapping[str, GivenLogin] | None = None,
    trigger: Mapping[str, Any] | None = None,
) -> Build:
    """Ask `host` to build. `context`: a folder that it has received. `logins`: as whom registries are spoken to, by
    their names, instead of what the team has stored; a second delivery goes without them. `trigger`: what has begun it,
    if no person has.

    Raises PermissionDenied (network host needs the right `loosen`), InvalidArgument with the fields.
    """
    require_on(user, "builds.create", host)
    disk_check(host.team)
    tags = request_check(request, has_context=context is not None)
    if context is not None and (context.host_id, context.team_id) != (host.pk, host.team_id):
        message = f"This folder is not on the host {host.name}: send it there."
        raise InvalidArgument(message, {"fields": {"context": [message]}})
    require_loosening(user, host.team, _loosened(host.team, request), host=host)
    require_pushes(user, host, tags, request)
    if request.signing_key:
        signing_key_named(host.team, request.signing_key)
    ssh_keys_named(host.team, request.ssh_keys)
    policy = policy_of(host.team)
    build_id = uuid.uuid4()
    secrets = {"build": dict(request.secrets), "ssh": dict(request.ssh)}
    command = BuildImage(
        build_id=build_id.hex,
        scope=str(host.team_id),
        context=None if context is None else context.pk.hex,
        sign=bool(request.signing_key),
        **{name: value for name, value in _fields(request).items() if name not in ("signing_key", "ssh_keys")}
        | {name: tuple(getattr(request, name)) for name in ("extra_hosts", "platforms", "cache_from", "entitlements")}
        | {"tags": tags, "allowed_images": images_allowed(user, host.team, host=host, policy=policy)}
        | {"signed_by": signers_of(user, host.team, host=host, policy=policy)},
    )
    name = Reference.parse(tags[0]).familiar if tags else "without a name"
    job = job_create(
        team=host.team,
        host=host,
        requested_by=user,
        command=command,
        subject=name,
        secrets=_task_secrets(host.team_id, secrets, _fields(request), logins),
    )
    build = Build.objects.create(
        id=build_id,
        team=host.team,
        host=host,
        requested_by=user,
        job=job,
        again_of=again_of,
        name=name,
        wish=_fields(request)
        | {name: sorted(getattr(request, name)) for name in _SECRET_FIELDS}
        | {"tags": [Reference.parse(tag).familiar for tag in tags]},
        secrets=_SEAL.close(json.dumps(secrets)) if any(secrets.values()) else "",
        context=context,
        trigger=dict(trigger or _token_of(user)),
    )
    build_broadcast(build)
    return build


def _token_of(user: User) -> dict[str, Any]:
    if user.token_id is None:
        return {}
    name = ApiToken.objects.filter(pk=user.token_id).values_list("name", flat=True).first()
    return {"kind": "token", "name": name or ""}


def build_again(*, user: User, build: Build, changes: Mapping[str, Any] | None = None) -> Build:
    """Build the same once more, with `changes` (fields of BuildRequest). Secrets have to be given again.

    Raises as `build_begin`; InvalidArgument with the field `secrets` or `ssh` when some are missing.
    """
    wish = {key: value for key, value in build.wish.items() if key not in _SECRET_FIELDS}
    request = replace(BuildRequest(**wish), **(changes or {}))
    stored = build.wish.get("ssh_keys") or {}
    # Another stored key may stand for one that was given, but what an agent had besides its stored one is missing.
    others = {agent: name for agent, name in request.ssh_keys.items() if stored.get(agent) != name}
    given = {"secrets": request.secrets, "ssh": {**request.ssh, **others}}
    for field, what in _SECRET_FIELDS.items():
        missing = [name for name in build.wish.get(field, []) if name not in given[field]]
        if missing:
            message = f"Give {what} {missing[0]} again: it is not kept once a build has ended."
            raise InvalidArgument(message, {"fields": {field: [message]}})
    return build_begin(user=user, host=build.host, request=request, context=build.context, again_of=build)


@transaction.atomic
def build_forget(*, user: User, build: Build) -> None:
    """Delete what is recorded of a build that has ended; its image stays. Raises PermissionDenied, Conflict."""
    require_on(user, "builds.remove", build)
    if not build.job.is_finished:
        raise Conflict("the build is still going on: cancel it first, or wait for its end")
    job_create(
        team=build.team,
        host=build.host,
        requested_by=user,
        command=ForgetBuild(build_id=build.pk.hex),
        subject=build.name,
    )
    change_publish(team_id=build.team_id, kind="build", action="removed", id=build.pk.hex, object=None)
    build.delete()


@transaction.atomic
def cache_prune(*, user: User, host: Host, unused_seconds: float = 0.0, keep_bytes: int = 0) -> Job:
    """Ask `host` to delete steps that builds have left for later ones. Raises PermissionDenied, InvalidArgument."""
    require_on(user, "builds.remove", host)
    fields = {
        name: ["Give a number of 0 or more."]
        for name, value in (("unused_seconds", unused_seconds), ("keep_bytes", keep_bytes))
        if value < 0
    }
    if fields:
        raise InvalidArgument("the cache can't be pruned: correct the marked fields", {"fields": fields})
    command = PruneBuildCache(scope=str(host.team_id), unused_seconds=unused_seconds, keep_bytes=keep_bytes)
    return job_create(team=host.team, host=host, requested_by=user, command=command, subject=host.name)


def build_broadcast(build: Build) -> None:
    """Tell the open pages of the team how the build stands."""
    change_publish(team_id=build.team_id, kind="build", action="updated", id=build.pk.hex, object=build_as_json(build))


def build_job_finished(*, job: Job) -> None:
    """Take over what the host says of a build that has ended; its secrets are forgotten."""
    if job.kind != "image.build":
        return
    build = Build.objects.select_related("host", "team", "requested_by", "context__host").filter(job=job).first()
    if build is None:
        return
    build.job = job
    build.secrets = ""
    steps = job.result.get("steps")
    build.steps = steps[:STEPS_MAXIMUM] if isinstance(steps, list) else []
    build.image_id = str(job.result.get("image_id") or "")[:80]
    build.commit = str(job.result.get("commit") or "")[:64]
    build.save(update_fields=["secrets", "steps", "image_id", "commit"])
    build_broadcast(build)


def build_secrets(job: Job) -> dict[str, Any] | None:
    """What the task of a build's job carries besides its command, for every further sending; None for other jobs."""
    if job.kind != "image.build":
        return None
    sealed, wish = Build.objects.filter(job=job).values_list("secrets", "wish").first() or ("", {})
    secrets = json.loads(_SEAL.open(sealed)) if sealed else {}
    if any(isinstance(secret, str) for secret in secrets.values()):  # sealed before builds had SSH keys
        secrets = {"build": secrets}
    return _task_secrets(job.team_id, secrets, wish)


def require_pushes(user: User, host: Host, tags: Sequence[str], request: BuildRequest) -> None:
    """Raises PermissionDenied for a repository that `user` may not push to. `tags`: as `request_check` gives them."""
    names = [*(tags if request.push else ()), *([request.cache_to] if request.cache_to else [])]
    for name in names:
        require(user, PUSH, host.team, host=host, repository=Reference.parse(name).name)


def _loosened(team: Team, request: BuildRequest) -> list[tuple[str, str]]:
    """What of a request needs the right to loosen, (field, what); a policy lends to commands what it lends to
    containers."""
    found = [("network", "the host's network")] if request.network == "host" else []
    wanted = set(request.entitlements) - ({INSECURE} if policy_of(team).privileged else set())
    return found + [("entitlements", words) for right, words in _LOOSENING.items() if right in wanted]


def _task_secrets(
    team_id: object,
    secrets: Mapping[str, Mapping[str, str]],
    wish: Mapping[str, Any],
    logins: Mapping[str, GivenLogin] | None = None,
) -> dict[str, Any]:
    """`secrets`: those of the build alone, as they are sealed; `wish` names what is the team's."""
    ssh = ssh_secrets(team_id, secrets.get("ssh", {}), wish.get("ssh_keys") or {})
    return {
        **registries_secrets(team_id, logins),
        "build": dict(secrets.get("build", {})),
        **({"ssh": ssh} if ssh else {}),
        "git": git_secrets(team_id),
        **signing_secrets(team_id, str(wish.get("signing_key") or "")),
    }


def _fields(request: BuildRequest) -> dict[str, Any]:
    return {name: value for name, value in asdict(request).items() if name not in _SECRET_FIELDS}
