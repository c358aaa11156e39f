"""Sessions: begun anew at each sign-in, listed, ended from anywhere, and held back until what is due is done."""

from __future__ import annotations

import time
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.sessions.models import Session
from django.test import Client
from django.utils import timezone

from engine.errors import NotFound
from tests.webui.cast import Caller, member
from tests.webui.signin.conftest import PASSWORD, is_in, sign_in
from tests.webui.streams.fake_host import refused
from webui.accounts.models import Membership, Role, SignInFailures, Team, User
from webui.accounts.throttle import FREE_FAILURES
from webui.live.loop import in_thread
from webui.signin import holding, sessions
from webui.signin.devices import device_name
from webui.signin.models import SignInSession, SignInSettings

pytestmark = pytest.mark.django_db


def test_signing_in_is_noted_with_device_address_and_way(browser: Client, ann: User) -> None:
    sign_in(browser)
    row = SignInSession.objects.get()
    assert (row.user, device_name(row.device), row.address, row.method) == (
        ann,
        "Firefox on Linux",
        "127.0.0.1",
        "Password",
    )
    page = browser.get("/settings/sessions/").content.decode()
    assert "Firefox on Linux" in page and "this one" in page
    assert browser.session.session_key not in page


@pytest.mark.parametrize(
    ("agent", "name"),
    [
        ("", "Unknown device"),
        ("Mozilla/5.0 (Windows NT 10.0) AppleWebKit/537.36 Chrome/126 Safari/537.36 Edg/126", "Edge on Windows"),
        ("Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) Version/17.5 Safari/604.1", "Safari on iPhone"),
        ("curl/8.9", "curl"),
        ("<script>alert(1)</script>", "Unknown device"),
    ],
)
def test_devices_have_names_that_people_use(agent: str, name: str) -> None:
    assert device_name(agent) == name


def test_a_session_that_was_fixed_beforehand_is_not_the_one_that_gets_in(browser: Client, ann: User) -> None:
    browser.get("/login/")
    planted = browser.session
    planted["planted"] = "by somebody else"
    planted.save()
    key = planted.session_key
    browser.cookies["sessionid"] = key
    sign_in(browser)
    assert is_in(browser)
    assert browser.session.session_key != key and "planted" not in browser.session
    thief = Client()
    thief.cookies["sessionid"] = key
    assert thief.get("/settings/").status_code == 302


@pytest.mark.parametrize(
    "evil",
    [
        "https://evil.example/",
        "//evil.example/",
        "/\\evil.example",
        "https:evil.example",
        "javascript:alert(1)",
        "\t//x",
    ],
)
def test_signing_in_leads_to_no_other_site(browser: Client, ann: User, evil: str) -> None:
    assert sign_in(browser, next=evil).url == "/"
    assert browser.get("/login/", {"next": evil}).url == "/"


@pytest.mark.parametrize("path", ["/login/", "/login/second/", "/login/passkey/", "/login/passkey/options/"])
def test_forms_of_other_sites_sign_nobody_in(ann: User, path: str) -> None:
    client = Client(enforce_csrf_checks=True)
    assert client.post(path, {"username": "ann", "password": PASSWORD}).status_code == 403


@pytest.mark.parametrize(
    "path",
    [
        "/settings/",
        "/settings/password/",
        "/settings/second-factor/",
        "/settings/passkeys/",
        "/settings/passkeys/options/",
        "/settings/passkeys/add/",
        "/settings/sessions/",
        "/settings/confirm/",
        "/settings/confirm/passkey/",
        "/settings/confirm/passkey/options/",
    ],
)
def test_forms_of_other_sites_change_nothing_about_oneself(ann: User, path: str) -> None:
    client = Client(enforce_csrf_checks=True)
    client.force_login(ann)
    assert client.post(path, {"action": "remove"}).status_code == 403
    assert Client().post(path).status_code in (302, 401, 403)


