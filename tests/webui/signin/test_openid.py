"""Signing in at an identity provider, a real one in a process of its own among them: who it is, with which roles."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from datetime import UTC, datetime
from html import unescape
from typing import Any
from urllib.parse import urlencode, urlsplit

import pytest
from django.test import Client

from engine.errors import Conflict, InvalidArgument, PermissionDenied
from tests.support.openid_provider import Provider
from tests.support.processes import eventually, free_port
from tests.webui.cast import Caller, caller, member
from tests.webui.signin.conftest import is_in, sign_in
from tests.webui.signin.going import SECRET, add, back, go
from webui.accounts.models import Membership, Role, Team, User
from webui.signin import factors, sessions, totp
from webui.signin.models import Identity, IdentityProvider, SignInSession
from webui.signin.openid import metadata
from webui.signin.openid.providers import provider_save, secret_of

pytestmark = pytest.mark.django_db


@pytest.fixture(scope="module")
def real() -> Iterator[str]:
    """oidc-provider-mock of PyPI, the issuer's address; ann and bob are its users."""
    port = free_port()
    users = [
        {"sub": "ann-1", "preferred_username": "ann", "email": "ann@example.com", "groups": ["dev", "ops"]},
        {"sub": "bob-1", "preferred_username": "bob", "email": "bob@example.com", "groups": ["all"]},
    ]
    claims = [part for user in users for part in ("--user-claims", json.dumps(user))]
    command = [
        sys.executable,
        "-W",
        "ignore",
        "-m",
        "oidc_provider_mock",
        "--port",
        str(port),
        "--require-nonce",
        "true",
    ]
    process = subprocess.Popen([*command, *claims], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    issuer = f"http://127.0.0.1:{port}"

    def answers() -> bool:
        assert process.poll() is None, "the provider ended"
        try:
            with urllib.request.urlopen(f"{issuer}/.well-known/openid-configuration", timeout=5):
                return True
        except OSError:
            return False

    try:
        eventually(answers, what="the provider", seconds=120)
        yield issuer
    finally:
        process.terminate()
        process.wait()


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_: Any) -> None:
        return None


def at_provider(address: str, subject: str) -> str:
    """A person's click at the real provider: where it sends the browser back to."""
    opener = urllib.request.build_opener(_NoRedirect)
    try:
        opener.open(address, urlencode({"sub": subject}).encode(), timeout=60)
    except urllib.error.HTTPError as answer:
        assert answer.code in (302, 303), answer.read()
        return str(answer.headers["Location"])
    raise AssertionError("the provider sent nobody back")


def test_people_sign_in_at_a_real_provider_and_get_their_groups_roles(
    real: str, admin: User, team: Team, browser: Client
) -> None:
    other = Team.objects.create(name="Lighthouse")
    mappings = [
        {"group": "dev", "team": "Harbour", "role": "developer"},
        {"group": "ops", "team": "Harbour", "role": "operator"},
        {"group": "ops", "team": str(other.pk), "role": "viewer"},
        {"group": "all", "team": "Lighthouse", "role": "maintainer"},
    ]
    provider = add(admin, real, mappings=mappings)
    page = browser.get("/login/", {"next": "/images/"}).content.decode()
    href = unescape(re.search(r'href="(/login/with/company/[^"]*)"', page).group(1))  # type: ignore[union-attr]
    out = browser.get(href)
    returned = urlsplit(at_provider(out.url, "ann-1"))
    assert returned.path == "/login/with/company/callback/"
    answer = browser.get(f"{returned.path}?{returned.query}")
    assert (answer.status_code, answer.url) == (302, "/images/")
    user = User.objects.get(username="ann")
    assert is_in(browser) and not user.has_usable_password()
    held = {(row.team.name, row.role) for row in Membership.objects.filter(user=user)}
    assert held == {("Harbour", "developer"), ("Lighthouse", "viewer")}
    assert SignInSession.objects.get().method == "Company"
    assert Identity.objects.get().provider == provider
    again = browser.get(f"{returned.path}?{returned.query}")
    assert again.status_code == 403, "the same answer counts once"
    assert User.objects.filter(username__startswith="ann").count() == 1


def test_a_real_provider_may_refuse(real: str, admin: User, browser: Client) -> None:
    add(admin, real)
    sent = go(browser)
    answer = browser.get("/login/with/company/callback/", {"state": sent["state"], "error": "access_denied"})
    assert answer.status_code == 403 and b"did not let you in" in answer.content
    assert not is_in(browser)


