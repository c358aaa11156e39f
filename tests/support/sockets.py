"""WebSockets as a script opens them: with the bearer token, waiting for what was promised."""

from __future__ import annotations

import contextlib
import json
import time
from collections.abc import Callable, Iterator
from typing import Any

from websockets.sync.client import ClientConnection, connect

from tests.support.portside import Portside
from tests.support.processes import PATIENCE_SECONDS


class Socket:
    """Messages are JSON; all that came are kept in `messages`."""

    def __init__(self, connection: ClientConnection) -> None:
        self.connection = connection
        self.messages: list[dict[str, Any]] = []

    def receive(self, seconds: float = PATIENCE_SECONDS) -> dict[str, Any]:
        message: dict[str, Any] = json.loads(self.connection.recv(timeout=seconds))
        self.messages.append(message)
        return message

    def until(self, claim: Callable[[dict[str, Any]], object], *, seconds: float = PATIENCE_SECONDS) -> dict[str, Any]:
        """The first message from now on for which `claim` is true."""
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            with contextlib.suppress(TimeoutError):
                message = self.receive(left)
                if claim(message):
                    return message
        raise AssertionError(f"no such message within {seconds:g} s; the last ones: {self.messages[-5:]}")


@contextlib.contextmanager
def socket(portside: Portside, path: str) -> Iterator[Socket]:
    headers = {"Authorization": f"Bearer {portside.rest.token}"}
    with connect(
        f"ws://{portside.address}{path}", additional_headers=headers, max_size=None, open_timeout=PATIENCE_SECONDS
    ) as connection:
        yield Socket(connection)


def log_text(messages: list[dict[str, Any]]) -> str:
    return "".join(chunk["text"] for message in messages if message["type"] == "log" for chunk in message["chunks"])


def follow_log(
    portside: Portside, container_id: str, *, until: str, cursor: int = 0, seconds: float = PATIENCE_SECONDS
) -> tuple[str, int]:
    """Read a log from `cursor` until it contains `until`; its text and the cursor to go on from."""
    with socket(portside, f"/ws/containers/{container_id}/logs/?cursor={cursor}") as log:
        log.until(lambda message: until in log_text(log.messages), seconds=seconds)
        last = [message for message in log.messages if message["type"] == "log"][-1]
        return log_text(log.messages), last["cursor"]