def test_a_session_is_ended_from_another(browser: Client, ann: User) -> None:
    sign_in(browser)
    lost = Client()
    sign_in(lost)
    row = SignInSession.objects.exclude(session_id=browser.session.session_key).get()
    browser.post("/settings/sessions/", {"id": str(row.pk)})
    assert lost.get("/settings/").status_code == 302
    assert browser.get("/settings/").status_code == 200
    assert browser.post("/settings/sessions/", {"id": str(row.pk)}).status_code == 422


def test_all_others_end_at_once_and_with_a_new_password(browser: Client, ann: User) -> None:
    others = [Client() for _ in range(3)]
    for client in (browser, *others):
        sign_in(client)
    browser.post("/settings/sessions/", {"action": "end-others"})
    assert [is_in(client) for client in (browser, *others)] == [True, False, False, False]
    sign_in(others[0])
    key = browser.session.session_key
    wish = {"old": PASSWORD, "new": "a much better one", "again": "a much better one"}
    assert browser.post("/settings/password/", wish).url == "/settings/password/"
    assert is_in(browser) and browser.session.session_key != key
    assert not is_in(others[0])
    assert SignInSession.objects.get().session_id == browser.session.session_key


def test_sessions_of_others_are_neither_seen_nor_ended(browser: Client, ann: User) -> None:
    sign_in(browser)
    bob = member("bob", None, "")
    assert not sessions.sessions_of(bob).exists()
    with pytest.raises(NotFound):
        sessions.session_end(user=bob, session_id=SignInSession.objects.get().pk)
    assert is_in(browser)


def test_signing_out_forgets_the_session(browser: Client, ann: User) -> None:
    sign_in(browser)
    browser.post("/logout/")
    assert not SignInSession.objects.exists()


def test_what_has_expired_is_not_listed_and_is_cleared_away(browser: Client, ann: User) -> None:
    sign_in(browser)
    Session.objects.update(expire_date=timezone.now() - timedelta(seconds=1))
    assert not sessions.sessions_of(ann).exists()
    sessions.sessions_trim()
    assert not SignInSession.objects.exists() and not Session.objects.exists()


def test_a_visit_is_noted_once_a_minute_at_most(browser: Client, ann: User, django_assert_num_queries: Any) -> None:
    sign_in(browser)
    long_ago = timezone.now() - timedelta(days=1)
    SignInSession.objects.update(last_seen_at=long_ago, address="192.0.2.1")
    sessions._seen.clear()
    browser.get("/settings/sessions/")
    row = SignInSession.objects.get()
    assert row.last_seen_at > long_ago and row.address == "127.0.0.1"
    SignInSession.objects.update(last_seen_at=long_ago)
    browser.get("/settings/sessions/")
    assert SignInSession.objects.get().last_seen_at == long_ago


def test_guessing_the_present_password_in_an_open_session_is_slowed_down(browser: Client, ann: User) -> None:
    sign_in(browser)
    wish = {"old": "wrong", "new": "a much better one", "again": "a much better one"}
    for _ in range(FREE_FAILURES):
        assert b"present password is wrong" in browser.post("/settings/password/", wish).content
    answer = browser.post("/settings/password/", {**wish, "old": PASSWORD})
    assert b"Too many failed tries" in answer.content
    assert browser.post("/settings/confirm/", {"password": PASSWORD}).status_code == 422
    SignInFailures.objects.all().delete()
    assert browser.post("/settings/confirm/", {"password": PASSWORD, "next": "/images/"}).url == "/images/"


def test_confirming_holds_for_a_while(browser: Client, ann: User) -> None:
    sign_in(browser)
    assert sessions.is_confirmed(browser.session)
    old = browser.session
    old[sessions.CONFIRMED_AT] = time.time() - sessions.CONFIRMED_FOR.total_seconds() - 1
    assert not sessions.is_confirmed(old)
    assert not sessions.is_confirmed({})  # type: ignore[arg-type]


