"""Passkeys: one's own, for this site, for one challenge. A real browser makes and shows one in tests/webui/pages."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client

from tests.support.soft_passkey import PRESENT, SoftPasskey
from tests.webui.cast import member
from tests.webui.signin.conftest import PASSWORD, is_in, sign_in
from webui.accounts.models import User
from webui.audit.models import AuditEntry
from webui.signin import factors, sessions
from webui.signin.models import Passkey, SignInSession, SignInSettings
from webui.signin.passkeys import CEREMONY, CEREMONY_SECONDS

pytestmark = pytest.mark.django_db

ORIGIN = "http://testserver"


def post(client: Client, path: str, body: Any = None) -> Any:
    return client.post(path, {} if body is None else body, content_type="application/json")


def add(client: Client, passkey: SoftPasskey, name: str = "laptop", origin: str = ORIGIN, **more: Any) -> Any:
    options = post(client, "/settings/passkeys/options/").json()
    return post(client, "/settings/passkeys/add/", {"name": name, "answer": passkey.create(options, origin, **more)})


def show(
    client: Client, passkey: SoftPasskey, origin: str = ORIGIN, where: str = "/login/passkey/", **more: Any
) -> Any:
    options = post(client, f"{where}options/").json()
    return post(client, where, {"answer": passkey.show(options, origin, **more), "next": "/images/"})


@pytest.fixture
def passkey(ann: User) -> SoftPasskey:
    """Ann's."""
    client = Client()
    client.force_login(ann)
    made = SoftPasskey()
    assert add(client, made).status_code == 201
    return made


def test_a_passkey_lets_in_without_a_password(ann: User, passkey: SoftPasskey, browser: Client) -> None:
    answer = show(browser, passkey)
    assert answer.json() == {"next": "/images/"} and is_in(browser)
    assert browser.session[sessions.SECOND] is True
    assert SignInSession.objects.get(session_id=browser.session.session_key).method == "Passkey"
    assert Passkey.objects.get().last_used_at is not None


def test_it_is_a_second_factor_after_a_password(ann: User, passkey: SoftPasskey, browser: Client) -> None:
    assert sign_in(browser, next="/jobs/").url == "/login/second/"
    options = post(browser, "/login/passkey/options/").json()
    assert [one["id"] for one in options["publicKey"]["allowCredentials"]] == [Passkey.objects.get().credential_id]
    assert show(browser, passkey, flags=PRESENT).json() == {"next": "/jobs/"}
    assert is_in(browser)
    assert SignInSession.objects.get(session_id=browser.session.session_key).method == "Password and passkey"


def test_the_first_one_brings_recovery_codes_and_ends_other_sessions(ann: User, browser: Client) -> None:
    sign_in(browser)
    other = Client()
    sign_in(other)
    first = add(browser, SoftPasskey())
    assert len(first.json()["codes"]) == factors.RECOVERY_CODES
    assert is_in(browser) and not is_in(other)
    assert add(browser, SoftPasskey(), "key").json() == {"codes": []}
    assert factors.code_check(user=ann, code=first.json()["codes"][0])


def test_somebody_elses_passkey_is_no_second_factor(ann: User, passkey: SoftPasskey, browser: Client) -> None:
    mallory = Client()
    mallory.force_login(member("mallory", None, ""))
    theirs = SoftPasskey()
    assert add(mallory, theirs).status_code == 201
    sign_in(browser)
    assert show(browser, theirs).status_code == 403
    theirs.credential_id = passkey.credential_id  # under ann's name, signed by mallory's key
    assert show(browser, theirs).status_code == 403
    passkey.handle = theirs.handle
    assert show(browser, passkey).status_code == 403
    assert not is_in(browser)


def test_somebody_elses_passkey_confirms_nothing(ann: User, passkey: SoftPasskey) -> None:
    mallory = Client()
    mallory.force_login(member("mallory", None, ""))
    assert show(mallory, passkey, where="/settings/confirm/passkey/").status_code == 403


