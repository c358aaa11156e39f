"""People, teams, members, roles, invitations, service accounts and host groups over REST, and attacks on them."""

from __future__ import annotations

from typing import Any

import pytest

from tests.webui.api.rights import limited, made_role, of, role_in
from tests.webui.cast import Caller, caller, member
from webui.accounts.membership import team_rename
from webui.accounts.models import (
    ApiToken,
    Grant,
    HostGroup,
    Invitation,
    Role,
    Team,
    User,
)
from webui.accounts.people import user_change
from webui.containers.models import Container
from webui.hosts.models import Host

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def quick_hashes(settings: Any) -> None:
    """Argon2 takes 50 ms by design; what is tested here is not how strong it is."""
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]


@pytest.fixture
def chief(db: None) -> Caller:
    """An administrator who is in no team."""
    return caller(User.objects.create_superuser(username="chief", password=None))


# --- people


def test_an_administrator_lets_somebody_in_who_changes_the_password_first(chief: Caller, team: Team) -> None:
    answer = chief.post("users/", {"username": "Ann", "name": "Ann Lee", "email": "ann@example.com"})
    made = answer.json()
    assert answer.status_code == 201 and answer.headers["Cache-Control"] == "no-store"
    ann = User.objects.get(username="Ann")
    assert ann.check_password(made["password"]) and ann.must_change_password and not ann.is_superuser
    assert "password" not in chief.get(f"users/{ann.pk}/").json()
    assert chief.post("users/", {"username": "ann"}).json()["errors"]["username"]
    assert chief.post(of(team, "members/"), {"user": "Ann", "role": "developer"}).status_code == 201
    shown = chief.get("users/?search=ANN").json()["results"]
    assert [(row["username"], row["teams"][0]["role"]) for row in shown] == [("Ann", "developer")]


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"username": ""}, "username"),
        ({"username": "a b"}, "username"),
        ({"username": "ann", "email": "nowhere"}, "email"),
        ({"username": "ann", "is_superuser": True}, "is_superuser"),
        ({"username": "ann", "token_team": None}, "token_team"),
        ({"username": "ann", "service_of": 1}, "service_of"),
        ({"username": "ann", "administrator": "yes"}, "administrator"),
    ],
)
def test_fields_that_make_no_sense_are_named(chief: Caller, body: dict[str, Any], field: str) -> None:
    answer = chief.post("users/", body)
    assert (answer.status_code, list(answer.json()["errors"])) == (400, [field])
    assert not User.objects.filter(username="ann").exists()


def test_people_are_administrators_business(owner: Caller, teammate: Caller, outsider: Caller, team: Team) -> None:
    assert owner.post("users/", {"username": "ann"}).status_code == 403
    assert owner.user is not None and teammate.user is not None and outsider.user is not None
    for path in (f"users/{teammate.user.pk}/", f"users/{owner.user.pk}/"):
        for body in ({"administrator": True}, {"active": False}, {"username": "root"}):
            assert owner.call("patch", path, body).status_code == 403, (path, body)
    assert owner.post(f"users/{teammate.user.pk}/password/").status_code == 403
    assert owner.delete(f"users/{teammate.user.pk}/").status_code == 403
    assert owner.call("patch", f"users/{teammate.user.pk}/", {"name": "x"}).status_code == 403
    assert owner.call("patch", f"users/{owner.user.pk}/", {"name": "The Owner"}).json()["name"] == "The Owner"
    names = {row["username"] for row in owner.get("users/").json()["results"]}
    assert names == {"owner", "teammate"}
    assert outsider.get(f"users/{owner.user.pk}/").status_code == 404
    assert not User.objects.filter(is_superuser=True).exists()


def test_the_last_administrator_stays(chief: Caller) -> None:
    assert chief.user is not None
    path = f"users/{chief.user.pk}/"
    assert chief.call("patch", path, {"administrator": False}).status_code == 409
    assert chief.call("patch", path, {"active": False}).status_code == 409
    assert chief.delete(path).status_code == 409
    second = caller(User.objects.create_superuser(username="second"))
    assert second.call("patch", path, {"active": False}).status_code == 200
    assert second.user is not None
    assert second.call("patch", f"users/{second.user.pk}/", {"administrator": False}).status_code == 409
    assert chief.get("users/").status_code == 401, "who is locked out has no token any more"


