"""What a host answers about its images and its disk, as a page asks for it over REST."""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import parse_qs, urlsplit

from playwright.sync_api import Page, Route

BASE, TOP = "sha256:" + "ba" * 32, "sha256:" + "10" * 32


def step(created_by: str, size: int, diff_id: str = "") -> dict[str, Any]:
    return {
        "id": "<missing>", "created_at": "2026-01-01T00:00:00Z", "created_by": created_by, "comment": "", "author": "",
        "size_bytes": size, "tags": [], "is_empty": not diff_id, "digest": diff_id, "diff_id": diff_id,
    }  # fmt: skip


HISTORY = {"layers": [step('CMD ["nginx"]', 0), step("RUN /bin/sh -c apk add nginx # buildkit", 3 << 20, TOP),
                      step("/bin/sh -c #(nop) ADD file:1 in / ", 8 << 20, BASE)]}  # fmt: skip
FILES: dict[tuple[str, str], list[dict[str, Any]]] = {
    (BASE, "/"): [{"path": "/bin", "change": "added", "type": "directory", "size_bytes": 8 << 20}],
    (BASE, "/bin"): [{"path": "/bin/busybox", "change": "added", "type": "file", "size_bytes": 8 << 20}],
    (TOP, "/"): [
        {"path": "/etc", "change": "changed", "type": "directory", "size_bytes": 5},
        {"path": "/tmp/left<b>", "change": "deleted", "type": "file", "size_bytes": 5},
    ],
}
WASTE = {
    "wasted_bytes": 2 << 20, "efficiency": 0.8142, "is_cut": False,
    "files": [{"path": "/var/cache/<b>apk", "size_bytes": 2 << 20, "count": 2}],
}  # fmt: skip


class PlayedImages:
    """`usage`: what a host says of its disk; `asked`: parts that were asked for."""

    def __init__(self, page: Page) -> None:
        self.asked: list[str] = []
        self.images: list[dict[str, Any]] = []
        page.route(re.compile(r".*/api/v1/hosts/[^/]+/disk-usage/"), self._usage)
        page.route(re.compile(r".*/api/v1/images/\d+/(history|files|waste)/.*"), self._answer)

    def has(self, image_id: str, *, shared: int, unique: int, containers: int = 0) -> None:
        """The host has this image too."""
        self.images.append(
            {"id": image_id, "tags": [], "created_at": None, "size_bytes": shared + unique, "shared_bytes": shared,
             "unique_bytes": unique, "containers": containers}
        )  # fmt: skip

    def _usage(self, route: Route) -> None:
        self.asked.append("usage")
        route.fulfill(
            json={
                "images": self.images, "layers_bytes": sum(image["unique_bytes"] for image in self.images) + (9 << 20),
                "blobs_bytes": 4 << 20, "ingests_bytes": 0, "containers": [], "containers_bytes": 1 << 20,
                "logs_bytes": 2 << 20, "kept_logs_bytes": 0, "volumes": [], "build_cache_bytes": 0,
            }
        )  # fmt: skip

    def _answer(self, route: Route) -> None:
        address = urlsplit(route.request.url)
        part = address.path.rstrip("/").rsplit("/", 1)[1]
        wish = {name: values[0] for name, values in parse_qs(address.query).items()}
        self.asked.append(part)
        if part == "files":
            files = FILES.get((wish["layer"], wish["path"]), [])
            route.fulfill(json={"layer": wish["layer"], "path": wish["path"], "files": files, "more": False})
        else:
            route.fulfill(json=HISTORY if part == "history" else WASTE)
