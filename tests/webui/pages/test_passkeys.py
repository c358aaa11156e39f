"""Passkeys in a real browser, with its own virtual authenticator (WebAuthn, section 11.2) in the place of a finger."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.auth.hashers import make_password
from playwright.sync_api import Page, expect

from tests.support.browser import visit
from tests.webui.pages.seed import Seeded
from tests.webui.pages.sockets import Sockets
from webui.accounts.models import User
from webui.signin.models import Passkey

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

AUTHENTICATOR = {
    "protocol": "ctap2",
    "transport": "internal",
    "hasResidentKey": True,
    "hasUserVerification": True,
    "isUserVerified": True,
    "automaticPresenceSimulation": True,
}
PASSWORD = "tangerine otter seventeen"


def test_a_passkey_is_made_and_lets_in_alone_and_after_a_password(
    page: Page, sockets: Sockets, seeded: Seeded, problems: list[str], settings: Any
) -> None:
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
    devtools = page.context.new_cdp_session(page)
    devtools.send("WebAuthn.enable")
    devtools.send("WebAuthn.addVirtualAuthenticator", {"options": AUTHENTICATOR})
    visit(page, "/settings/passkeys/")
    page.get_by_label("Name of the new passkey").fill("laptop")
    page.get_by_role("button", name="Add passkey").click()
    expect(page.locator("[data-recovery-list] li")).to_have_count(10)
    expect(page.get_by_role("link", name="I have them")).to_be_visible()
    visit(page, "/settings/passkeys/")
    expect(page.get_by_role("cell", name="laptop", exact=True)).to_be_visible()
    assert Passkey.objects.get().user == seeded.admin
    page.get_by_role("button", name="Rename laptop").click()
    page.get_by_role("dialog").get_by_label("Name").fill("old laptop")
    page.get_by_role("dialog").get_by_role("button", name="Save").click()
    expect(page.get_by_role("cell", name="old laptop", exact=True)).to_be_visible()
    page.wait_for_load_state("load")  # it is a new page, and its scripts listen from now on
    page.get_by_label("Name of the new passkey").fill("the same device again")
    page.get_by_role("button", name="Add passkey").click()
    expect(page.locator("[data-problem]")).to_contain_text("has a passkey for you already")
    sign_out(page)
    page.get_by_role("button", name="Sign in with a passkey").click()
    page.wait_for_url(lambda url: url.rstrip("/").count("/") == 2)
    sign_out(page)
    User.objects.filter(pk=seeded.admin.pk).update(password=make_password(PASSWORD))
    page.get_by_label("User name").fill(seeded.admin.username)
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in", exact=True).click()
    page.wait_for_url("**/login/second/")
    page.get_by_role("button", name="Use a passkey").click()
    page.wait_for_url(lambda url: url.rstrip("/").count("/") == 2)
    assert problems == []


def sign_out(page: Page) -> None:
    page.get_by_role("button", name="Sign out").click()
    page.wait_for_url("**/login/")
