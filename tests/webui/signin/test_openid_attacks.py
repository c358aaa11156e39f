"""Signing in at an identity provider that attacks, or with answers that were not meant for this browser."""

from __future__ import annotations

import secrets
import time
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from django.test import Client

from tests.support.dripping import dripping
from tests.support.openid_provider import OTHER_KEY, Provider
from tests.webui.signin.conftest import is_in
from tests.webui.signin.going import SECRET, add, back, go
from webui.accounts.models import User
from webui.signin import sessions
from webui.signin.models import Identity, IdentityProvider
from webui.signin.openid import flow, metadata
from webui.signin.openid.providers import secret_of

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize(
    "claims",
    [
        {"nonce": "of another sign-in"},
        {"nonce": None},
        {"iss": "https://another.example"},
        {"aud": "another application"},
        {"aud": ["portside", "another application"]},
        {"aud": ["portside", "another application"], "azp": "another application"},
        {"azp": "another application"},
        {"exp": 1_000_000_000},
        {"exp": None},
        {"iat": None},
        {"sub": None},
        {"sub": ""},
        {"nbf": 4_000_000_000},
    ],
)
def test_an_id_token_that_is_not_for_us_lets_nobody_in(
    claims: dict[str, Any], provider: IdentityProvider, evil: Provider, browser: Client
) -> None:
    evil.claims = claims
    assert back(browser, evil).status_code == 403
    assert not is_in(browser) and not Identity.objects.exists()


def test_signatures_of_others_are_none(provider: IdentityProvider, evil: Provider, browser: Client) -> None:
    evil.key = OTHER_KEY
    assert back(browser, evil).status_code == 403
    evil.key_id = "two"
    assert back(browser, evil).status_code == 403
    assert not is_in(browser)


@pytest.mark.parametrize("algorithm", ["RS512", "PS256"])
def test_a_key_that_names_no_algorithm_serves_those_of_its_provider(
    algorithm: str, provider: IdentityProvider, evil: Provider, browser: Client
) -> None:
    evil.algorithm = algorithm
    assert back(browser, evil).status_code == 403, "the provider's document knows of RS256 alone"
    evil.metadata = {"id_token_signing_alg_values_supported": ["RS256", algorithm]}
    metadata.forget(evil.issuer)
    evil.claims = {}
    assert back(browser, evil).url == "/" and is_in(browser)


def test_a_signature_of_another_kind_than_the_key_is_refused(
    provider: IdentityProvider, evil: Provider, browser: Client
) -> None:
    evil.metadata = {"id_token_signing_alg_values_supported": ["RS256", "ES256"]}
    metadata.forget(evil.issuer)
    evil.key, evil.algorithm = ec.generate_private_key(ec.SECP256R1()), "ES256"
    assert back(browser, evil).status_code == 403 and not is_in(browser)


@pytest.mark.parametrize("algorithm", ["none", "HS256"])
def test_what_anybody_could_sign_is_not_signed(
    algorithm: str, provider: IdentityProvider, evil: Provider, browser: Client
) -> None:
    """Even if the provider's own document allows it."""
    evil.metadata = {"id_token_signing_alg_values_supported": ["RS256", "HS256", "none"]}
    metadata.forget(evil.issuer)
    sent = go(browser)
    now = int(time.time())
    claims = {
        "iss": evil.issuer,
        "aud": "portside",
        "sub": "u-1",
        "iat": now,
        "exp": now + 300,
        "nonce": sent["nonce"],
    }
    key = None if algorithm == "none" else SECRET * 2
    evil.id_token = jwt.encode(claims, key, algorithm=algorithm, headers={"kid": "one"})  # type: ignore[arg-type]
    answer = browser.get("/login/with/company/callback/", {"state": sent["state"], "code": "c"})
    assert answer.status_code == 403 and not is_in(browser)


def test_an_answer_that_nobody_asked_for_is_refused(
    provider: IdentityProvider, evil: Provider, browser: Client
) -> None:
    for state in ("", "guessed"):
        assert browser.get("/login/with/company/callback/", {"state": state, "code": "c"}).status_code == 403
    sent = go(browser)
    evil.claims = {"nonce": sent["nonce"]}
    victim = Client()
    victim.get("/login/")
    stolen = victim.get("/login/with/company/callback/", {"state": sent["state"], "code": "c"})
    assert stolen.status_code == 403 and not is_in(victim), "another browser's sign-in can't be slipped in"
    assert evil.forms == [], "and the code stays with us"


def test_a_sign_in_takes_no_longer_than_a_quarter_of_an_hour(
    provider: IdentityProvider, evil: Provider, browser: Client
) -> None:
    sent = go(browser)
    session = browser.session
    note = session[flow.UNDER_WAY][sent["state"]]
    session[flow.UNDER_WAY] = {sent["state"]: {**note, "at": time.time() - flow.UNDER_WAY_SECONDS - 1}}
    session.save()
    assert browser.get("/login/with/company/callback/", {"state": sent["state"], "code": "c"}).status_code == 403