def test_an_answer_counts_once(ann: User, passkey: SoftPasskey, browser: Client) -> None:
    options = post(browser, "/login/passkey/options/").json()
    answer = {"answer": passkey.show(options, ORIGIN)}
    assert post(browser, "/login/passkey/", answer).status_code == 200
    other = Client()
    assert post(other, "/login/passkey/", answer).status_code == 403, "it was never asked there"
    post(other, "/login/passkey/options/")
    assert post(other, "/login/passkey/", answer).status_code == 403, "and this is another challenge"
    assert not is_in(other)


def test_a_copy_of_an_authenticator_is_noticed(ann: User, passkey: SoftPasskey, browser: Client) -> None:
    assert show(browser, passkey).status_code == 200
    passkey.count -= 1
    other = Client()
    assert show(other, passkey).status_code == 403
    assert not is_in(other)


@pytest.mark.parametrize(
    ("origin", "more"),
    [
        ("https://evil.example", {}),
        ("http://testserver.evil.example", {}),
        ("http://testserver:81", {}),
        ("https://testserver", {}),
        (ORIGIN, {"rp_id": "evil.example"}),
        (ORIGIN, {"flags": PRESENT}),
        (ORIGIN, {"flags": 0}),
    ],
)
def test_what_was_shown_to_another_site_or_by_nobody_lets_nobody_in(
    origin: str, more: dict[str, Any], ann: User, passkey: SoftPasskey, browser: Client
) -> None:
    assert show(browser, passkey, origin, **more).status_code == 403
    assert not is_in(browser)


def test_a_passkey_made_for_another_site_is_not_kept(ann: User, browser: Client) -> None:
    sign_in(browser)
    assert add(browser, SoftPasskey(), origin="https://evil.example").status_code == 400
    assert add(browser, SoftPasskey(), rp_id="evil.example").status_code == 400
    assert not Passkey.objects.exists()


def test_a_challenge_is_for_one_purpose_and_a_short_time(ann: User, passkey: SoftPasskey, browser: Client) -> None:
    options = post(browser, "/login/passkey/options/").json()
    sign_in(browser)  # from here on a second factor is what is asked for
    assert post(browser, "/login/passkey/", {"answer": passkey.show(options, ORIGIN)}).status_code == 403
    options = post(browser, "/login/passkey/options/").json()
    session = browser.session
    session[CEREMONY] = {**session[CEREMONY], "at": session[CEREMONY]["at"] - CEREMONY_SECONDS - 1}
    session.save()
    assert post(browser, "/login/passkey/", {"answer": passkey.show(options, ORIGIN)}).status_code == 403
    assert not is_in(browser)


def test_someone_locked_out_is_not_let_in_by_a_passkey(ann: User, passkey: SoftPasskey, browser: Client) -> None:
    User.objects.update(is_active=False)
    assert show(browser, passkey).status_code == 403
    assert not is_in(browser)


def test_one_passkey_is_not_registered_twice(ann: User, passkey: SoftPasskey) -> None:
    bob = Client()
    bob.force_login(member("bob", None, ""))
    assert add(bob, passkey).status_code == 400
    assert Passkey.objects.get().user == ann


def test_it_leads_to_no_other_site(ann: User, passkey: SoftPasskey, browser: Client) -> None:
    options = post(browser, "/login/passkey/options/").json()
    body = {"answer": passkey.show(options, ORIGIN), "next": "//evil.example/"}
    assert post(browser, "/login/passkey/", body).json() == {"next": "/"}


@pytest.mark.parametrize(
    "answer",
    [
        None,
        [],
        "x",
        {},
        {"id": 1},
        {"id": "x", "rawId": "x", "type": "public-key", "response": {}},
        {"id": "eA", "rawId": "eA", "type": "public-key", "response": {"clientDataJSON": "e30", "signature": "!"}},
        {"id": "eA", "rawId": "eA", "type": "x", "response": {"clientDataJSON": "bnVsbA", "authenticatorData": "AA"}},
        {"id": "eA", "rawId": "eA", "response": {"clientDataJSON": "_w", "authenticatorData": "AA", "signature": "AA"}},
        {"id": "eA", "rawId": "eA", "response": [1]},
        {"id": "eA", "rawId": "eA", "response": {"clientDataJSON": "e30", "attestationObject": "gYGB" * 5000}},
    ],
)
def test_what_is_no_answer_at_all_breaks_nothing(answer: Any, ann: User, browser: Client) -> None:
    post(browser, "/login/passkey/options/")
    assert post(browser, "/login/passkey/", {"answer": answer}).status_code in (400, 403)
    client = Client()
    client.force_login(ann)
    post(client, "/settings/passkeys/options/")
    assert post(client, "/settings/passkeys/add/", {"name": "x", "answer": answer}).status_code == 400
    assert client.post("/settings/passkeys/add/", b"{", content_type="application/json").status_code == 400


