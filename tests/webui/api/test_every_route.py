"""Every route and method of `/api/v1/`, walked as the outsider and as nobody: neither sees or does anything."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from typing import Any

import pytest
from django.urls import URLPattern

from tests.support.valkey import Valkey
from tests.webui.cast import BUILD_ID, CONTAINER_ID, Caller
from webui.accounts.models import CustomRole, Grant, HostGroup, Invitation, Membership, Role, Team, User
from webui.api import urls
from webui.audit.models import AuditEntry
from webui.backups.models import Backup, BackupPlace, BackupPlan
from webui.builds.models import Build, BuildContext, BuildDelivery, BuildRule, GitServer, SshKey
from webui.containers.models import Container
from webui.hosts.models import Host
from webui.images.models import Image, RegistryCredential, SigningKey
from webui.jobs.models import Job
from webui.networks.models import Network
from webui.recordings.models import Recording
from webui.volumes.models import Volume
from webui.webhooks.models import Delivery, Webhook

pytestmark = pytest.mark.django_db(transaction=True)

PUBLIC = {"schema", "docs"}
OWN = {
    "teams",
    "users",
    "tokens",
    "token",
    "containers-prune",
    "images-lookup",
    "images-remote-tags",
    "images-save",
    "audit",
    "audit-export",
    "batch",
}
"""Routes to what belongs to the caller alone."""
OWN |= {"certificates", "certificate", "sessions"}
OF_SITE = {"identity-providers", "identity-provider", "sign-in"}
"""Of the site itself, for administrators alone, who are asked for before anything is looked up."""
OF_ALL = {"actions", "roles", "role"}
"""What everybody may read and administrators alone change."""
BODIES: dict[str, Any] = {
    "identity-providers": {"name": "intruder", "issuer": "https://id.example.com", "client_id": "x"},
    "containers": {"image": "alpine", "name": "intruder"},
    "builds": {"dockerfile_text": "FROM alpine"},
    "builds-prune": {"keep_bytes": 0},
    "build-rules": {"name": "x", "repository": "https://git.example.com/x.git", "names": ["x"]},
    "git-servers": {"server": "git.example.com", "password": "x", "team": "Harbour"},
    "ssh-keys": {"name": "intruder", "team": "Harbour"},
    "volumes": {"name": "intruder"},
    "volumes-prune": {"all": True},
    "volume-limit": {"limit_bytes": None},
    "volume-backups": {"place": "8f5a3c1e-0000-4000-8000-000000000009"},
    "volume-plans": {"place": "8f5a3c1e-0000-4000-8000-000000000009", "schedule": "0 3 * * *"},
    "backup-places": {"name": "x", "kind": "s3", "team": "Harbour"},
    "volume-clone": {"name": "intruder"},
    "volume-rename": {"name": "intruder"},
    "volume-snapshots": {"name": "intruder"},
    "image-pull": {"reference": "alpine"},
    "image-push": {"reference": "registry.example.com/stolen:1"},
    "image-tag": {"reference": "intruder:1"},
    "image-untag": {"reference": "alpine:latest"},
    "images-prune": {"all": True},
    "networks": {"name": "intruder"},
    "network-connect": {"container": "web"},
    "network-disconnect": {"container": "web"},
    "networks-connect-default": {"container": "web"},
    "networks-disconnect-default": {"container": "web"},
    "images-fsck": {"repair": True},
    "container-exec": {"command": ["id"]},
    "container-update": {"restart": "always"},
    "container-rename": {"name": "intruder"},
    "container-recreate": {"image": "alpine"},
    "container-leave": {"network": "front"},
    "container-commit": {"reference": "intruder"},
    "team": {"keep_logs_days": 1},
    "members": {"user": "outsider", "role": "maintainer"},
    "grants": {"role": "maintainer", "repository": "docker.io/library/alpine"},
    "invitations": {"role": "maintainer"},
    "invitation-accept": {"secret": "guessed"},
    "service-accounts": {"username": "intruder", "role": "maintainer"},
    "service-tokens": {"name": "intruder"},
    "host-groups": {"name": "intruder"},
    "roles": {"name": "intruder", "actions": ["hosts.loosen"]},
    "users": {"username": "intruder", "administrator": True},
    "webhooks": {"name": "x", "url": "https://example.com", "team": "Harbour"},
    "registries": {"registry": "docker.io", "username": "x", "password": "y", "team": "Harbour"},
    "signing-keys": {"name": "intruder", "team": "Harbour"},
}


@pytest.fixture
def world(
    site_broker: Valkey,
    host: Host,
    container: Container,
    image: Image,
    volume: Volume,
    network: Network,
    job: Job,
    build: Build,
    credential: RegistryCredential,
) -> dict[str, Any]:
    """One object of each kind, all of them Harbour's."""
    recording = Recording.objects.create(
        team=host.team, username="owner", session="s", source="exec", container_id=CONTAINER_ID, container_name="web"
    )
    place = BackupPlace.objects.create(team=host.team, name="vault", kind="s3")
    plan = BackupPlan.objects.create(volume=volume, place=place, schedule="0 3 * * *", next_at=volume.created_at)
    backup = Backup.objects.create(
        team=host.team,
        host=host,
        volume=volume,
        volume_name="data",
        place=place,
        plan=plan,
        key="x",
        status="succeeded",
    )
    account = User.objects.create(username="robot", service_of=host.team)
    membership = Membership.objects.create(team=host.team, user=account, role=Role.VIEWER)
    grant = Grant.objects.create(membership=membership, role=Role.OPERATOR, host=host)
    group = HostGroup.objects.create(team=host.team, name="staging")
    invitation = Invitation.objects.create(
        team=host.team, invited_by=account, role="viewer", digest="0", expires_at=volume.created_at
    )
    role = CustomRole.objects.create(key="puller", name="Puller")
    key = SigningKey.objects.create(team=host.team, name="release", key_id="1" * 64, public_key="PEM")
    entry = AuditEntry.objects.filter(team_id=host.team_id).order_by("-id")[0]
    wish = {"repository": "https://git.example.com/x.git", "names": ["x"]}
    rule = BuildRule.objects.create(team=host.team, host=host, name="x", sealed_secret="x", wish=wish)
    delivery = BuildDelivery.objects.create(rule=rule, delivery_id="1", outcome="ignored")
    server = GitServer.objects.create(team=host.team, server="git.example.com", username="x")
    ssh_key = SshKey.objects.create(team=host.team, name="deploy", fingerprint="SHA256:x", sealed_private_key="x")
    webhook = Webhook.objects.create(team=host.team, name="chat", url="https://example.com", sealed_secret="x")
    told = Delivery.objects.create(webhook=webhook, event="ping", body={})
    return {
        "certificate_id": str(job.pk),
        "webhook_id": str(webhook.pk),
        "message_id": str(told.pk),
        "entry_id": entry.pk,
        "user_id": account.pk,
        "grant_id": str(grant.pk),
        "group_id": str(group.pk),
        "invitation_id": str(invitation.pk),
        "role_key": role.pk,
        "host_id": host.pk,
        "rule_id": rule.pk.hex,
        "delivery_id": delivery.pk.hex,
        "server_id": str(server.pk),
        "ssh_key_id": str(ssh_key.pk),
        "container_id": container.pk,
        "image_id": image.pk,
        "volume_id": volume.pk,
        "snapshot": "before",
        "place_id": str(backup.place_id),
        "plan_id": str(backup.plan_id),
        "backup_id": str(backup.pk),
        "network_id": network.pk,
        "job_id": str(job.pk),
        "build_id": BUILD_ID,
        "other_id": BUILD_ID,
        "credential_id": str(credential.pk),
        "exec_id": "5e" * 32,
        "key_id": str(key.pk),
        "digest": "sha256:" + "0" * 64,
        "token_id": str(job.pk),
        "session_id": str(job.pk),
        "provider_id": str(job.pk),
        "team_id": str(host.team_id),
        "recording_id": str(recording.pk),
    }


