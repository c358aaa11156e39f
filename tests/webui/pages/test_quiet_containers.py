"""The page of a container of which there is nothing to show: no line, no sample."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page, expect

from tests.support.browser import visit
from tests.webui.pages.seed import Seeded
from tests.webui.pages.sockets import Sockets

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

YET, ENDED, NEVER = "Nothing printed yet", "It ended without printing anything.", "It never ran, so it printed nothing."
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


def test_a_log_that_is_not_kept_says_so(page: Page, sockets: Sockets, seeded: Seeded) -> None:
    web = seeded.containers["web"]
    web.spec["log_driver"] = "none"
    web.save()
    visit(page, f"/containers/{web.pk}/")
    expect(page.locator("[data-log-empty]")).to_have_text("Its log driver is none: nothing of what it prints is kept.")


def test_a_plot_without_a_sample_shows_its_lowest_label_whole(page: Page, sockets: Sockets, seeded: Seeded) -> None:
    visit(page, f"/containers/{seeded.containers['worker-nightly'].pk}/")
    expect(page.locator("[data-plot=memory] canvas")).to_be_visible()
    page.wait_for_timeout(200)
    assert page.evaluate(LOWEST_LABELS) == [True, True]
