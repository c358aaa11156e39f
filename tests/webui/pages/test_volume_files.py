"""The browser of a volume's files: order, what a role may, and hosts that don't answer."""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import unquote

import pytest
from playwright.sync_api import Page, Route, expect

from tests.support.browser import visit
from tests.webui.pages.played_files import ENTRIES
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


def test_all_in_a_folder_gets_another_owner_once_that_is_confirmed(
    page: Page, sockets: Sockets, seeded: Seeded, problems: list[str]
) -> None:
    sent: list[Any] = []

    def owned(route: Route) -> None:
        if route.request.method != "PATCH":
            route.fallback()
            return
        sent.append((unquote(route.request.url.partition("path=")[2]), route.request.post_data_json))
        route.fulfill(json=ENTRIES[0])

    page.route(re.compile(r".*/api/v1/volumes/\d+/files/\?path=.*"), owned)
    visit(page, f"/volumes/{seeded.volumes[0].pk}/")
    dialog, confirm = page.locator("#file-own-dialog"), page.locator("#confirm-dialog")
    everything = dialog.get_by_label("The same owner and group for all that is in it")

    def ask(row: int) -> None:
        page.locator("tr[data-path]").nth(row).locator("summary").click()
        page.get_by_role("button", name="Owner and mode").click()

    ask(4)
    expect(everything).to_be_hidden()
    dialog.get_by_role("button", name="Cancel").click()
    ask(0)
    everything.check()
    dialog.get_by_label("User id").fill("1000")
    dialog.get_by_role("button", name="Apply").click()
    expect(confirm.get_by_role("heading")).to_have_text("Give all in conf.d to 1000:33?")
    confirm.get_by_role("button", name="Cancel").click()
    expect(dialog).to_be_visible()
    assert sent == []
    dialog.get_by_role("button", name="Apply").click()
    confirm.get_by_role("button", name="Change owners").click()
    expect(dialog).to_be_hidden()
    assert sent == [("/conf.d", {"uid": 1000, "gid": 33, "recursive": True})]
    ask(0)
    expect(everything).not_to_be_checked()
    assert problems == []


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
