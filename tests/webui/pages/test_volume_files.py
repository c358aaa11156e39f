"""The browser of a volume's files: order, what a role may, and hosts that don't answer."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page, expect

from tests.support.browser import visit
from tests.webui.pages.seed import Seeded
from tests.webui.pages.sockets import Sockets
from webui.accounts.models import Membership, Role, User

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


def test_the_list_is_put_in_order_and_walked(page: Page, sockets: Sockets, seeded: Seeded, problems: list[str]) -> None:
    path = f"/volumes/{seeded.volumes[0].pk}/"
    visit(page, path)
    rows = page.locator("tr[data-path]")
    expect(rows).to_have_count(5)
    expect(rows.first).to_contain_text("rwxrwxrwt")
    page.get_by_role("button", name="Size").click()
    expect(page.locator('[data-sort="size"]')).to_have_attribute("aria-sort", "ascending")
    page.get_by_role("button", name="Size").click()
    expect(page.locator('[data-sort="size"]')).to_have_attribute("aria-sort", "descending")
    assert [(asked["sort"], asked["order"]) for asked in sockets.host_files.asked] == [
        ("name", "asc"), ("size", "asc"), ("size", "desc"),
    ]  # fmt: skip
    rows.first.focus()
    for key, wanted in (("ArrowDown", 1), ("End", 4), ("ArrowUp", 3), ("Home", 0)):
        page.keyboard.press(key)
        expect(rows.nth(wanted)).to_be_focused()
    page.keyboard.press(" ")
    expect(page.locator("[data-bulk-count]")).to_have_text("1 chosen")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="An empty folder")).to_be_visible()
    expect(page.locator("[data-crumbs]")).to_have_text("site-dataconf.d")
    page.go_back()
    expect(rows).to_have_count(5)
    assert problems == []


def test_a_host_that_does_not_answer_is_named_and_asked_again(
    page: Page, sockets: Sockets, seeded: Seeded, problems: list[str]
) -> None:
    sockets.host_files.answer = (503, {"detail": "the host pier does not answer", "family": "unavailable"})
    visit(page, f"/volumes/{seeded.volumes[0].pk}/")
    expect(page.get_by_role("heading", name="Its host can't be asked now")).to_be_visible()
    expect(page.locator("[data-trouble-text]")).to_have_text("the host pier does not answer")
    sockets.host_files.answer = None
    page.get_by_role("button", name="Try again").click()
    expect(page.locator("tr[data-path]")).to_have_count(5)


def test_a_viewer_sees_names_and_nothing_to_change_them_with(page: Page, sockets: Sockets, seeded: Seeded) -> None:
    admin = seeded.admin
    User.objects.filter(pk=admin.pk).update(is_superuser=False)
    Membership.objects.filter(user=admin).update(role=Role.VIEWER)
    visit(page, f"/volumes/{seeded.volumes[0].pk}/")
    expect(page.locator("[data-note]")).to_contain_text("5 entries. Your role shows names alone")
    expect(page.get_by_role("button", name="Upload")).to_have_count(0)
    expect(page.locator("tr[data-path] summary")).to_have_count(0)
    page.locator("tr[data-path]").nth(1).focus()
    page.keyboard.press("Delete")
    page.keyboard.press("Enter")
    expect(page.locator("#toasts")).to_contain_text("Your role shows names alone")
    expect(page.locator("#confirm-dialog")).to_be_hidden()
