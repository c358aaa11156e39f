"""Code generators and recovery codes: what they let in, once, and what guessing costs."""

from __future__ import annotations

import time
from typing import Any

import pytest
from django.contrib.sessions.backends.db import SessionStore
from django.core.management import CommandError, call_command
from django.test import Client, RequestFactory

from engine.errors import ResourceExhausted
from tests.webui.cast import Caller
from tests.webui.signin.conftest import PASSWORD, is_in, sign_in
from webui.accounts.models import SignInFailures, User
from webui.accounts.throttle import FREE_FAILURES
from webui.audit.models import AuditEntry
from webui.signin import entering, factors, totp
from webui.signin.entering import WAITING_SECONDS
from webui.signin.models import RecoveryCode, SignInSession, SignInSettings, Totp

pytestmark = pytest.mark.django_db

NOW = 1_800_000_000.0


@pytest.fixture(autouse=True)
def clock(monkeypatch: pytest.MonkeyPatch) -> dict[str, float]:
    """A clock that stands still for the codes: theirs is a world of 30 seconds, and the machine may be slow."""
    at = {"now": NOW}
    monkeypatch.setattr(factors, "_now", lambda: at["now"])
    return at


@pytest.fixture
def secret(ann: User) -> str:
    """Ann's generator, set up a while ago."""
    key = factors.totp_begin(user=ann)
    factors.totp_confirm(user=ann, code=totp.code_at(key, int(NOW // 30) - 1))
    return key


def code(key: str, steps: int = 0) -> str:
    return totp.code_at(key, int(NOW // 30) + steps)


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [(59, "287082"), (1111111109, "081804"), (1111111111, "050471"), (1234567890, "005924"), (20000000000, "353130")],
)
def test_codes_are_those_of_the_rfc(seconds: int, expected: str) -> None:
    """RFC 6238, appendix B, SHA-1, the last six of its eight digits."""
    assert totp.code_at("GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ", seconds // 30) == expected


@pytest.mark.parametrize(("steps", "is_taken"), [(-2, False), (-1, True), (0, True), (1, True), (2, False)])
def test_a_clock_may_be_off_by_half_a_minute(steps: int, is_taken: bool) -> None:
    key = totp.new_secret()
    assert (totp.matching_step(key, code(key, steps), NOW, after=0) is not None) is is_taken


@pytest.mark.parametrize("typed", ["", "12345", "1234567", "abcdef", "\uff11\uff12\uff13\uff14\uff15\uff16", "-12345"])
def test_what_is_no_code_is_none(typed: str) -> None:
    assert totp.matching_step(totp.new_secret(), typed, NOW, after=0) is None


def test_a_password_alone_is_only_half_the_way(browser: Client, ann: User, secret: str) -> None:
    answer = sign_in(browser, next="/images/")
    assert (answer.status_code, answer.url) == (302, "/login/second/")
    assert not is_in(browser)
    assert browser.get("/containers/").status_code == 302
    assert browser.get("/api/v1/containers/").status_code in (401, 403)
    assert browser.post("/login/second/", {"code": "000000"}).status_code == 422
    assert not is_in(browser)
    answer = browser.post("/login/second/", {"code": f" {code(secret)[:3]} {code(secret)[3:]}"})
    assert (answer.status_code, answer.url) == (302, "/images/")
    assert is_in(browser)
    assert SignInSession.objects.get().method == "Password and code generator"


def test_the_list_of_sessions_says_that_it_was_a_recovery_code(browser: Client, ann: User, secret: str) -> None:
    sign_in(browser)
    browser.post("/login/second/", {"code": factors.recovery_codes_renew(user=ann)[0]})
    assert "Password and recovery code" in browser.get("/settings/sessions/").content.decode()


def test_a_long_name_of_a_provider_leaves_room_for_it(rf: RequestFactory, ann: User) -> None:
    request = rf.get("/")
    request.session = SessionStore()
    request.session[entering.WAITING] = {"method": "Company" * 20}
    entering.enter_waiting(request, ann, second=factors.RECOVERY_CODE)
    method = SignInSession.objects.get().method
    assert len(method) == 80 and method.endswith("Compan and recovery code"), method


def test_without_a_password_there_is_no_second_step(browser: Client, ann: User, secret: str) -> None:
    assert browser.get("/login/second/").url == "/login/"
    assert browser.post("/login/second/", {"code": code(secret)}).url == "/login/"
    assert not is_in(browser)


def test_a_code_is_taken_once(ann: User, secret: str, browser: Client) -> None:
    sign_in(browser)
    browser.post("/login/second/", {"code": code(secret)})
    other = Client()
    sign_in(other)
    assert other.post("/login/second/", {"code": code(secret)}).status_code == 422
    assert other.post("/login/second/", {"code": code(secret, -1)}).status_code == 422, "older ones are void as well"
    assert not is_in(other)


def test_guessing_codes_is_slowed_down_whoever_and_wherever_it_comes_from(ann: User, secret: str) -> None:
    for number in range(FREE_FAILURES):
        client = Client(REMOTE_ADDR=f"192.0.2.{number}")
        sign_in(client)
        assert client.post("/login/second/", {"code": "000000"}).status_code == 422
    client = Client(REMOTE_ADDR="198.51.100.1")
    sign_in(client)
    answer = client.post("/login/second/", {"code": code(secret)})
    assert answer.status_code == 429 and b"wait" in answer.content
    assert not is_in(client)
    SignInFailures.objects.all().delete()
    assert client.post("/login/second/", {"code": code(secret)}).status_code == 302


def test_recovery_codes_let_in_once_each(ann: User, secret: str) -> None:
    codes = factors.recovery_codes_renew(user=ann)
    assert len(set(codes)) == factors.RECOVERY_CODES
    assert not RecoveryCode.objects.filter(digest__in=codes).exists()
    assert factors.code_check(user=ann, code=codes[0].upper().replace("-", " "))
    assert not factors.code_check(user=ann, code=codes[0])
    assert factors.factors_of(ann).recovery_codes == factors.RECOVERY_CODES - 1


def test_recovery_codes_of_others_and_old_ones_are_worth_nothing(ann: User, secret: str) -> None:
    bob = User.objects.create(username="bob")
    old = factors.recovery_codes_renew(user=ann)
    factors.recovery_codes_renew(user=ann)
    theirs = factors.recovery_codes_renew(user=bob)
    assert not factors.code_check(user=ann, code=old[0])
    assert not factors.code_check(user=ann, code=theirs[0])


def test_guessing_recovery_codes_is_slowed_down_too(ann: User, secret: str) -> None:
    codes = factors.recovery_codes_renew(user=ann)
    for _ in range(FREE_FAILURES):
        assert not factors.code_check(user=ann, code="aaaa-aaaa-aaaa")
    with pytest.raises(ResourceExhausted, match="wait"):
        factors.code_check(user=ann, code=codes[0])
    assert factors.factors_of(ann).recovery_codes == factors.RECOVERY_CODES


def test_the_way_to_a_generator_by_the_page(browser: Client, ann: User) -> None:
    sign_in(browser)
    other = Client()
    sign_in(other)
    page = browser.post("/settings/second-factor/", {"action": "begin"}).content.decode()
    key = factors.totp_begin(user=ann)
    assert "<svg" in page and key[:4] in page and "style=" not in page
    assert key not in Totp.objects.get().sealed_secret
    assert not factors.factors_of(ann).totp, "it counts only once it has shown that it works"
    assert browser.post("/settings/second-factor/", {"action": "confirm", "code": "000000"}).status_code == 422
    page = browser.post("/settings/second-factor/", {"action": "confirm", "code": code(key)}).content.decode()
    assert page.count("<li><code>") == factors.RECOVERY_CODES
    assert factors.factors_of(ann).totp and is_in(browser)
    assert browser.get("/settings/").status_code == 200
    assert other.get("/settings/").status_code == 302, "who was in before without it is not any more"
    assert browser.post("/settings/second-factor/", {"action": "begin"}).status_code == 422, "it isn't overwritten"
    browser.post("/settings/second-factor/", {"action": "remove"})
    assert not Totp.objects.exists() and not RecoveryCode.objects.exists()


def test_a_generator_ends_the_holding_back_and_the_page_says_so(browser: Client, ann: User) -> None:
    SignInSettings.objects.create(require_second_factor=True)
    sign_in(browser)
    held = browser.post("/settings/second-factor/", {"action": "begin"}).content
    key = factors.totp_begin(user=ann)
    free = browser.post("/settings/second-factor/", {"action": "confirm", "code": code(key)}).content
    assert (b"A second factor is required." in held, b"A second factor is required." in free) == (True, False)


def test_a_generator_is_not_removed_by_who_found_an_open_session(browser: Client, ann: User, secret: str) -> None:
    sign_in(browser)
    browser.post("/login/second/", {"code": code(secret)})
    session = browser.session
    session["signin_confirmed_at"] = time.time() - 3600
    session.save()
    for action in ("remove", "codes"):
        answer = browser.post("/settings/second-factor/", {"action": action})
        assert answer.url == "/settings/confirm/?next=%2Fsettings%2Fsecond-factor%2F"
    assert Totp.objects.exists()
    assert browser.post("/api/v1/tokens/", {"name": "x"}, content_type="application/json").status_code == 403
    assert browser.post("/settings/confirm/", {"password": "wrong", "next": "/"}).status_code == 422
    assert browser.post("/settings/confirm/", {"password": PASSWORD, "next": "https://evil.example/"}).url == "/"
    browser.post("/settings/second-factor/", {"action": "remove"})
    assert not Totp.objects.exists()


def test_waiting_for_the_second_factor_ends(
    browser: Client, ann: User, secret: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    sign_in(browser)
    session = browser.session
    session["signin_waiting"] = {**session["signin_waiting"], "at": time.time() - WAITING_SECONDS - 1}
    session.save()
    assert browser.post("/login/second/", {"code": code(secret)}).url == "/login/"


def test_a_password_that_was_changed_meanwhile_ends_the_waiting(browser: Client, ann: User, secret: str) -> None:
    sign_in(browser)
    ann.set_password("another good password")
    ann.save()
    assert browser.post("/login/second/", {"code": code(secret)}).url == "/login/"
    assert not is_in(browser)


def test_someone_locked_out_meanwhile_is_not_let_in(browser: Client, ann: User, secret: str) -> None:
    sign_in(browser)
    User.objects.update(is_active=False)
    assert browser.post("/login/second/", {"code": code(secret)}).url == "/login/"


def test_an_administrator_resets_it_from_the_command_line(
    browser: Client, ann: User, secret: str, capsys: pytest.CaptureFixture[str]
) -> None:
    sign_in(browser)
    browser.post("/login/second/", {"code": code(secret)})
    SignInSettings.objects.create(require_second_factor=True)
    call_command("resetsignin", "ann", "--password", "--not-required")
    one_time = capsys.readouterr().out.strip()
    assert not factors.factors_of(ann).is_second_there
    assert not is_in(browser) and not SignInSession.objects.exists()
    assert not SignInSettings.objects.get().require_second_factor
    noted = AuditEntry.objects.get(action="sign_in_policy.update")
    assert (noted.before, noted.after) == ({"require_second_factor": True}, {"require_second_factor": False})
    assert sign_in(browser, password=one_time).status_code == 302
    assert browser.get("/settings/").url == "/password/"
    with pytest.raises(CommandError, match="no user"):
        call_command("resetsignin", "nobody")


def test_an_administrator_resets_it_over_rest_and_nobody_else(ann: User, secret: str, owner: Caller) -> None:
    path = f"users/{ann.pk}/second-factor/"
    assert owner.delete(path).status_code in (403, 404)
    assert factors.factors_of(ann).totp
    User.objects.filter(username="owner").update(is_superuser=True)
    assert owner.delete(path).status_code == 204
    assert not factors.factors_of(ann).is_second_there
    assert AuditEntry.objects.filter(action="second_factor.reset", object_name="ann", actor_name="owner").exists()


def test_neither_secrets_nor_codes_reach_the_log(
    browser: Client, ann: User, secret: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("DEBUG")
    caplog.clear()
    sign_in(browser, password="wrong but mine")
    sign_in(browser)
    browser.post("/login/second/", {"code": "424242"})
    browser.post("/login/second/", {"code": code(secret)})
    said: Any = caplog.text
    for hidden in (PASSWORD, "wrong but mine", "424242", code(secret), secret):
        assert hidden not in said
