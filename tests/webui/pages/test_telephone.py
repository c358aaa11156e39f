"""Pages on a telephone: nothing that somebody needs is cut off."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page, expect

from tests.support.browser import visit
from tests.webui.pages.sockets import Sockets

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


def test_what_a_host_is_made_of_is_told_whole(page: Page, sockets: Sockets) -> None:
    page.set_viewport_size({"width": 390, "height": 844})
    visit(page, "/")
    line = page.locator(".host .under", has_text="kernel").first
    expect(line).to_be_visible()
    assert line.evaluate("(line) => line.scrollWidth <= line.clientWidth")


def test_the_name_of_a_job_is_told_whole(page: Page, sockets: Sockets) -> None:
    page.set_viewport_size({"width": 390, "height": 844})
    visit(page, "/jobs/")
    names = page.locator(".table-jobs .name")
    expect(names.first).to_be_visible()
    assert names.evaluate_all("(all) => all.filter((one) => one.scrollWidth > one.clientWidth).length") == 0


def test_the_role_in_a_team_is_one_word(page: Page, sockets: Sockets) -> None:
    page.set_viewport_size({"width": 390, "height": 844})
    visit(page, "/teams/")
    role = page.locator("main tbody td:nth-child(2)", has_text="Maintainer").first
    expect(role).to_be_visible()
    lines = "(cell) => { const all = new Range(); all.selectNodeContents(cell); return all.getClientRects().length; }"
    assert role.evaluate(lines) == 1


@pytest.mark.parametrize("width", [390, 1440])
def test_the_list_of_keys_names_each_place_beside_its_key(page: Page, sockets: Sockets, width: int) -> None:
    page.set_viewport_size({"width": width, "height": 844})
    visit(page, "/")
    page.keyboard.press("?")
    places = page.locator("#keys-dialog .keys-places > span")
    expect(places.first).to_be_visible()
    assert places.all_inner_texts()[:3] == ["o Overview", "c Containers", "i Images"]
    assert places.evaluate_all("(all) => all.filter((one) => one.scrollWidth > one.clientWidth).length") == 0