def routes(world: dict[str, Any]) -> Iterator[tuple[str, str, str]]:
    """Name, method and path of every endpoint."""
    for pattern in urls.urlpatterns:
        assert isinstance(pattern, URLPattern)
        if pattern.name is None or pattern.name in PUBLIC:
            continue
        view = pattern.callback.cls
        path = "/api/v1/" + str(pattern.pattern)
        for name, value in world.items():
            for kind in ("word", "slug", "int", "uuid", "container_id", "build_id"):
                path = path.replace(f"<{kind}:{name}>", str(value))
        assert "<" not in path, f"give {path} an object in this test"
        for method in ("get", "post", "put", "patch", "delete"):
            if hasattr(view, method):
                yield pattern.name, method, path


PEOPLE = (Team, User, Membership, Grant, HostGroup, Invitation, CustomRole)


def snapshot() -> list[Any]:
    """Everything that a request could change."""
    models = (
        Build,
        BuildContext,
        BuildDelivery,
        BuildRule,
        GitServer,
        SshKey,
        Container,
        Image,
        Network,
        Volume,
        Job,
        RegistryCredential,
        SigningKey,
        Host,
        BackupPlace,
        BackupPlan,
        Backup,
        *PEOPLE,
    )
    return [list(model._default_manager.order_by("pk").values()) for model in models]


