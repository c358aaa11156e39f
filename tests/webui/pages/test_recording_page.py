"""A recorded terminal in the page: it plays, stops, and shows any moment."""

from __future__ import annotations

import json
import shlex
from datetime import timedelta
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.support.browser import visit
from tests.webui.pages.seed import Seeded, hex_id
from tests.webui.pages.sockets import Sockets
from webui.pages.words import TERMINAL
from webui.recordings.models import Recording

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

CAST = """{"version": 2, "width": 60, "height": 10, "timestamp": 1764100000, "title": "ann in web"}
[0.1, "o", "first words\\r\\n"]
[0.2, "r", "70x12"]
[3000.0, "o", "\\u001b[31mlater\\u001b[0m <b>words</b>\\r\\n"]
[3001.0, "o", "torn"""


def test_the_pages_know_the_command_of_their_own_terminals() -> None:
    script = Path(__file__).parents[3] / "static/js/terminal/panel.js"
    (line,) = (line for line in script.read_text().splitlines() if line.startswith("const SHELL = "))
    assert shlex.join(json.loads(line.removeprefix("const SHELL = ").rstrip(";"))) in TERMINAL


def test_a_recording_is_played_and_any_moment_of_it_shown(
    page: Page, sockets: Sockets, seeded: Seeded, problems: list[str]
) -> None:
    recording = Recording.objects.create(
        team=seeded.hosts[0].team, username="ann", session="s", source="exec", command=next(iter(TERMINAL)),
        container_id=hex_id("web"), container_name="web",
    )  # fmt: skip
    recording.path.parent.mkdir(parents=True, exist_ok=True)
    recording.path.write_text(CAST)
    try:
        visit(page, f"/recordings/?container={hex_id('web')}")
        assert "'if command" not in page.locator("main").inner_text()
        page.get_by_role("link", name="web", exact=True).click()
        rows = page.locator(".xterm-rows")
        expect(rows).to_contain_text("first words", timeout=30_000)
        facts = page.locator(".headline-facts")
        until = recording.started_at + timedelta(days=recording.team.keep_recordings_days)
        expect(facts).to_contain_text(f"kept until {until:%Y-%m-%d}")
        expect(facts).to_contain_text("a shell")
        slider = page.get_by_role("slider", name="Moment")
        expect(slider).to_have_attribute("max", "3.2")  # a pause of an hour is cut to three seconds
        expect(rows).to_contain_text("later <b>words</b>", timeout=30_000)
        expect(page.get_by_role("button", name="Play", exact=True)).to_be_visible()
        slider.fill("1")
        expect(rows).not_to_contain_text("later")
        expect(rows).to_contain_text("first words", timeout=30_000)
        expect(page.locator("[data-player-time]")).to_have_text("0:01 / 0:03")
        assert problems == []
        page.get_by_role("button", name="Delete").click()
        page.get_by_role("dialog").get_by_role("button", name="Delete").click()
        page.wait_for_url("**/recordings/")
        assert not recording.path.exists()
        assert not Recording.objects.exists()
    finally:
        recording.path.unlink(missing_ok=True)
