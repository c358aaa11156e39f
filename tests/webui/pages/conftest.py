"""Fixtures: a seeded site behind a real server, and a signed-in page of Chromium with played sockets."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from django.test import Client
from playwright.sync_api import Browser, BrowserContext, Page

from tests.support.browser import NETWORK_CHANGED, chromium
from tests.support.processes import PATIENCE_SECONDS
from tests.webui.cast import build, container, image, job, nobody, outsider, owner, teammate, volume  # noqa: F401
from tests.webui.pages.seed import Seeded, seed
from tests.webui.pages.sockets import Sockets
from tests.webui.site_broker import host, site_broker, team  # noqa: F401


@pytest.fixture(scope="module")
def browser(django_db_setup: None) -> Iterator[Browser]:
    # Playwright's loop makes Django take this thread for an asynchronous one, also while a test is cleaned up.
    with pytest.MonkeyPatch.context() as patch, chromium() as opened:
        patch.setenv("DJANGO_ALLOW_ASYNC_UNSAFE", "true")
        yield opened


@pytest.fixture
def seeded(browser: Browser, live_server: Any) -> Seeded:
    return seed()


@pytest.fixture
def context(browser: Browser, live_server: Any) -> Iterator[BrowserContext]:
    opened = browser.new_context(base_url=live_server.url, viewport={"width": 1440, "height": 900})
    opened.set_default_timeout(PATIENCE_SECONDS * 1000)
    yield opened
    opened.close()


@pytest.fixture
def problems() -> list[str]:
    """What the browser complained of: errors of scripts, of the policy, of loading."""
    return []


@pytest.fixture
def page(context: BrowserContext, seeded: Seeded, live_server: Any, problems: list[str]) -> Page:
    """A page of the administrator, signed in, not yet anywhere."""
    client = Client()
    client.force_login(seeded.admin)
    context.add_cookies([{"name": "sessionid", "value": client.cookies["sessionid"].value, "url": live_server.url}])
    opened = context.new_page()
    opened.on(
        "console",
        lambda message: (
            problems.append(message.text) if message.type == "error" and NETWORK_CHANGED not in message.text else None
        ),
    )
    opened.on("pageerror", lambda error: problems.append(str(error)))
    return opened


@pytest.fixture
def sockets(page: Page) -> Sockets:
    return Sockets(page)
