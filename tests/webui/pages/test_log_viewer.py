"""The log of a container's page: as many lines as one likes, none lost, none twice, none believed."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from tests.support.browser import visit
from tests.webui.pages.seed import NASTY, hex_id
from tests.webui.pages.sockets import Sockets

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

PATH = f"/containers/{hex_id('web')}/"
ROWS = ".log-line"
CASES = json.loads(Path(__file__).parents[2].joinpath("engine/logs/levels.json").read_text())


def chunk(text: str, stream: str = "stdout", at: float = 1764100000.5) -> dict[str, Any]:
    return {"stream": stream, "at": at, "text": text}


@pytest.fixture
def log(page: Page, sockets: Sockets) -> Sockets:
    visit(page, PATH)
    sockets.logs.wait()
    return sockets


def say(log: Sockets, cursor: int, *chunks: dict[str, Any]) -> None:
    log.logs.send(type="log", cursor=cursor, chunks=list(chunks))


def wait_for(page: Page, condition: str) -> None:
    """Until the expression is true in the page, whose policy forbids the wait_for_function of Playwright."""
    for _ in range(3000):
        if page.evaluate(condition):
            return
        page.wait_for_timeout(20)
    raise AssertionError(f"it never came true: {condition}")


def test_a_million_lines_keep_the_page_small(page: Page, log: Sockets) -> None:
    """Those on the host are fetched where one looks, and nowhere else."""
    host = log.host_log
    host.serve(1_000_000)
    log.logs.send(type="log", **{"from": 10_000_000}, cursor=10_000_008, chunks=[chunk("the end\n")])
    expect(page.locator(ROWS).last).to_have_text("the end")
    wait_for(page, "document.querySelector('[data-log-view]').scrollHeight === 8000000")
    assert host.asked.count("lines") <= 2
    page.evaluate(
        """async () => {
          const view = document.querySelector("[data-log-view]");
          const pause = () => new Promise(requestAnimationFrame);
          for (const part of [0.1, 0.73, 0.5, 0.99, 0]) {
            const row = Math.round(((1_000_001 * 20 - view.clientHeight) * part) / 20) + 3;
            view.scrollTop = Math.floor((view.scrollHeight - view.clientHeight) * part);
            let shown = [];
            const isThere = () => shown.some((text) => Math.abs(Number(text.slice(5)) - row) < 20);
            for (let tries = 0; tries < 2000 && !isThere(); tries += 1) {
              await pause();
              shown = [...document.querySelectorAll(".log-line")].map((line) => line.textContent);
            }
            if (!isThere()) throw new Error(`${part}: ${shown.slice(0, 3)}`);
            if (document.querySelectorAll(".log-line").length > 120) throw new Error("too many rows");
          }
        }"""
    )
    assert host.asked.count("lines") < 40
    page.locator("[data-log-view]").press("G")
    expect(page.locator(ROWS).last).to_have_text("the end")
    page.locator("[data-log-view]").press("g")
    expect(page.locator(ROWS).first).to_have_text("line 0")
    page.locator("[data-log-view]").hover()
    page.mouse.wheel(0, 400)
    wait_for(page, "document.querySelector('.log-line').textContent === 'line 8'")


def test_what_came_live_is_fetched_again_when_it_has_become_too_much(page: Page, log: Sockets) -> None:
    host = log.host_log
    host.serve(100_000)
    for block in range(100):
        lines = "".join(f"line {block * 1000 + number}\n" for number in range(1000))
        log.logs.send(type="log", **{"from": block * 10_000}, cursor=(block + 1) * 10_000, chunks=[chunk(lines)])
    expect(page.locator(ROWS).last).to_have_text("line 99999")
    assert "lines" not in host.asked
    page.locator("[data-log-view]").press("g")
    expect(page.locator(ROWS).first).to_have_text("line 0")
    assert "lines" in host.asked
    page.evaluate("document.querySelector('[data-log-view]').scrollTop = 50000 * 20")
    expect(page.locator(ROWS).filter(has_text="line 50000")).to_be_visible()


def test_lines_that_a_slow_page_was_spared_are_put_in_between(page: Page, log: Sockets) -> None:
    log.host_log.serve(5000)
    log.logs.send(type="log", **{"from": 0}, cursor=20, chunks=[chunk("line 0\nline 1\n")])
    log.logs.send(type="log", **{"from": 30_000}, cursor=30_010, chunks=[chunk("line 3000\n")])
    expect(page.locator(ROWS).last).to_have_text("line 3000")
    wait_for(page, "document.querySelector('[data-log-view]').scrollHeight === 3001 * 20")
    page.locator("[data-log-view]").press("g")
    expect(page.locator(ROWS)).to_contain_text(["line 0", "line 1", "line 2", "line 3"])


def test_searching_finds_what_is_on_the_host_and_what_comes_live(page: Page, log: Sockets) -> None:
    log.host_log.serve(5000, lambda number: f"line {number}{' NEEDLE' if number % 1000 == 7 else ''}")
    log.logs.send(type="log", **{"from": 50_000}, cursor=50_010, chunks=[chunk("a needle, live\n")])
    field = page.locator("[data-log-find]")
    field.fill("needle")
    expect(page.locator("[data-log-found]")).to_have_text("6 lines")
    field.press("Enter")
    expect(page.locator(".log-current")).to_have_text("a needle, live")
    field.press("Enter")
    expect(page.locator(".log-current")).to_have_text("line 7 NEEDLE")
    expect(page.locator("[data-log-found]")).to_have_text("1 of 6 lines")
    field.press("Escape")
    page.keyboard.press("n")
    expect(page.locator(".log-current")).to_have_text("line 1007 NEEDLE")
    page.keyboard.press("Shift+N")
    expect(page.locator(".log-current mark")).to_have_text("NEEDLE")
    page.locator('[data-log-toggle="filter"]').click()
    expect(page.locator(ROWS)).to_have_text(
        [*(f"line {n}007 NEEDLE".replace(" 0007", " 7") for n in range(5)), "a needle, live"]
    )


def test_enter_goes_to_what_was_typed_a_moment_ago(page: Page, log: Sockets) -> None:
    log.host_log.serve(5000, lambda number: f"line {number}{' NEEDLE' if number % 1000 == 7 else ''}")
    log.logs.send(type="log", **{"from": 50_000}, cursor=50_010, chunks=[chunk("the end\n")])
    field = page.locator("[data-log-find]")
    field.fill("line 3007 NEEDLE")
    field.press("Enter")
    expect(page.locator(".log-current")).to_have_text("line 3007 NEEDLE")
    field.fill("line 1234")
    field.press("Enter")
    expect(page.locator(".log-current")).to_have_text("line 1234")
    field.fill("nothing has this")
    field.press("Enter")
    expect(page.locator("[data-log-found]")).to_have_text("0 lines")
    expect(page.locator(".log-current")).to_have_count(0)
    expect(page.locator("[data-log-none]")).to_be_hidden()
    page.locator('[data-log-toggle="filter"]').click()
    expect(page.locator("[data-log-none]")).to_be_visible()
    field.fill("")
    expect(page.locator("[data-log-none]")).to_be_hidden()


def test_levels_are_chosen_by_chips(page: Page, log: Sockets) -> None:
    log.host_log.serve(3200, lambda number: f"line {number}{' ERROR here' if number % 1000 == 5 else ''}")
    log.logs.send(type="log", **{"from": 32_000}, cursor=32_010, chunks=[chunk("[error] live\nall is well\n")])
    expect(page.locator(".log-error")).to_have_text("[error] live")
    chip = page.get_by_role("button", name="Errors")
    expect(chip).to_contain_text("16")
    chip.click()
    expect(page.locator(ROWS)).to_have_text([*(f"line {n} ERROR here" for n in (5, 1005, 2005, 3005)), "[error] live"])
    log.logs.send(
        type="log", **{"from": 32_010}, cursor=32_020, chunks=[chunk("oops\n", "stderr"), chunk("ERROR again\n")]
    )
    expect(page.locator(ROWS).last).to_have_text("ERROR again")
    expect(page.locator(ROWS)).to_have_count(6)
    chip.click()
    expect(page.locator(".log-stderr")).to_have_text("oops")


def test_a_time_is_gone_to_by_plot_and_by_field(page: Page, log: Sockets) -> None:
    log.host_log.serve(16_000)
    log.logs.send(type="log", **{"from": 160_000}, cursor=160_010, chunks=[chunk("the end\n", at=1764116000)])
    area = page.get_by_role("slider", name="Lines over time")
    area.focus()
    page.keyboard.press("Home")
    page.keyboard.press("PageDown")
    expect(page.locator("[data-log-plot-told]")).to_contain_text("100 lines")
    page.keyboard.press("Enter")
    expect(page.locator(ROWS).filter(has_text="line 1000")).to_be_visible()
    page.get_by_label("Go to a time").click()
    page.locator("[data-log-time] input").fill(
        page.evaluate("new Date((1764108000 - new Date().getTimezoneOffset() * 60) * 1000).toISOString().slice(0, 19)")
    )
    page.get_by_role("button", name="Show", exact=True).click()
    expect(page.locator(ROWS).filter(has_text="line 8000")).to_be_visible()


def test_the_browser_recognises_levels_as_the_host_does(page: Page, log: Sockets) -> None:
    wrong = page.evaluate(
        """async (cases) => {
          const { LEVELS, levelOf } = await import("/static/js/log/levels.js");
          return cases.filter(([line, level]) => LEVELS[levelOf(line)] !== level);
        }""",
        CASES,
    )
    assert wrong == []


def test_a_broken_connection_resumes_without_gap_or_repeat(page: Page, log: Sockets) -> None:
    assert log.logs.query() == {"tail": "1000", "skip": "4194304"}
    say(log, 10, chunk("one\n"), chunk("two\nthr"))
    expect(page.locator(ROWS)).to_have_count(3)
    log.logs.drop()
    expect(page.locator("[data-log-state]")).to_have_text("Reconnecting")
    log.logs.wait(2)
    assert log.logs.query()["cursor"] == "10"
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
    page.get_by_role("button", name="Regular expression").click()
    field.fill("^line [0-9]007 needle$")
    expect(page.locator("[data-log-found]")).to_have_text("4 lines")
    field.fill("")
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
    assert log.logs.query()["cursor"] == "9"


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
    assert log.logs.query()["cursor"] == "5"


def test_a_refusal_for_good_is_told_and_not_asked_again(page: Page, log: Sockets) -> None:
    log.logs.send(type="error", error={"family": "not_found", "message": "there is no log of this container"})
    expect(page.locator("[data-log-state]")).to_have_text("there is no log of this container")
    page.wait_for_timeout(600)
    assert len(log.logs.connections) == 1


def test_a_container_without_a_log_is_not_asked_for_its_lines_again(page: Page, sockets: Sockets) -> None:
    sockets.host_log.is_missing = True
    visit(page, PATH)
    sockets.logs.wait()
    expect(page.locator("[data-log-level]:visible")).to_have_count(0)
    page.wait_for_timeout(10_500)  # longer than the page waits before it tries again what went wrong
    assert sockets.host_log.asked.count("histogram") == 1