def test_two_providers_are_not_mixed_up(
    provider: IdentityProvider, evil: Provider, admin: User, browser: Client
) -> None:
    other = Provider()
    try:
        add(admin, other.issuer, name="Partner")
        sent = go(browser, "company")
        answer = browser.get("/login/with/partner/callback/", {"state": sent["state"], "code": "c"})
        assert answer.status_code == 403 and other.forms == []
        sent = go(browser, "company")
        query = {"state": sent["state"], "code": "c", "iss": other.issuer}
        assert browser.get("/login/with/company/callback/", query).status_code == 403
        evil.metadata = {"authorization_response_iss_parameter_supported": True}
        metadata.forget(evil.issuer)
        assert back(browser, evil).status_code == 403, "who says that it names itself has to"
        evil.claims = {}
        assert back(browser, evil, iss=evil.issuer).url == "/"
        mallory = Client()
        assert back(mallory, other, "partner").url == "/"
        assert User.objects.filter(username__startswith="carol").count() == 2, "the same subject elsewhere is another"
    finally:
        other.close()


def test_userinfo_about_somebody_else_is_refused(provider: IdentityProvider, evil: Provider, browser: Client) -> None:
    evil.claims = {"groups": None}
    evil.userinfo = {"sub": "u-2", "groups": ["admins"]}
    assert back(browser, evil).status_code == 403 and not is_in(browser)


def test_confirming_at_the_provider_needs_a_sign_in_of_now_and_ones_own(
    provider: IdentityProvider, evil: Provider, browser: Client
) -> None:
    back(browser, evil)
    session = browser.session
    session[sessions.CONFIRMED_AT] = 0
    session.save()

    def confirmed(**claims: Any) -> bool:
        sent = go(browser, **{"for": "confirm"})
        assert (sent["prompt"], sent["max_age"]) == ("login", "0")
        evil.claims = {"nonce": sent["nonce"], **claims}
        answer = browser.get("/login/with/company/callback/", {"state": sent["state"], "code": "c"})
        assert answer.status_code == 302 or b"sign out and in again" in answer.content or "sub" in claims
        return sessions.is_confirmed(browser.session)

    page = browser.get("/settings/confirm/").content.decode()
    assert "Confirm with Company" in page and "/logout/" in page, "the provider may not say what is needed"
    assert not confirmed()
    assert not confirmed(auth_time=int(time.time()) - 3600)
    assert not confirmed(auth_time=int(time.time()), sub="u-2")
    assert confirmed(auth_time=int(time.time()))


@pytest.mark.parametrize("beginning", [b"HTTP/1.1 200 OK\r\nX-Slow: ", b"HTTP/1.1 200 OK\r\n\r\n{"])
def test_a_provider_that_drips_holds_nobody_up(
    beginning: bytes, provider: IdentityProvider, browser: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(metadata, "WHOLE_SECONDS", 0.4)
    with dripping(beginning, b" ") as place:
        IdentityProvider.objects.update(issuer=f"http://{place}")
        began = time.monotonic()
        answer = browser.get("/login/with/company/")
        assert time.monotonic() - began < 5
    assert answer.status_code == 403 and b"the identity provider 127.0.0.1" in answer.content


def test_it_leads_to_no_other_site_and_is_begun_by_none(provider: IdentityProvider, evil: Provider) -> None:
    for next_url in ("https://evil.example/", "//evil.example", "/\\evil.example"):
        client = Client()
        sent = go(client, next=next_url)
        evil.claims = {"nonce": sent["nonce"]}
        answer = client.get("/login/with/company/callback/", {"state": sent["state"], "code": "c"})
        assert answer.url == "/"
    client = Client(HTTP_SEC_FETCH_SITE="cross-site")
    assert client.get("/login/with/company/").url == "/login/"


def test_what_was_planted_in_the_session_does_not_come_along(
    provider: IdentityProvider, evil: Provider, browser: Client
) -> None:
    browser.get("/login/")
    planted = browser.session
    planted["planted"] = "x"
    planted.save()
    key = planted.session_key
    browser.cookies["sessionid"] = key
    back(browser, evil)
    assert is_in(browser) and browser.session.session_key != key and "planted" not in browser.session


def test_secrets_and_codes_reach_neither_log_nor_page_nor_table(
    provider: IdentityProvider, evil: Provider, admin: User, browser: Client, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("DEBUG", logger="webui")
    assert SECRET not in provider.sealed_secret and secret_of(provider) == SECRET
    code = secrets.token_urlsafe(16)
    evil.refusal = {"error": "invalid_grant", "error_description": f"{code} of {SECRET} is not known"}
    page = back(browser, evil, code=code)
    assert page.status_code == 403 and evil.forms[0]["code"] == code
    browser.force_login(admin)
    shown = (
        browser.get("/settings/sign-in/").content.decode() + browser.get("/api/v1/identity-providers/").content.decode()
    )
    assert "Company" in shown and SECRET not in shown
    for hidden in (SECRET, code):
        assert hidden not in page.content.decode() and hidden not in caplog.text