def test_a_name_is_needed_and_an_address_is_none(ann: User, browser: Client) -> None:
    sign_in(browser)
    for name in ("", " ", "x" * 81):
        assert add(browser, SoftPasskey(), name).json()["errors"].keys() == {"name"}
    assert b"Browsers make passkeys for a name" in browser.get("/settings/passkeys/").content
    assert b"data-passkey=" not in Client().get("/login/", HTTP_HOST="127.0.0.1:8000").content
    assert b"data-passkey=" in Client().get("/login/", HTTP_HOST="localhost:8000").content
    assert b"data-passkey=" in Client().get("/login/", HTTP_HOST="site.example", secure=True).content
    assert b"data-passkey=" not in Client().get("/login/", HTTP_HOST="[::1]", secure=True).content


def test_adding_one_asks_who_is_there_first(ann: User, browser: Client) -> None:
    sign_in(browser)
    session = browser.session
    session[sessions.CONFIRMED_AT] = 0
    session.save()
    for path in ("/settings/passkeys/options/", "/settings/passkeys/add/"):
        answer = post(browser, path)
        assert answer.status_code == 403 and "/settings/confirm/" in answer.json()["detail"]
    browser.post("/settings/confirm/", {"password": PASSWORD})
    assert add(browser, SoftPasskey()).status_code == 201


def test_it_is_removed_by_its_owner_and_the_last_one_stays_where_one_is_required(ann: User, browser: Client) -> None:
    sign_in(browser)
    add(browser, SoftPasskey())
    row = Passkey.objects.get()
    bob = Client()
    bob.force_login(member("bob", None, ""))
    assert bob.post("/settings/passkeys/", {"action": "remove", "id": str(row.pk)}).status_code == 422
    assert bob.post("/settings/passkeys/", {"action": "remove", "id": "x' OR 1=1"}).status_code == 422
    SignInSettings.objects.create(require_second_factor=True)
    answer = browser.post("/settings/passkeys/", {"action": "remove", "id": str(row.pk)})
    assert answer.status_code == 422 and b"add another one" in answer.content
    SignInSettings.objects.all().delete()
    browser.post("/settings/passkeys/", {"action": "remove", "id": str(row.pk)})
    assert factors.factors_of(ann) == factors.Factors(totp=False, passkeys=0, recovery_codes=0)


def test_it_is_renamed_by_its_owner_and_the_audit_log_hears_of_it(ann: User, browser: Client) -> None:
    sign_in(browser)
    add(browser, SoftPasskey())
    wish = {"action": "rename", "id": str(Passkey.objects.get().pk), "name": " old  laptop "}
    bob = Client()
    bob.force_login(member("bob", None, ""))
    assert bob.post("/settings/passkeys/", wish).status_code == 422
    answer = browser.post("/settings/passkeys/", {**wish, "name": " "})
    assert answer.status_code == 422 and b"1 to 80 characters" in answer.content
    assert browser.post("/settings/passkeys/", {**wish, "action": "burn"}).status_code == 422
    assert Passkey.objects.get().name == "laptop"
    assert browser.post("/settings/passkeys/", wish).url == "/settings/passkeys/"
    entry = AuditEntry.objects.get(action="passkey.update")
    assert (entry.actor_name, entry.before, entry.after) == ("ann", {"name": "laptop"}, {"name": "old laptop"})


def test_adding_one_ends_the_holding_back(ann: User, browser: Client) -> None:
    SignInSettings.objects.create(require_second_factor=True)
    sign_in(browser)
    assert browser.get("/settings/sessions/").url == "/settings/second-factor/"
    assert add(browser, SoftPasskey()).status_code == 201
    assert browser.get("/settings/sessions/").status_code == 200
    assert browser.get("/api/v1/teams/").status_code == 200
