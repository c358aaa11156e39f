"""A newcomer at the very first start: one-time password, first container, and a site that dies while one watches."""

import itertools
import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.support.browser import chromium, visit
from tests.support.portside import Portside, running_portside
from tests.support.processes import eventually

pytestmark = [pytest.mark.root, pytest.mark.registry, pytest.mark.browser, pytest.mark.timeout(300)]

SCRIPT = "sh -c 'n=0; while true; do n=$((n+1)); echo tick $n; sleep 0.2; done'"
PASSWORD = "four words for tests"


@pytest.fixture
def fresh() -> Iterator[Portside]:
    """As at the very first start, also for a second try: no password in the environment, so one is made and printed."""
    with running_portside(PORTSIDE_ADMIN_PASSWORD="") as portside:
        yield portside


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as running:
        yield running


@pytest.fixture
def page(browser: Browser, fresh: Portside) -> Iterator[Page]:
    """A page whose console must stay free of errors."""
    context = browser.new_context(base_url=fresh.url, viewport={"width": 1440, "height": 900})
    context.set_default_timeout(60_000)
    page = context.new_page()
    errors: list[str] = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    yield page
    context.close()
    assert errors == []


def test_a_newcomer_signs_in_runs_and_watches_through_the_death_of_the_site(
    page: Page, fresh: Portside, tiny_image: str
) -> None:
    sign_in(page, fresh)
    run(page, tiny_image)
    survive_the_death_of_the_site(page, fresh)
    remove(page)
    eventually(lambda: not fresh.home.leaks(), what="a clean kernel")


def sign_in(page: Page, fresh: Portside) -> None:
    printed = re.search(r"Sign in as admin, one-time password: (\S+)", fresh.output())
    assert printed, fresh.output()
    visit(page, "/")
    page.get_by_label("User name").fill("admin")
    page.get_by_label("Password").fill(printed[1])
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("heading", name="Choose your password")).to_be_visible()
    page.get_by_label("One-time password").fill(printed[1])
    page.get_by_label("New password", exact=True).fill(PASSWORD)
    page.get_by_label("The new one again").fill(PASSWORD)
    page.get_by_role("button", name="Change password").click()
    expect(page.get_by_role("heading", name="Overview")).to_be_visible()
    expect(page.get_by_text("Your first container is two steps away")).to_be_visible()


def run(page: Page, reference: str) -> None:
    page.get_by_role("navigation").get_by_role("link", name="Containers").click()
    page.get_by_role("link", name="New container").first.click()
    page.get_by_label("Image", exact=True).fill(reference)
    page.get_by_label("Name", exact=True).fill("journey")
    page.get_by_label("Command", exact=True).fill(SCRIPT)
    page.get_by_role("button", name="Create and start").click()
    expect(page.get_by_role("heading", name="journey")).to_be_visible()
    expect(page.locator("#container .page-head .status")).to_have_attribute("data-status", "running")


def survive_the_death_of_the_site(page: Page, fresh: Portside) -> None:
    """Without a reload the page takes up the log where it stopped: no line is missing, none comes twice."""
    log = page.get_by_role("log")
    expect(log).to_contain_text("tick 3")
    fresh.kill("uvicorn")
    reached = 20 + max(int(number) for number in re.findall(r"tick (\d+)", log.inner_text()))
    expect(log).to_contain_text(f"tick {reached}")
    numbers = [int(number) for number in re.findall(r"tick (\d+)", log.inner_text())]
    whole = [number for before, number in itertools.pairwise(numbers) if number not in (before + 1, 1)]
    assert whole == [], f"lines are missing or twice: {numbers}"


def remove(page: Page) -> None:
    page.get_by_label("More actions").click()
    page.get_by_role("button", name="Remove").first.click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_role("checkbox", name="It is running: stop it first").check()
    dialog.get_by_role("button", name="Remove").click()
    expect(page.get_by_role("heading", name="Containers", exact=True)).to_be_visible()
    expect(page.locator('tr[data-kind="container"]', has_text="journey")).to_have_count(0)
