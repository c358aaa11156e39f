"""The site's sockets as a test plays them: what a page opened, and what it is told."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import parse_qs, urlsplit

from playwright.sync_api import Page, WebSocketRoute

from tests.support.processes import PATIENCE_SECONDS
from tests.webui.pages.played_files import PlayedFiles
from tests.webui.pages.played_images import PlayedImages
from tests.webui.pages.played_log import PlayedLog


class Played:
    """All connections that a page made to one kind of socket, the last one last."""

    def __init__(self, page: Page, pattern: str, *, greeting: dict[str, Any] | None = None) -> None:
        self.page = page
        self.greeting = greeting
        self.connections: list[WebSocketRoute] = []
        page.route_web_socket(pattern, self._opened)

    def _opened(self, connection: WebSocketRoute) -> None:
        self.connections.append(connection)
        if self.greeting is not None:
            connection.send(json.dumps(self.greeting))

    def wait(self, count: int = 1, seconds: float = PATIENCE_SECONDS) -> None:
        """Until the page has connected for the `count`th time."""
        for _ in range(int(seconds * 50)):
            if len(self.connections) >= count:
                return
            self.page.wait_for_timeout(20)
        raise AssertionError(f"{len(self.connections)} connections came, {count} were expected")

    def send(self, **message: Any) -> None:
        self.connections[-1].send(json.dumps(message))

    def drop(self, code: int = 1011) -> None:
        self.connections[-1].close(code=code)

    def query(self, index: int = -1) -> dict[str, str]:
        """The parameters of a connection's address."""
        return {name: values[0] for name, values in parse_qs(urlsplit(self.connections[index].url).query).items()}


class Sockets:
    """Every socket of a page, and what it asks of a host about a log, none of it reaching a server."""

    def __init__(self, page: Page) -> None:
        self.events = Played(page, "**/ws/events/**", greeting={"type": "hello", "last": "1-0"})
        self.activity = Played(page, "**/ws/activity/**")
        self.logs = Played(page, "**/ws/containers/*/logs/**")
        self.host_log = PlayedLog(page)
        self.host_images = PlayedImages(page)
        self.host_files = PlayedFiles(page)
        self.stats = Played(page, "**/ws/containers/*/stats/**", greeting={"type": "history", "samples": []})
        self.use = Played(page, "**/ws/containers/stats/**")
        self.top = Played(page, "**/ws/containers/*/top/**")
        self.builds = Played(page, "**/ws/builds/**")
        self.hosts = Played(page, "**/ws/hosts/*/stats/**", greeting={"type": "history", "samples": []})

    def change(self, kind: str, item: dict[str, Any], *, action: str = "updated", id: str = "2-0") -> None:
        """Tell the page that an object is now like this, or is gone."""
        self.events.wait()
        gone = action == "removed"
        self.events.send(
            type="change", id=id, kind=kind, action=action, object_id=item["id"], object=None if gone else item
        )
