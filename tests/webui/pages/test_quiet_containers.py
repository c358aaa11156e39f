"""The page of a container of which there is nothing to show: no line, no sample."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page, expect

from tests.support.browser import visit
from tests.support.processes import eventually
from tests.webui.pages.seed import Seeded
from tests.webui.pages.sockets import Sockets
from tests.webui.pages.test_changing import answered
from tests.webui.pages.test_networks import ACCEPTED

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

YET, ENDED, NEVER = "Nothing printed yet", "It ended without printing anything.", "It never ran, so it printed nothing."
CLEARED = "Cleared. What was printed before shows when this page is opened again."
LOWEST_LABELS = """[...document.querySelectorAll("[data-plot]")].map((area) => {
  const canvas = area.querySelector("canvas");
  const { width, height } = canvas;
  const pixels = canvas.getContext("2d").getImageData(0, 0, Math.round(50 * devicePixelRatio), height).data;
  const row = pixels.length / height;
  const inked = (number) => pixels.subarray(number * row, (number + 1) * row).some(Boolean);
  return [...Array(height).keys()].filter(inked).at(-1) < height - 1;
})"""
"""Of each plot whether the last row of its canvas is free of the labels beside it, of which one would be cut off."""


def test_a_log_without_a_line_says_why(page: Page, sockets: Sockets, seeded: Seeded) -> None:
    for name, text in (("web", YET), ("worker-nightly", ENDED), ("typo", NEVER)):
        visit(page, f"/containers/{seeded.containers[name].pk}/")
        empty = page.locator("[data-log-empty]")
        expect(empty).to_be_visible()
        assert empty.inner_text().startswith(text), name


def test_a_log_says_so_once_its_container_has_ended(page: Page, sockets: Sockets, seeded: Seeded) -> None:
    web = seeded.containers["web"].pk
    visit(page, f"/containers/{web}/")
    item = page.evaluate(f"fetch('/api/v1/containers/{web}/').then((answer) => answer.json())")
    expect(page.locator("[data-log-empty]")).to_contain_text(YET, use_inner_text=True)
    sockets.change("container", {**item, "status": "stopped", "exit_code": 0})
    expect(page.locator("[data-log-empty]")).to_have_text(ENDED, use_inner_text=True)


def test_a_log_that_was_cleared_does_not_say_that_nothing_was_printed(
    page: Page, sockets: Sockets, seeded: Seeded
) -> None:
    visit(page, f"/containers/{seeded.containers['worker-nightly'].pk}/")
    sockets.logs.wait()
    empty, clear = page.locator("[data-log-empty]"), page.locator("[data-log-clear]")
    clear.click()
    expect(empty).to_have_text(ENDED, use_inner_text=True)
    sockets.logs.send(type="log", cursor=4, chunks=[{"stream": "stdout", "at": 1764100000.5, "text": "one\n"}])
    expect(empty).to_be_hidden()
    clear.click()
    expect(empty).to_have_text(CLEARED, use_inner_text=True)


def test_a_network_that_is_gone_is_said_to_be_so(page: Page, sockets: Sockets, seeded: Seeded) -> None:
    nightly = seeded.containers["worker-nightly"]
    nightly.networks_gone = [{"network_id": "c" * 64, "network": "old-front", "aliases": ["jobs"]}]
    nightly.save()
    visit(page, f"/containers/{nightly.pk}/")
    row = page.locator(f'tr[data-gone="{"c" * 64}"]')
    expect(row).to_contain_text("old-front")
    expect(row).to_contain_text("was removed: it starts when it is disconnected")
    expect(row).to_contain_text("jobs")
    sent = answered(page, f"containers/{nightly.pk}/leave/", 202, ACCEPTED)
    row.get_by_role("button", name="Disconnect from old-front").click()
    eventually(lambda: page.wait_for_timeout(20) or bool(sent), what="the request")
    assert sent == [{"network": "c" * 64}]


def test_a_log_that_is_not_kept_says_so(page: Page, sockets: Sockets, seeded: Seeded) -> None:
    web = seeded.containers["web"]
    web.spec["log_driver"] = "none"
    web.save()
    visit(page, f"/containers/{web.pk}/")
    kept_nowhere = "Its log driver is none: nothing of what it prints is kept."
    expect(page.locator("[data-log-empty]")).to_have_text(kept_nowhere, use_inner_text=True)


def test_a_plot_without_a_sample_shows_its_lowest_label_whole(page: Page, sockets: Sockets, seeded: Seeded) -> None:
    visit(page, f"/containers/{seeded.containers['worker-nightly'].pk}/")
    expect(page.locator("[data-plot=memory] canvas")).to_be_visible()
    page.wait_for_timeout(200)
    assert page.evaluate(LOWEST_LABELS) == [True, True]


def test_a_first_sample_is_drawn_in_seconds_not_in_days(page: Page, sockets: Sockets, seeded: Seeded) -> None:
    page.add_init_script(
        "const fill = CanvasRenderingContext2D.prototype.fillText; window.labels = [];"
        "CanvasRenderingContext2D.prototype.fillText = function (text, ...at) {"
        "  window.labels.push(text); return fill.call(this, text, ...at); };"
    )
    visit(page, f"/containers/{seeded.containers['web'].pk}/")
    sockets.stats.wait()
    sample = {"at": 1764116000.0, "cpu_percent": 3.0, "memory_bytes": 48 << 20, "memory_limit_bytes": None, "pids": 7}
    page.evaluate("window.labels.length = 0")
    sockets.stats.send(type="sample", sample=sample)
    expect(page.locator('[data-now="memory"]')).to_have_text("48 MiB")
    page.wait_for_timeout(300)  # it draws with the next frame
    clocks = [label for label in page.evaluate("window.labels") if label.count(":")]
    assert clocks and all(label.count(":") == 2 for label in clocks), clocks
