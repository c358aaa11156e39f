"""A regular expression in the search of a log: it never holds up the page, however it is made."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page, expect

from tests.support.browser import visit
from tests.webui.pages.sockets import Sockets
from tests.webui.pages.test_log_viewer import PATH, ROWS, chunk, say

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

SLOW = "many 1 " + "x" * 26
TOO_SLOW = "give a simpler expression, without repeats inside repeats"


@pytest.fixture
def log(page: Page, sockets: Sockets) -> Sockets:
    visit(page, PATH)
    sockets.logs.wait()
    return sockets


def look_for_expression(page: Page, text: str) -> None:
    page.get_by_role("button", name="Regular expression").click()
    page.get_by_role("searchbox", name="Find in the log").fill(text)


def longest_pause(page: Page, milliseconds: int) -> float:
    """For how long the page could do nothing else, at most, during so many milliseconds."""
    return float(
        page.evaluate(
            """async (wait) => {
              let longest = 0;
              const end = performance.now() + wait;
              for (let last = performance.now(); last < end; ) {
                await new Promise((done) => setTimeout(done, 10));
                longest = Math.max(longest, performance.now() - last);
                last = performance.now();
              }
              return longest;
            }""",
            milliseconds,
        )
    )


def test_an_expression_with_repeats_inside_repeats_never_holds_up_the_page(
    page: Page, log: Sockets, problems: list[str]
) -> None:
    say(log, 1, chunk(f"{SLOW}{SLOW}\n" * 20))
    look_for_expression(page, "(x+x+)+y")
    assert longest_pause(page, 1500) < 1500
    found = page.locator("[data-log-found]")
    expect(found).to_contain_text(TOO_SLOW)
    expect(page.locator(ROWS)).to_have_count(20)
    page.locator('[data-log-toggle="filter"]').click()
    say(log, 2, chunk(f"{SLOW}{SLOW} one more\n"))
    expect(page.locator(ROWS).last).to_contain_text("one more")
    expect(found).to_contain_text(TOO_SLOW)
    page.get_by_role("searchbox", name="Find in the log").fill("o.e m[o]re")
    expect(found).to_have_text("1 line")
    expect(page.locator(ROWS)).to_have_count(1)
    expect(page.locator("[data-log-view] mark")).to_have_text("one more")
    assert problems == []


def test_an_expression_that_the_host_refuses_is_dropped(page: Page, log: Sockets) -> None:
    log.host_log.serve(100)
    log.host_log.refused = f"the search took more than 10 seconds for a few lines: {TOO_SLOW}"
    log.logs.send(type="log", **{"from": 1000}, cursor=1010, chunks=[chunk("line live\n")])
    look_for_expression(page, "l[i]ne")
    expect(page.locator("[data-log-found]")).to_have_text(log.host_log.refused)
    expect(page.locator(ROWS).last).to_have_text("line live")
    expect(page.locator("[data-log-view] mark")).to_have_count(0)


def test_lines_that_grow_and_come_are_found_by_an_expression(page: Page, log: Sockets) -> None:
    say(log, 1, chunk("".join(f"line {number}\n" for number in range(3000)) + "an open "))
    look_for_expression(page, "7$|needle")
    expect(page.locator("[data-log-found]")).to_have_text("300 lines")
    say(log, 2, chunk("line with a needle\nand 7\n"))
    expect(page.locator("[data-log-found]")).to_have_text("302 lines")
    page.locator('[data-log-toggle="filter"]').click()
    expect(page.locator("[data-log-view] mark").last).to_have_text("7")
    expect(page.locator(ROWS).last).to_have_text("and 7")