def test_who_is_known_comes_in_again_whatever_the_name_is_now(
    provider: IdentityProvider, evil: Provider, browser: Client
) -> None:
    assert back(browser, evil).url == "/"
    evil.claims = {"preferred_username": "caroline"}
    other = Client()
    assert back(other, evil).url == "/"
    assert is_in(other) and User.objects.filter(identities__isnull=False).get().username == "carol"
    form, header = evil.forms[0], evil.authorizations[0]
    assert header.startswith("Basic ") and SECRET not in str(evil.forms) and len(form["code_verifier"]) >= 43


def test_groups_may_come_from_userinfo(provider: IdentityProvider, evil: Provider, admin: User, team: Team) -> None:
    provider_save(user=admin, provider=provider, mappings=[{"group": "dev", "team": "Harbour", "role": "developer"}])
    evil.claims = {"groups": None}
    evil.userinfo = {"sub": "u-1", "groups": ["dev"]}
    assert back(Client(), evil).url == "/"
    assert Membership.objects.get(user__username="carol").role == "developer"


def test_a_name_joins_nobody(provider: IdentityProvider, evil: Provider, admin: User, browser: Client) -> None:
    evil.claims = {"preferred_username": "admin", "email": "admin@example.com", "email_verified": True}
    back(browser, evil)
    assert is_in(browser)
    user = User.objects.get(identities__isnull=False)
    assert (user.username, user.is_superuser) == ("admin-2", False)


@pytest.mark.parametrize(
    ("wish", "verified", "here", "is_joined"),
    [
        (True, True, {}, True),
        (True, False, {}, False),
        (True, "true", {}, False),
        (True, None, {}, False),
        (False, True, {}, False),
        (True, True, {"is_superuser": True}, False),
        (True, True, {"is_active": False}, False),
        (True, True, {"last_login": datetime(2026, 1, 1, tzinfo=UTC)}, False),  # and may have chosen the address since
        (True, True, {"must_change_password": False, "password": "md5$a$b"}, False),  # who signed up by an invitation
    ],
)
def test_an_address_joins_only_when_verified_wanted_and_made_for_it(
    wish: bool,
    verified: Any,
    here: dict[str, Any],
    is_joined: bool,
    provider: IdentityProvider,
    evil: Provider,
    admin: User,
) -> None:
    made = {"password": "md5$a$b", "must_change_password": True, **here}
    user = User.objects.create(username="carla", email="carol@example.com", **made)
    provider_save(user=admin, provider=provider, links_by_email=wish)
    evil.claims = {"email_verified": verified}
    client = Client()
    back(client, evil)
    assert Identity.objects.filter(user=user).exists() is is_joined
    if is_joined:
        assert client.get("/settings/").status_code == 200, "the one-time password is not asked for any more"


def test_an_address_that_nobody_verified_is_not_kept_as_ones_own(provider: IdentityProvider, evil: Provider) -> None:
    back(Client(), evil)
    assert User.objects.get(username="carol").email == ""


def test_what_is_not_seen_of_a_name_is_not_kept(provider: IdentityProvider, evil: Provider) -> None:
    evil.claims = {"given_name": "\u202eAnn\0", "family_name": "\u2066van \n\u00a0 Dam\u2069"}
    assert back(Client(), evil).status_code == 302
    assert User.objects.get(username="carol").get_full_name() == "Ann van Dam"


def test_groups_are_followed_at_each_sign_in_and_what_was_given_by_hand_stays(
    provider: IdentityProvider, evil: Provider, admin: User, team: Team
) -> None:
    given = Team.objects.create(name="Given")
    provider_save(
        user=admin,
        provider=provider,
        mappings=[
            {"group": "dev", "team": "Harbour", "role": "developer"},
            {"group": "dev", "team": "Given", "role": "viewer"},
            {"group": "lead", "team": "Harbour", "role": "maintainer"},
        ],
    )
    back(Client(), evil)
    user = User.objects.get(username="carol")
    Membership.objects.create(user=user, team=given, role=Role.OPERATOR)

    def roles(*groups: str) -> dict[str, str]:
        evil.claims = {"groups": list(groups)}
        back(Client(), evil)
        return dict(Membership.objects.filter(user=user).values_list("team__name", "role"))

    assert roles("dev", "lead") == {"Given": "operator", "Harbour": "maintainer"}
    assert roles("dev") == {"Given": "operator", "Harbour": "developer"}
    assert roles("something else") == {"Given": "operator"}
    evil.claims = {"groups": "dev"}
    back(Client(), evil)
    assert Membership.objects.get(user=user, team=team).role == "developer"