def test_a_session_left_open_gives_nobody_another_way_in(browser: Client, ann: User) -> None:
    User.objects.update(is_superuser=True)
    bob = User.objects.create_user("bob", password="bob's own password")
    sign_in(browser)
    left = browser.session
    left[sessions.CONFIRMED_AT] = 0
    left.save()
    for method, path, wish in (
        ("post", f"users/{bob.pk}/password/", {}),
        ("patch", f"users/{bob.pk}/", {"administrator": True}),
        ("post", "users/", {"username": "eve", "administrator": True}),
    ):
        answer = getattr(browser, method)(f"/api/v1/{path}", wish, content_type="application/json")
        assert (answer.status_code, "/settings/confirm/" in answer.json()["detail"]) == (403, True), path
    assert (
        browser.patch(f"/api/v1/users/{bob.pk}/", {"name": "Bob"}, content_type="application/json").status_code == 200
    )
    bob.refresh_from_db()
    assert (bob.is_superuser, bob.check_password("bob's own password"), bob.first_name) == (False, True, "Bob")
    browser.post("/settings/confirm/", {"password": PASSWORD})
    assert browser.post(f"/api/v1/users/{bob.pk}/password/", {}, content_type="application/json").status_code == 200


def held_everywhere(client: Client, page: str) -> None:
    for path in ("/", "/containers/", "/settings/tokens/", "/settings/sessions/"):
        assert client.get(path).url == page, path
    for path in ("containers/", "tokens/", "sessions/", "teams/"):
        answer = client.get(f"/api/v1/{path}")
        assert (answer.status_code, page in answer.json()["detail"]) == (403, True), path
    assert client.post("/api/v1/tokens/", {"name": "x"}, content_type="application/json").status_code == 403


def test_the_one_time_password_opens_nothing_but_its_own_change(browser: Client, ann: User) -> None:
    User.objects.update(must_change_password=True)
    sign_in(browser)
    held_everywhere(browser, "/password/")
    assert browser.get("/settings/second-factor/").url == "/password/"
    assert browser.post("/settings/passkeys/options/").status_code == 403
    wish = {"old": PASSWORD, "new": "a much better one", "again": "a much better one"}
    assert browser.post("/password/", wish).url == "/"
    assert browser.get("/api/v1/tokens/").status_code == 200


@pytest.mark.parametrize("by", ["site", "team"])
def test_without_a_required_second_factor_nothing_opens_but_its_making(
    browser: Client, ann: User, team: Team, by: str
) -> None:
    Membership.objects.create(user=ann, team=team, role=Role.VIEWER)
    sign_in(browser)
    assert browser.get("/api/v1/teams/").status_code == 200
    if by == "site":
        SignInSettings.objects.create(require_second_factor=True)
    else:
        Team.objects.update(require_second_factor=True)
    held_everywhere(browser, "/settings/second-factor/")
    for path in ("/settings/second-factor/", "/settings/passkeys/"):
        page = browser.get(path)
        assert page.status_code == 200 and b"A second factor is required" in page.content


def test_another_teams_rule_is_none_of_ones_own(ann: User, team: Team) -> None:
    Team.objects.update(require_second_factor=True)
    assert not holding.second_factor_is_required(ann)


def test_a_session_with_its_second_factor_costs_no_query_to_let_in(ann: User, django_assert_num_queries: Any) -> None:
    with django_assert_num_queries(0):
        assert holding.hold_of(ann, {sessions.SECOND: True}) is None
    with django_assert_num_queries(1):
        assert holding.hold_of(ann, {}) is None


@pytest.mark.django_db(transaction=True)
async def test_sockets_are_held_back_as_well(site_broker: object, owner: Caller) -> None:
    def cookie() -> dict[str, str]:
        client = Client()
        assert owner.user is not None
        client.force_login(owner.user)
        return {"Cookie": f"sessionid={client.cookies['sessionid'].value}"}

    signed_in = await in_thread(cookie)
    assert await refused("/ws/events/", signed_in) == 101
    await in_thread(User.objects.update, must_change_password=True)
    assert await refused("/ws/events/", signed_in) == 403
    assert await refused("/ws/events/", owner.headers) == 101, "tokens go on"
    await in_thread(User.objects.update, must_change_password=False)
    await in_thread(Team.objects.update, require_second_factor=True)
    assert await refused("/ws/events/", signed_in) == 403
