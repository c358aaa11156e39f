"""A policy that lets only signed images run: what hosts are told, what is refused here, and whom it holds."""

from __future__ import annotations

from typing import Any

import pytest

from engine.oci import signing
from tests.support.valkey import Valkey
from tests.webui.cast import Caller, caller, member
from webui.accounts.models import Role, Team, User
from webui.containers.models import Container
from webui.hosts.models import Host
from webui.images.credentials import job_secrets
from webui.images.models import RegistryCredential, SigningKey
from webui.jobs.models import Job
from webui.policies.models import TeamPolicy

pytestmark = pytest.mark.django_db


@pytest.fixture
def admin(db: None) -> Caller:
    return caller(User.objects.create(username="root", is_superuser=True))


@pytest.fixture
def developer(team: Team) -> Caller:
    return caller(member("developer", team, Role.DEVELOPER))


@pytest.fixture
def keys(team: Team) -> dict[str, str]:
    """Two keys of the team's, by name."""
    found = {name: signing.new_key()[1] for name in ("ci", "release")}
    for name, public in found.items():
        SigningKey.objects.create(team=team, name=name, key_id=signing.key_id(public), public_key=public)
    return found


def change(who: Caller, team: Team, **fields: Any) -> Any:
    return who.call("patch", f"teams/{team.pk}/policy/", fields)


def told(answer: Any) -> dict[str, Any]:
    """The command that a request has made of itself."""
    assert answer.status_code == 202, answer.json()
    body = answer.json()
    command: dict[str, Any] = Job.objects.get(pk=(body.get("job") or body)["id"]).command
    return command


def test_the_host_is_told_the_keys_with_all_that_runs_an_image(
    site_broker: Valkey, team: Team, container: Container, owner: Caller, developer: Caller, keys: dict[str, str]
) -> None:
    assert told(developer.post("containers/", {"image": "alpine"}))["signed_by"] == {}
    assert change(owner, team, signed_images=True).status_code == 200
    path = f"containers/{container.pk}"
    for asked in (
        developer.post("containers/", {"image": "alpine"}),
        developer.post("builds/", {"dockerfile_text": "FROM alpine"}),
        developer.post(f"{path}/start/"),
        developer.post(f"{path}/restart/"),
    ):
        assert told(asked)["signed_by"] == keys
    assert change(owner, team, signing_keys=["release"]).status_code == 200
    assert told(developer.post(f"{path}/start/"))["signed_by"] == {"release": keys["release"]}
    assert "signed_by" not in Container.objects.exclude(pk=container.pk).latest("created_at").spec


def test_a_start_has_what_registries_with_signatures_want(
    site_broker: Valkey, team: Team, container: Container, owner: Caller, keys: dict[str, str]
) -> None:
    RegistryCredential.objects.create(team=team, registry="registry.example.com", plain_http=True)
    change(owner, team, signed_images=True)
    told(owner.post(f"containers/{container.pk}/start/"))
    secrets = job_secrets(Job.objects.get())
    assert secrets is not None and secrets["registries"]["registry.example.com"]["plain_http"] is True


def test_who_may_loosen_is_not_held(
    site_broker: Valkey, team: Team, host: Host, container: Container, owner: Caller, admin: Caller, keys: Any
) -> None:
    change(owner, team, signed_images=True, images=["ghcr.io/we/*"])
    created = told(admin.post("containers/", {"image": "alpine"}))
    assert (created["signed_by"], created["allowed_images"]) == ({}, [])
    assert told(admin.post(f"containers/{container.pk}/start/"))["signed_by"] == {}


def test_where_images_have_to_come_from_is_told_for_names_and_ids(
    site_broker: Valkey, team: Team, host: Host, owner: Caller
) -> None:
    change(owner, team, images=["docker.io/library/*"])
    for image in ("alpine", "sha256:" + "ab" * 32):
        assert told(owner.post("containers/", {"image": image}))["allowed_images"] == ["docker.io/library/*"]


def test_without_a_key_nothing_could_run(
    site_broker: Valkey, team: Team, host: Host, owner: Caller, developer: Caller, keys: dict[str, str]
) -> None:
    assert list(change(owner, team, signing_keys=["theirs"]).json()["errors"]) == ["signing_keys"]
    assert change(owner, team, signed_images=True, signing_keys=["ci"]).status_code == 200
    ci, release = SigningKey.objects.order_by("name")
    refused = owner.delete(f"signing-keys/{ci.pk}/")
    assert refused.status_code == 409 and "take it out there first" in refused.json()["detail"]
    assert owner.delete(f"signing-keys/{release.pk}/").status_code == 204
    assert change(owner, team, signing_keys=[]).status_code == 200
    refused = owner.delete(f"signing-keys/{ci.pk}/")
    assert refused.status_code == 409 and "last key" in refused.json()["detail"]
    SigningKey.objects.all().delete()  # as by hand: it stays closed
    refused = developer.post("containers/", {"image": "alpine"})
    assert (refused.status_code, list(refused.json()["errors"])) == (403, ["image"])
    assert developer.post("builds/", {"dockerfile_text": "FROM alpine"}).status_code == 403
    assert change(owner, team, signed_images=False).status_code == 200
    assert list(change(owner, team, signed_images=True).json()["errors"]) == ["signed_images"]


def test_a_key_of_another_teams_is_none(
    site_broker: Valkey, team: Team, host: Host, owner: Caller, keys: dict[str, str]
) -> None:
    other = Team.objects.create(name="Other")
    public = signing.new_key()[1]
    SigningKey.objects.create(team=other, name="theirs", key_id=signing.key_id(public), public_key=public)
    assert list(change(owner, team, signing_keys=["theirs"]).json()["errors"]) == ["signing_keys"]
    change(owner, team, signed_images=True)
    assert told(owner.post("containers/", {"image": "alpine"}))["signed_by"] == keys


def test_who_may_not_change_policies_does_not(
    team: Team, developer: Caller, outsider: Caller, nobody: Caller, keys: dict[str, str]
) -> None:
    assert [change(who, team, signed_images=True).status_code for who in (developer, outsider, nobody)] == [
        403,
        404,
        401,
    ]
    assert not TeamPolicy.objects.exists()