def test_who_is_locked_out_loses_tokens_and_sessions_at_once(chief: Caller, owner: Caller, team: Team) -> None:
    assert owner.user is not None
    owner.client.force_login(owner.user, backend="webui.accounts.backend.ThrottledBackend")
    assert owner.client.get("/api/v1/teams/").status_code == 200
    assert owner.get("teams/").status_code == 200
    assert chief.call("patch", f"users/{owner.user.pk}/", {"active": False}).status_code == 200
    assert owner.get("teams/").status_code == 401
    assert owner.client.get("/api/v1/teams/").status_code == 401


def test_what_a_provider_wrote_of_somebody_keeps_him_from_nothing(chief: Caller) -> None:
    """Forms have rules for names and addresses that providers, and the first versions of them, do not have."""
    somebody = User.objects.create(username="ann", first_name="\u202eAnn", last_name="Lee", email="ann@corp")
    path = f"users/{somebody.pk}/"
    assert chief.call("patch", path, {"active": False}).status_code == 200
    assert chief.call("patch", path, {"username": "anna"}).json()["email"] == "ann@corp"
    assert chief.call("patch", path, {"name": somebody.first_name}).json()["errors"]["name"]
    assert chief.call("patch", path, {"email": somebody.email}).json()["errors"]["email"]
    somebody.refresh_from_db()
    assert (somebody.is_active, somebody.username, somebody.last_name) == (False, "anna", "Lee")


def test_who_changes_a_name_meanwhile_gets_nothing_back(chief: Caller, owner: Caller, team: Team) -> None:
    """What a request has read may be history when it writes."""
    made = caller(User.objects.create_superuser(username="second", password=None)).user
    assert made is not None and chief.user is not None
    history = User.objects.get(pk=made.pk)
    user_change(user=chief.user, target=made, administrator=False, active=False)
    user_change(user=history, target=history, name="Second")
    found = User.objects.get(pk=made.pk)
    assert (found.first_name, found.is_superuser, found.is_staff, found.is_active) == ("Second", False, False, False)


def test_deleting_somebody_takes_what_is_theirs_alone(chief: Caller, owner: Caller, container: Container) -> None:
    assert owner.user is not None
    Container.objects.update(created_by=owner.user)
    assert chief.delete(f"users/{owner.user.pk}/").status_code == 409, "the team's last maintainer"
    member("second", container.team, Role.MAINTAINER)
    assert chief.delete(f"users/{owner.user.pk}/").status_code == 204
    assert Container.objects.get().created_by is None
    assert not ApiToken.objects.filter(user=owner.user.pk).exists()


def test_a_limited_token_of_an_administrators_makes_no_administrator(chief: Caller, owner: Caller) -> None:
    assert chief.user is not None and owner.user is not None
    weak = limited(chief.user, "users.manage")
    assert weak.post("users/", {"username": "ann"}).status_code == 201
    assert weak.post("users/", {"username": "bob", "administrator": True}).status_code == 403
    ann = User.objects.get(username="ann").pk
    assert weak.call("patch", f"users/{ann}/", {"administrator": True}).status_code == 403
    assert weak.post(f"users/{chief.user.pk}/password/").status_code == 403
    assert weak.post("teams/", {"name": "New"}).status_code == 403
    assert limited(chief.user, "read").post("users/", {"username": "eve"}).status_code == 403


# --- teams and members


def test_a_teams_new_name_takes_nothing_else_back(owner: Caller, team: Team) -> None:
    history = Team.objects.get(pk=team.pk)
    Team.objects.filter(pk=team.pk).update(require_second_factor=True)
    assert owner.user is not None
    team_rename(user=owner.user, team=history, name="Quay")
    found = Team.objects.get(pk=team.pk)
    assert (found.name, found.require_second_factor) == ("Quay", True)


def test_a_team_is_made_renamed_and_deleted_when_it_owns_nothing(chief: Caller, owner: Caller, host: Host) -> None:
    answer = chief.post("teams/", {"name": " New  Wharf "})
    assert (answer.status_code, answer.json()["name"], answer.json()["role"]) == (201, "New Wharf", "maintainer")
    assert chief.post("teams/", {"name": "new wharf"}).status_code == 409
    assert owner.post("teams/", {"name": "Mine"}).status_code == 403
    path = f"teams/{answer.json()['id']}/"
    assert owner.get(path).status_code == 404
    assert chief.call("patch", path, {"name": "Old Wharf"}).json()["name"] == "Old Wharf"
    assert owner.delete(of(host.team)).status_code == 403
    refused = chief.delete(of(host.team))
    assert refused.status_code == 409 and "hosts" in refused.json()["detail"]
    assert chief.delete(path).status_code == 204
    assert chief.delete(path).status_code == 404


