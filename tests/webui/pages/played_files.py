"""What a host answers about the files of its volumes, as a page asks for it over REST."""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import parse_qs, quote, urlsplit

from playwright.sync_api import Page, Route

NASTY = '<img src=x onerror="document.title=1">'


def entry(name: str, kind: str = "file", **more: Any) -> dict[str, Any]:
    return {
        "name": name, "path": f"/{name}", "type": kind, "size_bytes": 1234, "mode": "0644", "uid": 0, "gid": 33,
        "modified_at": "2026-01-01T00:00:00Z", "links": 1, "etag": "1-2-3", "target": None, "leads_to": None,
        "url": f"/api/v1/volumes/1/files/?path=/{quote(name)}", **more,
    }  # fmt: skip


ENTRIES = [
    entry("conf.d", "directory", mode="1777"),
    entry("a name that is longer than any phone is wide, and goes on for a while yet.txt"),
    entry(NASTY),
    entry("latest", "link", target=NASTY),
    entry("logo.png"),
]


class PlayedFiles:
    """`answer`: status and body of what is asked next, None for `ENTRIES`; `asked`: paths and orders."""

    def __init__(self, page: Page) -> None:
        self.asked: list[dict[str, str]] = []
        self.answer: tuple[int, dict[str, Any]] | None = None
        page.route(re.compile(r".*/api/v1/volumes/\d+/files/\?.*"), self._list)

    def _list(self, route: Route) -> None:
        if route.request.method != "GET":
            route.continue_()
            return
        query = {name: values[0] for name, values in parse_qs(urlsplit(route.request.url).query).items()}
        self.asked.append(query)
        if self.answer is not None:
            route.fulfill(status=self.answer[0], json=self.answer[1])
            return
        offset = int(query["offset"])
        found = ENTRIES if query["path"] == "/" else []
        shown = {"entry": entry("", "directory"), "entries": found, "total": len(found), "more": False, "next": None}
        route.fulfill(json={**shown, "offset": offset})
