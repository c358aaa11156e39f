"""Signals to `portside run` are the container's."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from client.cli.commands import running
from client.errors import ConnectionFailed, NotFound, Unavailable


def shell(answers: list[Exception | None], asked: list[str]) -> Any:
    def kill(container_id: str, *, signal: str) -> None:
        asked.append(f"{container_id} {signal}")
        answer = answers.pop(0)
        if answer is not None:
            raise answer

    return SimpleNamespace(site=SimpleNamespace(containers=SimpleNamespace(kill=kill)))


@pytest.mark.parametrize(
    ("answers", "times"),
    [
        ([None], 1),
        ([ConnectionFailed("the connection was closed"), Unavailable("the broker is away"), None], 3),
        ([NotFound("it has gone")], 1),
        ([Unavailable("away")] * running.TRIES, running.TRIES),
    ],
)
def test_a_signal_is_handed_on_until_the_site_takes_it(
    monkeypatch: pytest.MonkeyPatch, answers: list[Exception | None], times: int
) -> None:
    monkeypatch.setattr(running.time, "sleep", lambda _: None)
    asked: list[str] = []
    running._killer(shell(answers, asked), "c1")("SIGINT")
    assert asked == ["c1 SIGINT"] * times