def test_administrators_by_group_are_so_as_long_as_they_are_in_it(
    provider: IdentityProvider, evil: Provider, admin: User
) -> None:
    provider_save(user=admin, provider=provider, mappings=[{"group": "root", "role": "administrator"}])

    def is_administrator(*groups: str) -> bool:
        evil.claims = {"groups": list(groups)}
        back(Client(), evil)
        return User.objects.get(username="carol").is_superuser

    assert [is_administrator(), is_administrator("root"), is_administrator()] == [False, True, False]
    User.objects.filter(username="carol").update(is_superuser=True)
    assert is_administrator(), "who was made one by hand stays one"


def test_only_mapped_groups_or_known_people_may_be_let_in(
    provider: IdentityProvider, evil: Provider, admin: User, team: Team
) -> None:
    mappings = [{"group": "dev", "team": "Harbour", "role": "viewer"}]
    provider_save(user=admin, provider=provider, only_mapped=True, mappings=mappings)
    assert back(Client(), evil).status_code == 403
    evil.claims = {"groups": ["dev"]}
    assert back(Client(), evil).status_code == 302
    provider_save(user=admin, provider=provider, creates_users=False)
    evil.claims = {"groups": ["dev"], "sub": "u-2"}
    assert back(Client(), evil).status_code == 403
    User.objects.filter(username="carol").update(is_active=False)
    evil.claims = {"groups": ["dev"]}
    assert back(Client(), evil).status_code == 403
    provider_save(user=admin, provider=provider, is_enabled=False)
    assert Client().get("/login/with/company/").status_code == 404


def test_who_has_left_the_groups_that_are_let_in_keeps_nothing_of_them(
    provider: IdentityProvider, evil: Provider, admin: User, team: Team
) -> None:
    mappings = [
        {"group": "dev", "team": "Harbour", "role": "developer"},
        {"group": "root", "role": "administrator"},
    ]
    provider_save(user=admin, provider=provider, only_mapped=True, mappings=mappings)
    evil.claims = {"groups": ["dev", "root"]}
    assert back(Client(), evil).status_code == 302
    carol = caller(User.objects.get(username="carol"))
    assert carol.get("users/").json()["count"] == 2 and carol.get(f"teams/{team.pk}/").status_code == 200
    evil.claims = {"groups": []}
    refused = Client()
    assert back(refused, evil).status_code == 403 and not is_in(refused)
    assert carol.get("users/").json()["count"] == 1 and carol.get(f"teams/{team.pk}/").status_code == 404, "by a token"
    assert not User.objects.get(username="carol").is_superuser and not Membership.objects.exists()