def test_a_maintainer_keeps_the_members(owner: Caller, teammate: Caller, team: Team) -> None:
    member("ann", None, "")
    answer = owner.post(of(team, "members/"), {"user": "ann", "role": "viewer"})
    assert answer.status_code == 201 and answer.json()["grants"] == []
    ann = answer.json()["user"]["id"]
    assert owner.post(of(team, "members/"), {"user": "ann", "role": "viewer"}).status_code == 409
    assert owner.post(of(team, "members/"), {"user": "nobody", "role": "viewer"}).status_code == 404
    assert owner.post(of(team, "members/"), {"user": "ann", "role": "king"}).json()["errors"]["role"]
    assert len(owner.get(of(team, "members/?role=viewer")).json()["results"]) == 1
    assert "GET /api/v1/roles/" in owner.get(of(team, "members/?role=king")).json()["errors"]["role"][0]
    assert owner.call("patch", of(team, f"members/{ann}/"), {"role": "developer"}).status_code == 200
    names = [row["user"]["username"] for row in owner.get(of(team, "members/?ordering=username")).json()["results"]]
    assert names == ["ann", "owner", "teammate"]
    for method, path, body in (
        ("post", "members/", {"user": "ann", "role": "viewer"}),
        ("patch", f"members/{ann}/", {"role": "viewer"}),
        ("delete", f"members/{ann}/", None),
        ("post", "invitations/", {"role": "viewer"}),
        ("post", "service-accounts/", {"username": "bot", "role": "viewer"}),
        ("post", "host-groups/", {"name": "x"}),
    ):
        assert teammate.call(method, of(team, path), body).status_code == 403, path
    assert owner.delete(of(team, f"members/{ann}/")).status_code == 204


def test_the_last_maintainer_stays_and_others_may_leave(owner: Caller, teammate: Caller, team: Team) -> None:
    assert owner.user is not None and teammate.user is not None
    path = of(team, f"members/{owner.user.pk}/")
    assert owner.delete(path).status_code == 409
    assert owner.call("patch", path, {"role": "viewer"}).status_code == 409
    account = owner.post(of(team, "service-accounts/"), {"username": "bot", "role": "maintainer"})
    assert account.status_code == 201
    assert owner.delete(path).status_code == 409, "a service account leads nobody"
    assert teammate.delete(of(team, f"members/{teammate.user.pk}/")).status_code == 204
    assert owner.post(of(team, "members/"), {"user": "teammate", "role": "maintainer"}).status_code == 201
    assert owner.delete(path).status_code == 204
    assert owner.get(of(team)).status_code == 404


def test_nobody_gives_more_than_he_has(chief: Caller, team: Team, host: Host) -> None:
    usher = made_role(chief, "Usher", "members.view", "members.manage", "hosts.manage", "containers.view")
    king = made_role(chief, "King", "hosts.loosen")
    member("ann", None, "")
    weak = caller(member("usher", team, usher))
    boss = member("boss", team, Role.MAINTAINER)
    assert weak.user is not None
    for role in ("viewer", "operator", "maintainer", king):
        assert weak.post(of(team, "members/"), {"user": "ann", "role": role}).status_code == 403, role
        assert weak.call("patch", of(team, f"members/{weak.user.pk}/"), {"role": role}).status_code == 403
        assert weak.post(of(team, "invitations/"), {"role": role}).status_code == 403
        assert weak.post(of(team, "service-accounts/"), {"username": "bot", "role": role}).status_code == 403
        body = {"role": role, "host": host.pk}
        assert weak.post(of(team, f"members/{weak.user.pk}/grants/"), body).status_code == 403
    assert weak.delete(of(team, f"members/{boss.pk}/")).status_code == 403, "he has more"
    assert weak.call("patch", of(team, f"members/{boss.pk}/"), {"role": ""}).status_code == 403
    assert weak.post(of(team, "members/"), {"user": "ann", "role": usher}).status_code == 201
    assert caller(boss).post(of(team, "invitations/"), {"role": king}).status_code == 403, "an administrator's right"
    assert (role_in(team, "usher"), role_in(team, "boss")) == (usher, "maintainer")


def test_a_limited_token_gives_no_more_than_it_may(owner: Caller, team: Team) -> None:
    assert owner.user is not None
    member("ann", None, "")
    weak = limited(owner.user, "members.manage", "members.view")
    assert weak.post(of(team, "members/"), {"user": "ann", "role": "viewer"}).status_code == 403
    assert weak.post(of(team, "members/"), {"user": "ann", "role": ""}).status_code == 201
    bot = owner.post(of(team, "service-accounts/"), {"username": "bot", "role": "viewer"}).json()["id"]
    assert weak.post(of(team, f"service-accounts/{bot}/tokens/"), {"name": "x"}).status_code == 403


