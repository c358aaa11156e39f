"""The page of all that happens: what was, what comes, filters, and nothing of it read as markup."""

from __future__ import annotations

from typing import Any

import pytest
from playwright.sync_api import Page, expect

from tests.support.browser import visit
from tests.webui.pages.seed import NASTY, Seeded, hex_id
from tests.webui.pages.sockets import Sockets
from webui.activity.models import Event

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


def told(number: int, action: str, **attributes: str) -> dict[str, Any]:
    return {
        "id": number,
        "type": "container",
        "action": action,
        "actor": {"id": hex_id("web"), "attributes": {"name": "web", "image": "nginx", **attributes}},
        "container": hex_id("web"),
        "at": "2026-01-31T12:00:00.000000Z",
        "host": {"id": "h", "name": "pier"},
        "team": {"id": "t", "name": "Harbour"},
        "seq": number,
    }


def test_what_comes_is_put_on_top_once(page: Page, sockets: Sockets, seeded: Seeded, problems: list[str]) -> None:
    last = Event.objects.order_by("-id").values_list("id", flat=True)[0]
    visit(page, "/activity/")
    rows = page.locator(".activity-row")
    expect(rows.first).to_contain_text("destroy")
    expect(rows.last).to_contain_text("pull")
    sockets.activity.wait()
    assert sockets.activity.query() == {"after": str(last)}
    before = rows.count()
    for event in (told(last + 1, "start"), told(last + 1, "start"), told(last + 2, "die", exitCode="3", error=NASTY)):
        sockets.activity.send(type="event", event=event)
    expect(rows).to_have_count(before + 2)
    expect(rows.first).to_contain_text("code 3")
    expect(rows.first).to_have_attribute("data-tone", "bad")
    sockets.activity.drop()
    sockets.activity.wait(2)
    assert sockets.activity.query() == {"after": str(last + 2)}
    assert page.title() != "1" and not [one for one in problems if "WebSocket" not in one]


def test_a_filter_without_a_match_says_so_and_fills_by_itself(page: Page, sockets: Sockets, seeded: Seeded) -> None:
    visit(page, "/activity/?event=never&type=container")
    expect(page.get_by_role("heading", name="Nothing like it")).to_be_visible()
    sockets.activity.wait()
    asked = sockets.activity.query()
    assert (asked["event"], asked["type"]) == ("never", "container")
    sockets.activity.send(type="event", event=told(10**6, "never"))
    expect(page.locator(".activity-row")).to_have_count(1)
    expect(page.get_by_role("heading", name="Nothing like it")).to_be_hidden()
