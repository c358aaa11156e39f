"""A host that answers what it is asked."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.support.valkey import Valkey
from tests.webui.site_broker import HOST_ID
from worker.contract import frames, keys
from worker.contract.frames import Frame

Answering = Callable[..., list[dict[str, Any]]]


@pytest.fixture
def answering(site_broker: Valkey) -> Iterator[Answering]:
    """A host that answers the next question with these frames; the questions it got."""
    ended = threading.Event()

    def serve(asked: list[dict[str, Any]], answer: tuple[Frame, ...]) -> None:
        client = site_broker.client()
        while not ended.is_set():
            for _, entries in client.xread({keys.control(HOST_ID): b"0-0"}, block=50) or ():
                message = json.loads(entries[0][1][b"m"])
                asked.append(message)
                for frame in answer:
                    client.xadd(keys.frames(message["stream_id"]), {"m": frame.encode()})
                return

    def start(*answer: Frame) -> list[dict[str, Any]]:
        asked: list[dict[str, Any]] = []
        threading.Thread(target=serve, args=(asked, answer), daemon=True).start()
        return asked

    yield start
    ended.set()


def frames_of(answer: Any) -> tuple[Frame, Frame]:
    data = json.dumps(answer).encode()
    return Frame(frames.DATA, 0, len(data), 1.0, data), Frame(frames.END, 0, len(data), 1.0)
