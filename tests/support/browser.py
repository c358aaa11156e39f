"""Debian's Chromium, driven by Playwright, headless and as root.

Playwright's synchronous API keeps an event loop running in its thread for as long as it is open; fixtures
therefore open it for one module and close it again, so that asynchronous tests elsewhere have a thread without.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

from playwright.sync_api import Browser, Error, Page, Request, expect, sync_playwright

from tests.support.processes import PATIENCE_SECONDS

CHROMIUM = os.environ.get("PORTSIDE_CHROMIUM", "/usr/bin/chromium")
ARGUMENTS = ["--no-sandbox", "--disable-dev-shm-usage", "--disable-gpu", "--disable-background-networking"]

NETWORK_CHANGED = "ERR_NETWORK_CHANGED"


@contextmanager
def chromium() -> Iterator[Browser]:
    """A browser; each test makes a context of its own in it."""
    expect.set_options(timeout=PATIENCE_SECONDS * 1000)  # its own five seconds are less than a busy machine needs
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        try:
            yield browser
        finally:
            browser.close()


def visit(page: Page, path: str) -> None:
    """Go to `path`. Chromium breaks off what it loads (ERR_NETWORK_CHANGED) whenever the machine gets or loses an
    address, which containers and bridges of other tests do all the time; then it goes again."""
    for _ in range(10):
        broken: list[str] = []

        def note(request: Request, broken: list[str] = broken) -> None:
            if request.failure and NETWORK_CHANGED in request.failure:
                broken.append(request.url)

        page.on("requestfailed", note)
        try:
            page.goto(path)
        except Error as error:
            if NETWORK_CHANGED not in error.message:
                raise
            broken.append(path)
        finally:
            page.remove_listener("requestfailed", note)
        if not broken:
            return
    raise AssertionError(f"{path} could not be loaded: the network of this machine changes without end")