@pytest.mark.parametrize("asks", [False, True])
def test_ones_own_second_factor_is_asked_for_unless_the_provider_does(
    asks: bool, provider: IdentityProvider, evil: Provider, admin: User, browser: Client
) -> None:
    provider_save(user=admin, provider=provider, asks_second_factor=asks)
    back(Client(), evil)
    user = User.objects.get(username="carol")
    key = factors.totp_begin(user=user)
    factors.totp_confirm(user=user, code=totp.code_at(key, int(time.time() // 30)))
    evil.claims = {}
    assert back(browser, evil).url == ("/" if asks else "/login/second/")
    assert is_in(browser) is asks and browser.session.get(sessions.SECOND, False) is asks


def test_an_account_is_linked_by_who_is_signed_in_and_stays_with_one(
    provider: IdentityProvider, evil: Provider, ann: User, browser: Client
) -> None:
    assert Client().get("/login/with/company/", {"for": "link"}).status_code == 403
    sign_in(browser)
    sent = go(browser, **{"for": "link", "next": "/settings/"})
    evil.claims = {"nonce": sent["nonce"]}
    answer = browser.get("/login/with/company/callback/", {"state": sent["state"], "code": "c"})
    assert answer.url == "/settings/" and Identity.objects.get().user == ann
    bob = Client()
    bob.force_login(member("bob", None, ""))
    sent = go(bob, **{"for": "link"})
    evil.claims = {"nonce": sent["nonce"]}
    assert bob.get("/login/with/company/callback/", {"state": sent["state"], "code": "c"}).status_code == 403
    assert Identity.objects.get().user == ann
    browser.post("/settings/", {"action": "unlink", "id": str(Identity.objects.get().pk)})
    assert not Identity.objects.exists()


def test_the_last_way_in_is_not_unlinked(provider: IdentityProvider, evil: Provider, browser: Client) -> None:
    back(browser, evil)
    answer = browser.post("/settings/", {"action": "unlink", "id": str(Identity.objects.get().pk)})
    assert answer.status_code == 422 and Identity.objects.exists()


def test_only_administrators_say_how_people_sign_in(evil: Provider, owner: Caller, admin: User) -> None:
    wish = {"name": "Mine", "issuer": evil.issuer, "client_id": "x"}
    assert owner.post("identity-providers/", wish).status_code == 403
    assert owner.user is not None
    with pytest.raises(PermissionDenied):
        provider_save(user=owner.user, **wish)
    admin.token_is_limited = True
    with pytest.raises(PermissionDenied, match="limits"):
        provider_save(user=admin, **wish)
    assert Client().get("/settings/sign-in/").status_code == 302
    browser = Client()
    browser.force_login(owner.user)
    assert browser.get("/settings/sign-in/").status_code == 404


def test_providers_over_rest(evil: Provider, owner: Caller, team: Team) -> None:
    User.objects.update(is_superuser=True)
    mapping = {"group": "dev", "team": "Harbour", "role": "developer"}
    wish = {"name": "Company", "issuer": evil.issuer, "client_id": "portside", "client_secret": SECRET}
    made = owner.post("identity-providers/", {**wish, "mappings": [mapping]})
    assert made.status_code == 201 and SECRET not in made.content.decode()
    path = f"identity-providers/{made.json()['id']}/"
    changed = owner.call("patch", path, {"name": "Firm", "mappings": [{"group": "root", "role": "administrator"}]})
    assert (changed.json()["name"], changed.json()["mappings"][0]["team"]) == ("Firm", None)
    assert secret_of(IdentityProvider.objects.get()) == SECRET, "what is left out stays"
    for field, body in (
        ("mappings.0.role", {"mappings": [{**mapping, "role": "emperor"}]}),
        ("mappings.0.team", {"mappings": [{**mapping, "team": "Nowhere"}]}),
        ("mappings.0.team", {"mappings": [{**mapping, "team": "a" * 33}]}),
        ("issuer", {"issuer": "http://id.example.com"}),
        ("issuer", {"issuer": "https://[id.example.com/realm"}),
        ("scopes", {"scopes": "email"}),
    ):
        answer = owner.call("patch", path, body)
        assert (answer.status_code, list(answer.json()["errors"])) == (400, [field])
    assert owner.call("patch", "sign-in/", {"require_second_factor": True}).json() == {"require_second_factor": True}
    assert owner.delete(path).status_code == 204


def test_an_issuer_that_is_another_than_it_says_is_refused(evil: Provider, admin: User) -> None:
    evil.metadata = {"issuer": "https://another.example"}
    with pytest.raises(InvalidArgument, match="calls itself"):
        add(admin, evil.issuer)
    evil.metadata = {"token_endpoint": "http://169.254.169.254/latest"}
    with pytest.raises(InvalidArgument, match="token_endpoint"):
        add(admin, evil.issuer)


@pytest.mark.parametrize("name", ["a..b", f"{'a' * 64}.example"])
def test_what_no_host_can_be_called_is_no_providers_address(
    name: str, provider: IdentityProvider, evil: Provider, owner: Caller, browser: Client
) -> None:
    User.objects.filter(pk=owner.user.pk).update(is_superuser=True)  # type: ignore[union-attr]
    made = owner.post("identity-providers/", {"name": "Other", "issuer": f"https://{name}/", "client_id": "x"})
    assert made.status_code == 503 and f"no host can have the name {name}" in made.content.decode()
    evil.metadata = {"token_endpoint": f"https://{name}/"}
    metadata.forget(evil.issuer)
    answer = back(browser, evil)
    assert answer.status_code == 403 and f"no host can have the name {name}" in answer.content.decode()


def test_an_issuer_is_not_exchanged_under_its_people(
    provider: IdentityProvider, evil: Provider, admin: User, browser: Client
) -> None:
    back(browser, evil)
    with pytest.raises(Conflict):
        provider_save(user=admin, provider=provider, issuer="http://127.0.0.1:1")