def test_nobody_is_let_in_anywhere(world: dict[str, Any], nobody: Caller, settings: Any) -> None:
    settings.PORTSIDE = dataclasses.replace(settings.PORTSIDE, rate_limit=0)
    before = snapshot()
    for name, method, path in routes(world):
        answer = nobody.call(method, path, BODIES.get(name, {}) if method == "post" else None)
        assert answer.status_code == 401, f"{method} {path}: {answer.status_code}"
        assert answer.headers["Content-Type"] == "application/problem+json"
    assert snapshot() == before


def test_an_outsider_sees_and_changes_nothing(world: dict[str, Any], outsider: Caller) -> None:
    before = snapshot()
    walked = 0
    for name, method, path in routes(world):
        answer = outsider.call(method, path, BODIES.get(name, {}) if method == "post" else None)
        walked += 1
        if name in OWN and method != "delete":
            assert b"Harbour" not in b"".join(answer)
            continue
        if name in OF_SITE:
            assert answer.status_code == 403, f"{method} {path}: {answer.content}"
            continue
        if name in OF_ALL:
            assert answer.status_code == (200 if method == "get" else 403), f"{method} {path}: {answer.content}"
            continue
        is_list = method == "get" and answer.status_code == 200
        if is_list:
            assert answer.json()["results"] == [], f"{method} {path}"
        else:
            # Without a body of the right shape, or with another's team or host in it, there is no way in either.
            assert answer.status_code in ((400, 404) if method == "post" else (404,)), (
                f"{method} {path}: {answer.content}"
            )
    assert walked > 20
    assert snapshot() == before


AWAY = (502, 503)
"""The host doesn't answer; a stored key can't be read."""


def people() -> list[Any]:
    return [list(model._default_manager.order_by("pk").values()) for model in PEOPLE]


def test_a_viewer_changes_nothing_and_no_route_fails(world: dict[str, Any], teammate: Caller) -> None:
    """Each says yes, or why not."""
    assert teammate.user is not None
    Membership.objects.filter(user=teammate.user).update(role=Role.VIEWER)
    Host.objects.update(heartbeat_at=None)  # nobody waits for its answers
    before = people()
    for name, method, path in routes(world):
        answer = teammate.call(method, path, None if method in ("get", "delete") else BODIES.get(name, {}))
        assert answer.status_code < 500 or answer.status_code in AWAY, f"{method} {path}: {answer.content}"
        if method in ("delete", "patch", "put"):
            assert answer.status_code in (400, 403, 404), f"{method} {path}: {answer.status_code}"
    assert people() == before


def test_the_owner_walks_every_route_without_a_failure(world: dict[str, Any], owner: Caller) -> None:
    Host.objects.update(heartbeat_at=None)
    for name, method, path in routes(world):
        if method == "delete":
            continue
        answer = owner.call(method, path, None if method == "get" else BODIES.get(name, {}))
        assert answer.status_code < 500 or answer.status_code in AWAY, f"{method} {path}: {answer.content}"
    assert not User.objects.filter(is_superuser=True).exists()


def test_an_outsider_gets_nowhere_by_naming_another_teams_host(world: dict[str, Any], outsider: Caller) -> None:
    for host in (world["host_id"], "pier"):
        for path, body in (
            ("containers/", {"image": "alpine"}),
            ("images/pull/", {"reference": "alpine"}),
            ("images/starter/", {}),
            ("images/prune/", {"all": True}),
            ("images/fsck/", {}),
            ("builds/", {"dockerfile_text": "FROM alpine"}),
            ("builds/prune/", {}),
            ("builds/rules/", {"name": "x", "repository": "https://git.example.com/x.git", "names": ["x"]}),
            ("volumes/", {"name": "intruder"}),
            ("volumes/prune/", {"all": True}),
            ("networks/", {"name": "intruder"}),
            ("networks/prune/", {}),
        ):
            answer = outsider.post(path, {**body, "host": host})
            assert (answer.status_code, list(answer.json()["errors"])) == (404, ["host"])


def test_filters_do_not_reach_over_to_other_teams(world: dict[str, Any], outsider: Caller) -> None:
    for path in (
        f"containers/?search={CONTAINER_ID[:8]}",
        "containers/?name=web",
        "containers/?host=pier",
        "images/?search=alpine",
        "builds/?search=app",
        "volumes/?search=data",
        "networks/?name=front",
        "jobs/?subject=alpine",
        "hosts/?search=pier",
    ):
        assert outsider.get(path).json()["count"] == 0, path


def test_what_is_not_there_is_a_problem_document(nobody: Caller, db: None) -> None:
    answer = nobody.get("nothing/here/")
    assert (answer.status_code, answer.headers["Content-Type"]) == (404, "application/problem+json")
