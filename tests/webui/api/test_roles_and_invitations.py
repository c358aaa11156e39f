"""Roles, invitations, service accounts, host groups and moving hosts over REST."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from tests.webui.api.rights import limited, made_role, of, role_in
from tests.webui.cast import Caller, caller, member
from webui.accounts.models import (
    CustomRole,
    Grant,
    HostGroup,
    Invitation,
    Membership,
    Role,
    Team,
    User,
)
from webui.containers.models import Container
from webui.hosts.models import Host
from webui.jobs.models import Job
from webui.signin.models import GroupMapping, IdentityProvider

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def quick_hashes(settings: Any) -> None:
    """Argon2 takes 50 ms by design; what is tested here is not how strong it is."""
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]


@pytest.fixture
def chief(db: None) -> Caller:
    """An administrator who is in no team."""
    return caller(User.objects.create_superuser(username="chief", password=None))


# --- roles


def test_roles_are_made_of_the_table_by_administrators(chief: Caller, owner: Caller, team: Team) -> None:
    actions = {row["name"]: row for row in owner.get("actions/").json()["results"]}
    assert actions["images.pull"]["roles"] == ["developer", "maintainer"]
    assert owner.post("roles/", {"name": "Mine", "actions": ["images.pull"]}).status_code == 403
    key = made_role(chief, "Log reader", "containers.view", "containers.logs")
    assert key == "log-reader" and made_role(chief, "log  Reader!", "containers.view") == "log-reader-2"
    for body in (
        {"name": "x", "actions": []},
        {"name": "x", "actions": ["users.manage"]},
        {"name": "x", "actions": ["view"]},
    ):
        assert chief.post("roles/", body).json()["errors"]["actions"]
    assert chief.post("roles/", {"name": "LOG READER", "actions": ["jobs.view"]}).status_code == 409
    assert chief.post("roles/", {"name": "Viewer", "actions": ["jobs.view"]}).status_code == 409
    shown = [role["key"] for role in owner.get("roles/").json()["results"]]
    assert shown[:4] == ["viewer", "operator", "developer", "maintainer"] and key in shown
    reader = caller(member("ann", team, key))
    assert reader.get("containers/").status_code == 200 and reader.get("images/").json()["count"] == 0
    assert chief.delete(f"roles/{key}/").status_code == 409, "somebody has it"
    assert chief.call("patch", f"roles/{key}/", {"actions": ["jobs.view"]}).json()["actions"] == ["jobs.view"]
    assert owner.call("patch", f"roles/{key}/", {"actions": ["hosts.loosen"]}).status_code == 403
    Membership.objects.filter(role=key).delete()
    assert chief.delete(f"roles/{key}/").status_code == 204 and CustomRole.objects.count() == 1


def test_a_role_that_a_providers_group_gives_stays(chief: Caller, team: Team) -> None:
    key = made_role(chief, "Log reader", "containers.logs")
    provider = IdentityProvider.objects.create(name="Company", slug="company", issuer="https://id.example")
    mapping = GroupMapping.objects.create(provider=provider, group="on-call", team=team, role=key)
    refused = chief.delete(f"roles/{key}/")
    assert refused.status_code == 409 and "the group on-call of Company" in refused.json()["detail"]
    mapping.delete()
    assert chief.delete(f"roles/{key}/").status_code == 204


# --- invitations


def test_an_invitation_lets_one_person_in_once(owner: Caller, outsider: Caller, team: Team) -> None:
    answer = owner.post(of(team, "invitations/"), {"role": "developer", "note": "for Ann", "days": 2})
    made = answer.json()
    assert answer.status_code == 201 and made["url"].endswith(f"/invitations/{made['secret']}/")
    assert made["secret"] not in str(Invitation.objects.values()) + owner.get(of(team, "invitations/")).content.decode()
    joined = outsider.post("invitations/accept/", {"secret": made["secret"]})
    assert (joined.status_code, role_in(team, "outsider")) == (201, "developer")
    third = caller(member("third", None, ""))
    assert third.post("invitations/accept/", {"secret": made["secret"]}).status_code == 404
    assert owner.get(of(team, "invitations/")).json()["results"][0]["accepted_by"]["username"] == "outsider"
    again = owner.post(of(team, "invitations/"), {"role": "viewer"}).json()["secret"]
    assert outsider.post("invitations/accept/", {"secret": again}).status_code == 409
    assert role_in(team, "outsider") == "developer"


def test_an_invitation_is_worth_what_its_sender_may_give_now(owner: Caller, outsider: Caller, team: Team) -> None:
    secret = owner.post(of(team, "invitations/"), {"role": "maintainer"}).json()["secret"]

    def tried() -> int:
        return int(outsider.post("invitations/accept/", {"secret": secret}).status_code)

    Invitation.objects.update(expires_at=timezone.now() - timedelta(seconds=1))
    assert tried() == 404
    Invitation.objects.update(expires_at=timezone.now() + timedelta(days=1))
    Membership.objects.filter(user=owner.user).update(role=Role.DEVELOPER)
    assert tried() == 404
    Membership.objects.filter(user=owner.user).update(role=Role.MAINTAINER)
    User.objects.filter(pk=owner.user.pk).update(is_active=False)  # type: ignore[union-attr]
    assert tried() == 404
    User.objects.filter(pk=owner.user.pk).update(is_active=True)  # type: ignore[union-attr]
    assert outsider.user is not None
    assert limited(outsider.user, "read").post("invitations/accept/", {"secret": secret}).status_code == 403
    assert tried() == 201


def test_who_is_new_signs_up_by_the_link(owner: Caller, nobody: Caller, team: Team) -> None:
    made = owner.post(of(team, "invitations/"), {"role": "viewer"}).json()
    page = f"/invitations/{made['secret']}/"
    assert "Join Harbour" in nobody.client.get(page).content.decode()
    typed = {"username": "ann", "name": "Ann", "password": "four words that fit", "again": "four words that fit"}
    for wrong in ({"again": "other"}, {"password": "short", "again": "short"}, {"username": "OWNER"}):
        answer = nobody.client.post(page, {**typed, **wrong})
        assert answer.status_code == 400 and 'aria-invalid="true"' in answer.content.decode()
    answer = nobody.client.post(page, {**typed, "is_superuser": "1"}, follow=True)
    assert answer.redirect_chain == [("/login/", 302)]
    assert "You have joined as ann." in answer.content.decode() and "First time here?" not in answer.content.decode()
    assert "First time here?" in nobody.client.get("/login/").content.decode()
    ann = User.objects.get(username="ann")
    assert ann.check_password("four words that fit") and not ann.is_superuser
    assert role_in(team, "ann") == "viewer"
    assert nobody.client.get(page).status_code == 404
    assert nobody.client.post(page, {**typed, "username": "bob"}).status_code == 404


# --- service accounts


def test_a_service_account_gets_in_by_tokens_alone(owner: Caller, team: Team, container: Container) -> None:
    made = owner.post(of(team, "service-accounts/"), {"username": "deployer", "role": "operator"}).json()
    path = of(team, f"service-accounts/{made['id']}/")
    answer = owner.post(f"{path}tokens/", {"name": "ci", "scopes": ["read"], "days": 30})
    assert answer.status_code == 201 and answer.headers["Cache-Control"] == "no-store"
    bot = caller(None)
    bot.headers = {"Authorization": f"Bearer {answer.json()['token']}"}
    assert bot.get("containers/").json()["count"] == 1
    assert bot.post(f"containers/{container.pk}/stop/").status_code == 403
    account = User.objects.get(username="deployer")
    assert not account.has_usable_password()
    bot.client.force_login(account, backend="webui.accounts.backend.ThrottledBackend")
    assert bot.client.get("/api/v1/containers/").status_code == 401, "no session holds for it"
    secret = owner.post(of(team, "invitations/"), {"role": "maintainer"}).json()["secret"]
    whole = caller(account)
    assert whole.post("invitations/accept/", {"secret": secret}).status_code == 403
    assert owner.call("patch", path, {"active": False}).status_code == 200
    assert bot.get("containers/").status_code == 401
    assert owner.delete(of(team, f"members/{account.pk}/")).status_code == 409
    assert owner.delete(path).status_code == 204 and not User.objects.filter(username="deployer").exists()


def test_a_service_account_is_no_way_to_more_rights(chief: Caller, owner: Caller, outsider: Caller, team: Team) -> None:
    other = Team.objects.get(name="Lighthouse")
    bot = owner.post(of(team, "service-accounts/"), {"username": "bot", "role": "viewer"}).json()["id"]
    assert chief.post(of(other, "members/"), {"user": "bot", "role": "developer"}).status_code == 201
    answer = owner.post(of(team, f"service-accounts/{bot}/tokens/"), {"name": "ci"})
    assert answer.status_code == 403, "it may do more in another team than who asks"
    assert chief.post(of(team, f"service-accounts/{bot}/tokens/"), {"name": "ci"}).status_code == 201
    assert chief.call("patch", f"users/{bot}/", {"administrator": True}).status_code == 409
    assert chief.post(f"users/{bot}/password/").status_code == 409


# --- hosts


def test_a_host_moves_with_all_that_is_on_it(
    chief: Caller, owner: Caller, outsider: Caller, container: Container, job: Job
) -> None:
    host, other = container.host, Team.objects.get(name="Lighthouse")
    assert owner.user is not None
    owner.post(of(host.team, "host-groups/"), {"name": "g", "hosts": [host.pk]})
    owner.post(of(host.team, f"members/{owner.user.pk}/grants/"), {"role": "viewer", "host": host.pk})
    body = {"team": str(other.pk)}
    assert chief.post(f"hosts/{host.pk}/move/", body).status_code == 409, "a job is going on"
    Job.objects.update(status="succeeded")
    answer = chief.post(f"hosts/{host.pk}/move/", body)
    assert (answer.status_code, answer.json()["team"]["name"]) == (200, "Lighthouse")
    assert owner.get(f"containers/{container.pk}/").status_code == 404
    assert outsider.get(f"containers/{container.pk}/").status_code == 200
    assert (owner.get("jobs/").json()["count"], outsider.get("jobs/").json()["count"]) == (0, 1)
    assert not Grant.objects.exists() and not HostGroup.objects.get().hosts.exists()


def test_a_group_gets_no_host_by_who_has_less_than_its_members(chief: Caller, owner: Caller, host: Host) -> None:
    keeper = made_role(chief, "Keeper", "members.view", "hosts.manage", "hosts.view")
    weak = caller(member("keeper", host.team, keeper))
    group = owner.post(of(host.team, "host-groups/"), {"name": "g"}).json()["id"]
    assert weak.user is not None
    owner.post(of(host.team, f"members/{weak.user.pk}/grants/"), {"role": "developer", "group": group})
    path = of(host.team, f"host-groups/{group}/")
    assert weak.call("patch", path, {"hosts": [host.pk]}).status_code == 403
    assert weak.call("patch", path, {"name": "renamed"}).status_code == 200
    assert owner.call("patch", path, {"hosts": [host.pk]}).json()["hosts"][0]["name"] == host.name
    assert owner.delete(path).status_code == 204 and not Grant.objects.exists()
