"""The log of a container's page: as many lines as one likes, none lost, none twice, none believed."""

from __future__ import annotations

import re
import time
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from tests.support.browser import visit
from tests.webui.pages.seed import NASTY, hex_id
from tests.webui.pages.sockets import Sockets

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

PATH = f"/containers/{hex_id('web')}/"
ROWS = ".log-line"


def chunk(text: str, stream: str = "stdout", at: float = 1764100000.5) -> dict[str, Any]:
    return {"stream": stream, "at": at, "text": text}


@pytest.fixture
def log(page: Page, sockets: Sockets) -> Sockets:
    visit(page, PATH)
    sockets.logs.wait()
    return sockets


def say(log: Sockets, cursor: int, *chunks: dict[str, Any]) -> None:
    log.logs.send(type="log", cursor=cursor, chunks=list(chunks))


def lines(page: Page) -> list[str]:
    return page.locator(ROWS).all_inner_texts()


def test_a_hundred_thousand_lines_keep_the_page_small_and_quick(page: Page, log: Sockets) -> None:
    idle = page.evaluate(
        """async () => {
          window.gaps = [];
          let last = performance.now();
          const tick = (now) => { window.gaps.push(now - last); last = now; requestAnimationFrame(tick); };
          requestAnimationFrame(tick);
          while (window.gaps.length < 30) await new Promise(requestAnimationFrame);
          return window.gaps.splice(0).sort((a, b) => a - b)[15];
        }"""
    )
    slowness = max(1, idle / 17)  # a frame of a machine that has time takes a sixtieth of a second
    for block in range(100):
        say(log, block + 1, chunk("".join(f"line {block * 1000 + number} of a long log\n" for number in range(1000))))
    expect(page.locator(ROWS).last).to_have_text("line 99999 of a long log")
    page.wait_for_timeout(200)
    assert page.evaluate("document.querySelectorAll('.log-line').length") < 120
    gaps = sorted(page.evaluate("window.gaps"))
    assert gaps[len(gaps) // 2] < 50 * slowness, f"the median frame took {gaps[len(gaps) // 2]:.0f} ms"

    # Anywhere in the log, the rows of that place are there within a frame or two.
    seconds = page.evaluate(
        """async () => {
          const view = document.querySelector("[data-log-view]");
          const begin = performance.now();
          for (let step = 0; step < 50; step += 1) {
            view.scrollTop = (step * 7919 * 20) % (view.scrollHeight - view.clientHeight);
            await new Promise(requestAnimationFrame);
            await new Promise(requestAnimationFrame);
            const first = Math.floor(view.scrollTop / 20);
            const shown = [...document.querySelectorAll(".log-line")].map((line) => line.textContent);
            if (!shown.includes(`line ${first} of a long log`)) throw new Error(`line ${first} is not shown`);
          }
          return (performance.now() - begin) / 1000;
        }"""
    )
    assert seconds < 6 * slowness
    assert page.evaluate("document.querySelectorAll('.log-line').length") < 120


def test_a_broken_connection_resumes_without_gap_or_repeat(page: Page, log: Sockets) -> None:
    assert log.logs.query() == {"tail": "5000"}
    say(log, 10, chunk("one\n"), chunk("two\nthr"))
    expect(page.locator(ROWS)).to_have_count(3)
    log.logs.drop()
    expect(page.locator("[data-log-state]")).to_have_text("Reconnecting")
    log.logs.wait(2)
    assert log.logs.query() == {"cursor": "10"}
    expect(page.locator("[data-log-state]")).to_have_text("Live")
    say(log, 10, chunk("one\n"), chunk("two\nthr"))  # a site that repeats itself
    say(log, 20, chunk("ee\nfour\n"))
    expect(page.locator(ROWS)).to_have_text(["one", "two", "three", "four"])


def test_a_host_that_is_away_is_asked_less_and_less_often(page: Page, log: Sockets) -> None:
    away = {"type": "error", "error": {"family": "unavailable", "message": "The host pier does not answer."}}
    log.logs.greeting = away
    log.logs.drop(1013)
    for count in range(2, 5):
        dropped = time.monotonic()
        log.logs.wait(count)
        least = 0.3 * 2 ** (count - 2) * 0.7  # 0.3 s, and twice as much each time, give or take a third
        assert time.monotonic() - dropped >= least, f"the wait before connection {count}"
        log.logs.drop(1013)


def test_the_streams_do_not_tear_each_others_lines(page: Page, log: Sockets) -> None:
    say(log, 1, chunk("an answer "))
    say(log, 2, chunk("a warning\n", "stderr"))
    say(log, 3, chunk("in two parts\n"))
    expect(page.locator(ROWS)).to_have_text(["an answer in two parts", "a warning"])
    expect(page.locator(".log-stderr")).to_have_text(["a warning"])


def test_lines_are_text_and_their_colours_are_classes(page: Page, log: Sockets, problems: list[str]) -> None:
    say(
        log,
        1,
        chunk(f"{NASTY}\n<script>document.title='x'</script>\n"),
        chunk("\x1b[31mred\x1b[0m plain \x1b[1;38;5;208morange\x1b[0m\n"),
        chunk("\x1b]0;title\x07\x1b]8;;javascript:alert(1)\x1b\\link\x1b]8;;\x1b\\ \x1b[2J\x1b[Hend\x07\n"),
        chunk("10 %\r50 %\r100 %\r\n"),
    )
    expect(page.locator(ROWS)).to_have_text(
        [NASTY, "<script>document.title='x'</script>", "red plain orange", "link end\u2407", "100 %"]
    )
    expect(page.locator(".ansi-1")).to_have_text("red")
    assert page.locator(".ansi-bold").evaluate("(piece) => piece.style.color") == "rgb(255, 135, 0)"
    assert page.locator(".log-rows img, .log-rows script, .log-rows a").count() == 0
    assert page.title().startswith("web")
    assert problems == []


def test_it_follows_the_end_until_one_scrolls_up(page: Page, log: Sockets) -> None:
    say(log, 1, chunk("".join(f"line {number}\n" for number in range(500))))
    expect(page.locator(ROWS).last).to_have_text("line 499")
    page.locator("[data-log-view]").hover()
    page.mouse.wheel(0, -2000)
    expect(page.locator("[data-log-jump]")).to_be_visible()
    before = page.evaluate("document.querySelector('[data-log-view]').scrollTop")
    say(log, 2, chunk("".join(f"later {number}\n" for number in range(1234))))
    expect(page.locator("[data-log-jump]")).to_have_text("1,234 new")
    assert page.evaluate("document.querySelector('[data-log-view]').scrollTop") == before
    page.locator("[data-log-jump]").click()
    expect(page.locator(ROWS).last).to_have_text("later 1233")
    expect(page.locator("[data-log-jump]")).to_be_hidden()


def test_finding_marks_filters_and_steps_through_matches(page: Page, log: Sockets) -> None:
    text = "".join(f"line {number}{' NEEDLE' if number % 1000 == 7 else ''}\n" for number in range(5000))
    say(log, 1, chunk(text))
    field = page.locator("[data-log-find]")
    field.fill("needle")
    expect(page.locator("[data-log-found]")).to_have_text("5 lines")
    field.press("Enter")
    expect(page.locator(".log-current")).to_have_text("line 7 NEEDLE")
    field.press("Enter")
    expect(page.locator(".log-current")).to_have_text("line 1007 NEEDLE")
    field.press("Shift+Enter")
    expect(page.locator(".log-current mark")).to_have_text("NEEDLE")
    page.locator('[data-log-toggle="filter"]').click()
    expect(page.locator(ROWS)).to_have_count(5)
    say(log, 2, chunk("one more needle\n"))
    expect(page.locator(ROWS)).to_have_count(6)
    field.fill("(a+)+$")  # taken as it stands, not as an expression
    expect(page.locator("[data-log-found]")).to_have_text("0 lines")
    field.fill("")
    page.locator("[data-log-jump]").click()
    expect(page.locator(ROWS).last).to_have_text("one more needle")


def test_every_match_in_sight_is_marked(page: Page, log: Sockets) -> None:
    say(log, 1, chunk("".join(f"a long way to needle {number}\n" for number in range(10))))
    page.get_by_role("searchbox", name="Find in the log").fill("needle")
    expect(page.locator("[data-log-found]")).to_have_text("10 lines")
    say(log, 2, chunk("a long way to needle 10\n"))
    page.get_by_role("button", name="Times").click()  # draws all rows anew
    expect(page.locator("[data-log-view] mark")).to_have_text(["needle"] * 11)


def test_wrapped_lines_stay_in_place_while_scrolling(page: Page, log: Sockets) -> None:
    page.locator('[data-log-toggle="wrap"]').click()
    say(log, 1, chunk("".join(f"line {number} {'x' * (number * 37 % 900)}\n" for number in range(2000))))
    expect(page.locator(ROWS).last).to_contain_text("line 1999")
    mistakes = page.evaluate(
        """async () => {
          const view = document.querySelector("[data-log-view]");
          const mistakes = [];
          for (let step = 0; step < 30; step += 1) {
            view.scrollTop = (view.scrollHeight * step) / 30;
            for (let frame = 0; frame < 3; frame += 1) await new Promise(requestAnimationFrame);
            const frame = view.getBoundingClientRect();
            const rows = [...document.querySelectorAll(".log-line")].map((row) => row.getBoundingClientRect());
            const covers = rows[0].top <= frame.top && rows.at(-1).bottom >= frame.top + view.clientHeight - 1;
            if (!covers) mistakes.push(`${step}: ${rows[0].top} ${rows.at(-1).bottom} ${frame.top} ${frame.bottom}`);
          }
          return mistakes;
        }"""
    )
    assert mistakes == []
    assert page.evaluate("document.querySelectorAll('.log-line').length") < 120


def test_times_are_shown_when_asked_for_and_remembered(page: Page, log: Sockets) -> None:
    say(log, 1, chunk("hello\n"))
    page.locator('[data-log-toggle="times"]').click()
    expect(page.locator(".log-time")).to_contain_text(".500")
    visit(page, PATH)
    expect(page.locator('[data-log-toggle="times"]')).to_have_attribute("aria-pressed", "true")


def test_clearing_the_view_keeps_the_place(page: Page, log: Sockets) -> None:
    say(log, 5, chunk("old\n"))
    expect(page.locator(ROWS)).to_have_count(1)
    page.locator("[data-log-clear]").click()
    expect(page.locator(ROWS)).to_have_count(0)
    say(log, 9, chunk("new\n"))
    expect(page.locator(ROWS)).to_have_text(["new"])
    log.logs.drop()
    log.logs.wait(2)
    assert log.logs.query() == {"cursor": "9"}


def test_the_oldest_lines_go_when_there_are_too_many(page: Page, log: Sockets) -> None:
    for block in range(31):
        say(log, block + 1, chunk("".join(f"{block * 10000 + number}\n" for number in range(10000))))
    expect(page.locator(ROWS).last).to_have_text("309999")
    page.evaluate("document.querySelector('[data-log-view]').scrollTop = 0")
    expect(page.locator(ROWS).first).to_have_text(re.compile(r"^\d{1,5}$"))
    first = int(lines(page)[0])
    assert 0 < first <= 50000


def test_what_was_logged_before_is_loaded_when_asked_for(page: Page, log: Sockets) -> None:
    say(log, 1000, chunk("the last line\n"))
    expect(page.locator("[data-log-earlier]")).to_be_hidden()
    page.locator("[data-log-view]").hover()
    page.mouse.wheel(0, -100)
    say(log, 1100, chunk("".join(f"later {number}\n" for number in range(100))))
    expect(page.locator(ROWS).last).to_have_text("later 99")
    page.evaluate("document.querySelector('[data-log-view]').scrollTop = 0")
    page.locator("[data-log-earlier]").click()
    log.logs.wait(2)
    assert log.logs.query() == {"cursor": "0"}
    say(log, 500, chunk("the first line\n"))
    expect(page.locator(ROWS)).to_have_text(["the first line"])
    expect(page.locator("[data-log-earlier]")).to_be_hidden()


def test_an_ended_log_goes_on_when_the_container_is_started_again(page: Page, log: Sockets) -> None:
    say(log, 5, chunk("first run\n"))
    log.logs.send(type="end")
    expect(page.locator("[data-log-state]")).to_have_text("Ended")
    page.wait_for_timeout(600)
    assert len(log.logs.connections) == 1
    item = {
        "id": hex_id("web"), "status": "running", "error": None, "name": "web",
        "exit_code": None, "oom_killed": False, "started_at": None,
    }  # fmt: skip
    log.change("container", item)
    log.logs.wait(2)
    assert log.logs.query() == {"cursor": "5"}


def test_a_refusal_for_good_is_told_and_not_asked_again(page: Page, log: Sockets) -> None:
    log.logs.send(type="error", error={"family": "not_found", "message": "there is no log of this container"})
    expect(page.locator("[data-log-state]")).to_have_text("there is no log of this container")
    page.wait_for_timeout(600)
    assert len(log.logs.connections) == 1
