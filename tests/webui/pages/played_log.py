"""A host's log as a page asks for it over REST: answered from a list of lines, each 10 bytes long on the host."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qs, urlsplit

from playwright.sync_api import Page, Route

LINE_BYTES, BLOCK_LINES = 10, 100
LEVELS = ("none", "debug", "info", "warn", "error")


class PlayedLog:
    """Nothing at first. `text(number)` is what line `number` says; it ends at cursor (number + 1) * LINE_BYTES."""

    def __init__(self, page: Page) -> None:
        self.serve(0)
        self.refused = ""
        """Why it looks for nothing, if so."""
        self.is_missing = False
        """Whether the host has no log of it at all."""
        self.asked: list[str] = []
        page.route(
            re.compile(r".*/api/v1/containers/[0-9a-f]+/logs/(outline|lines|search|histogram|moment)/.*"), self._answer
        )

    def serve(self, count: int, text: Callable[[int], str] = lambda number: f"line {number}") -> None:
        """The log has so many lines from now on."""
        self.count, self.text = count, text

    def _answer(self, route: Route) -> None:
        address = urlsplit(route.request.url)
        part = address.path.rstrip("/").rsplit("/", 1)[1]
        wish = {name: values[0] for name, values in parse_qs(address.query).items()}
        self.asked.append(part)
        if self.is_missing:
            route.fulfill(status=404, json={"family": "not_found", "detail": "there is no log of this container"})
            return
        if part == "search" and self.refused:
            route.fulfill(status=400, json={"family": "invalid_argument", "detail": self.refused})
            return
        route.fulfill(json={"start": 0, **getattr(self, f"_{part}")(wish)})

    def _range(self, wish: dict[str, str]) -> range:
        end = min(self.count * LINE_BYTES, int(wish.get("to", self.count * LINE_BYTES)))
        return range(int(wish.get("from", 0)) // LINE_BYTES, end // LINE_BYTES)

    def _line(self, number: int) -> list[Any]:
        return [(number + 1) * LINE_BYTES, 1764100000 + number, "stdout", self.text(number)]

    def _outline(self, wish: dict[str, str]) -> dict[str, Any]:
        lines = self._range(wish)
        blocks = [[n * LINE_BYTES, min(BLOCK_LINES, lines.stop - n)] for n in lines[::BLOCK_LINES]]
        return {"from": lines.start * LINE_BYTES, "to": lines.stop * LINE_BYTES, "blocks": blocks}

    def _lines(self, wish: dict[str, str]) -> dict[str, Any]:
        if "at" in wish:
            return {"lines": [self._line(int(end) // LINE_BYTES - 1) for end in wish["at"].split(",")]}
        return {"lines": [self._line(number) for number in self._range(wish)]}

    def _search(self, wish: dict[str, str]) -> dict[str, Any]:
        """One step of a thousand lines."""
        lines = self._range(wish)
        step = lines[-1000:] if wish.get("backwards") else lines[:1000]
        levels = wish["level"].upper().split(",") if "level" in wish else [""]
        found = [n for n in step if wish.get("q", "").lower() in self.text(n).lower()]
        found = [n for n in found if any(level in self.text(n) for level in levels)]
        return {"ends": [(n + 1) * LINE_BYTES for n in found], "from": step.start * LINE_BYTES,
                "to": step.stop * LINE_BYTES, "complete": len(step) == len(lines)}  # fmt: skip

    def _histogram(self, wish: dict[str, str]) -> dict[str, Any]:
        share = self.count // int(wish["buckets"])
        buckets = [[share, 0, 0, 0, int(bool(share) and number % 10 == 3)] for number in range(int(wish["buckets"]))]
        return {
            "from": 1764100000,
            "to": 1764100000 + self.count,
            "buckets": buckets,
            "levels": LEVELS,
            "complete": True,
        }

    def _moment(self, wish: dict[str, str]) -> dict[str, Any]:
        number = max(0, round(float(wish["at"]) - 1764100000))
        return {"cursor": number * LINE_BYTES, "line": (number + 1) * LINE_BYTES if number < self.count else None}