def test_further_roles_hold_at_their_place(owner: Caller, teammate: Caller, container: Container) -> None:
    team, host = container.team, container.host
    assert teammate.user is not None
    path = of(team, f"members/{teammate.user.pk}/grants/")
    assert teammate.delete(f"containers/{container.pk}/?force=true").status_code == 403
    answer = owner.post(path, {"role": "developer", "host": host.pk})
    assert answer.status_code == 201 and answer.json()["host"]["name"] == host.name
    assert owner.post(path, {"role": "developer", "host": host.pk}).status_code == 409
    quay = Host.objects.create(pk="quay", team=team, name="quay")
    assert teammate.post("containers/", {"host": "quay", "image": "alpine"}).status_code == 403
    group = owner.post(of(team, "host-groups/"), {"name": "staging", "hosts": [quay.pk]}).json()
    assert owner.post(path, {"role": "developer", "group": group["id"]}).status_code == 201
    assert owner.post(path, {"role": "developer", "repository": "ghcr.io/we/*"}).status_code == 201
    for body in (
        {"role": "developer"},
        {"role": "developer", "host": host.pk, "repository": "ghcr.io/we/*"},
        {"role": "developer", "host": "elsewhere"},
        {"role": "developer", "repository": "ghcr.io/*/x"},
        {"role": "developer", "repository": 'ghcr.io/"x'},
        {"role": "", "host": host.pk},
    ):
        assert owner.post(path, body).status_code == 400, body
    grants = owner.get(of(team, f"members/{teammate.user.pk}/")).json()["grants"]
    assert [grant["repository"] for grant in grants] == ["", "", "ghcr.io/we/*"]
    assert owner.delete(f"{path}{grants[0]['id']}/").status_code == 204
    assert Grant.objects.count() == 2


def test_other_teams_objects_are_not_to_be_reached(
    owner: Caller, teammate: Caller, outsider: Caller, host: Host
) -> None:
    """IDOR: ids of one team under the address of another."""
    team, other = host.team, Team.objects.get(name="Lighthouse")
    assert outsider.user is not None and teammate.user is not None
    rock = Host.objects.create(pk="rock", team=other, name="rock")
    group = owner.post(of(team, "host-groups/"), {"name": "g", "hosts": [host.pk]}).json()["id"]
    grants = of(team, f"members/{teammate.user.pk}/grants/")
    grant = owner.post(grants, {"role": "viewer", "group": group}).json()["id"]
    invitation = owner.post(of(team, "invitations/"), {"role": "viewer"}).json()["id"]
    bot = owner.post(of(team, "service-accounts/"), {"username": "bot", "role": "viewer"}).json()["id"]
    token = owner.post(of(team, f"service-accounts/{bot}/tokens/"), {"name": "ci"}).json()["id"]
    for method, rest in (
        ("get", f"members/{teammate.user.pk}/"),
        ("delete", f"members/{teammate.user.pk}/"),
        ("delete", f"members/{teammate.user.pk}/grants/{grant}/"),
        ("delete", f"members/{outsider.user.pk}/grants/{grant}/"),
        ("delete", f"invitations/{invitation}/"),
        ("delete", f"service-accounts/{bot}/"),
        ("delete", f"service-accounts/{bot}/tokens/{token}/"),
        ("delete", f"host-groups/{group}/"),
    ):
        assert outsider.call(method, of(other, rest)).status_code == 404, rest
        assert outsider.call(method, of(team, rest)).status_code == 404, rest
    assert (
        outsider.post(of(other, f"members/{outsider.user.pk}/grants/"), {"role": "viewer", "group": group}).status_code
        == 400
    )
    assert (
        outsider.post(of(other, f"members/{outsider.user.pk}/grants/"), {"role": "viewer", "host": host.pk}).status_code
        == 400
    )
    assert outsider.post(of(other, "host-groups/"), {"name": "x", "hosts": [host.pk]}).status_code == 400
    assert outsider.post(of(other, "members/"), {"user": "bot", "role": "viewer"}).status_code == 403
    assert owner.post(f"hosts/{host.pk}/move/", {"team": str(other.pk)}).status_code == 400
    assert outsider.post(f"hosts/{rock.pk}/move/", {"team": str(team.pk)}).status_code == 400
    assert (Invitation.objects.count(), HostGroup.objects.count(), Grant.objects.count()) == (1, 1, 1)
