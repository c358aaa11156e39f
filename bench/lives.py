"""Verbs of a container's life as a client meets them: exec, stop, remove, figures of fifty, fifty starts at a time.

Portside by REST for what is asked, by WebSocket for what comes of it, which is open before, as a page's or a script's
that watches is (an exec's own is not, and each of the fifty starts opens one); docker and podman by their command
lines, as people and scripts use them. All take turns in each round.
"""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from websockets.sync.client import ClientConnection, connect

from bench.contender import CannotStart, Contender
from bench.ours import Ours
from bench.peers import CommandLine
from bench.report import Row

MANY, AT_A_TIME = 50, 8
POLITE = ("sh", "-c", "trap 'exit 0' TERM; while :; do sleep 1 & wait $!; done")
ENGINE_SAMPLE = """
import time
from engine.config import EngineConfig
from engine.facade import Engine
engine = Engine(EngineConfig.from_environment())
engine.sample()
begin = time.monotonic()
_, containers = engine.sample()
print(len(containers), time.monotonic() - begin)
"""


class Site:
    """What a script does with a Portside."""

    name = "portside"

    def __init__(self, ours: Ours, reference: str) -> None:
        self.ours, self.rest, self.reference = ours, ours.rest, reference
        self.headers = {"Authorization": f"Bearer {self.rest.token}"}
        self._open: ClientConnection | None = None

    @contextlib.contextmanager
    def watching(self) -> Iterator[None]:
        """While it is told of what happens."""
        with self._events() as events:
            self._open = events
            try:
                yield
            finally:
                self._open = None

    def run(self) -> str:
        with self._events() as events:
            return self._run(events)

    def _run(self, events: ClientConnection) -> str:
        answer = self.rest.create(self.reference, *POLITE)
        if answer.status != 202:
            raise CannotStart(f"portside create: {answer}")
        container: str = answer.json["container"]["id"]
        _until(events, container, lambda state: state.get("status") == "running")
        return container

    def exec(self, container: str) -> None:
        url = f"ws://{self.ours.portside.address}/ws/containers/{container}/exec/"
        with connect(url, additional_headers=self.headers, max_size=None) as socket:
            socket.send(json.dumps({"type": "open", "command": ["true"], "tty": False}))
            while True:
                got = socket.recv(timeout=60)
                if isinstance(got, str) and json.loads(got)["type"] in ("end", "error"):
                    assert json.loads(got)["type"] == "end", got
                    return

    def stop(self, container: str) -> None:
        with self._events() as events:
            self.rest.post(f"/api/v1/containers/{container}/stop/")
            _until(events, container, lambda state: state.get("status") == "stopped")

    def remove(self, container: str) -> None:
        self._remove(container)

    def _remove(self, container: str, query: str = "") -> None:
        with self._events() as events:
            answer = self.rest.delete(f"/api/v1/containers/{container}/{query}")
            if answer.status != 202:
                raise CannotStart(f"portside remove: {answer}")
            _until(events, container, None)

    def stop_and_remove(self, container: str) -> None:
        self._remove(container, "?stop=true")

    def remove_all(self, containers: list[str]) -> None:
        with ThreadPoolExecutor(AT_A_TIME) as pool:
            list(pool.map(self.rest.remove, containers))

    def figures(self, containers: list[str]) -> float:
        """The engine's sample alone: viewers cost nothing, since the worker takes one every two seconds anyway."""
        done = subprocess.run(
            [sys.executable, "-c", ENGINE_SAMPLE], env=self.ours.home.environment(), check=True, capture_output=True,
            text=True, timeout=120, cwd=".",
        )  # fmt: skip
        count, seconds = done.stdout.split()
        assert int(count) >= len(containers), done.stdout
        return float(seconds)

    @contextlib.contextmanager
    def _events(self) -> Iterator[ClientConnection]:
        if self._open is not None:
            yield self._open
            return
        url = f"ws://{self.ours.portside.address}/ws/events/"
        with connect(url, additional_headers=self.headers, max_size=None) as socket:
            socket.recv(timeout=30)  # hello
            yield socket


def _until(events: ClientConnection, container: str, claim: Callable[[dict[str, Any]], bool] | None) -> None:
    """Until the container's state is such; None: until it is gone."""
    while True:
        message = json.loads(events.recv(timeout=120))
        state = message.get("object") or {}
        if message.get("kind") == "job" and state.get("status") == "failed":
            raise CannotStart(f"portside: {state['error']}")
        if message.get("kind") != "container" or container not in (state.get("id"), message.get("object_id")):
            continue
        if claim is None and message.get("action") == "removed":
            return
        if claim is not None and state and claim(state):
            return


class Peer:
    def __init__(self, peer: CommandLine, reference: str) -> None:
        self.peer, self.reference, self.name = peer, reference, peer.name

    def watching(self) -> contextlib.AbstractContextManager[None]:
        return contextlib.nullcontext()

    def run(self) -> str:
        return self.peer.call("run", "-d", *self.peer.run_options, self.reference, *POLITE).splitlines()[-1]

    def exec(self, container: str) -> None:
        self.peer.call("exec", container, "true")

    def stop(self, container: str) -> None:
        self.peer.call("stop", container)

    def remove(self, container: str) -> None:
        self.peer.call("rm", container)

    def stop_and_remove(self, container: str) -> None:
        self.stop(container)
        self.remove(container)

    def remove_all(self, containers: list[str]) -> None:
        self.peer.call("rm", "-f", *containers)

    def figures(self, containers: list[str]) -> float:
        begin = time.monotonic()
        self.peer.call("stats", "--no-stream", *containers)
        return time.monotonic() - begin


def lives(
    rows: list[Row], contenders: list[Contender], reference: str, rounds: int, say: Callable[[str], None]
) -> None:
    """Adds its rows as it goes. The image must be there."""
    actors: list[Site | Peer] = [
        Site(contender, reference) if isinstance(contender, Ours) else Peer(contender, reference)  # type: ignore[arg-type]
        for contender in contenders
    ]
    told = Row("run: request → told that it runs")
    execs, stops, removes = Row("exec of `true`, to its exit"), Row("stop, of one that obeys"), Row("remove")
    both, at_once = Row("stop, then remove"), Row("stop and remove (ours: one request)")
    crowd, figures = (
        Row(f"{MANY} starts, {AT_A_TIME} at a time"),
        Row(f"figures of {MANY} once (ours: the engine alone)"),
    )
    rows += [told, execs, stops, removes, both, at_once, crowd, figures]
    for number in range(rounds):
        for actor in actors:
            with actor.watching():
                container = _timed(told, actor, actor.run)
            actor.exec(container)  # the first pays for what later ones find ready
            for _ in range(3):
                _timed(execs, actor, lambda actor=actor, container=container: actor.exec(container))
            with actor.watching():
                began = time.monotonic()
                _timed(stops, actor, lambda actor=actor, container=container: actor.stop(container))
                _timed(removes, actor, lambda actor=actor, container=container: actor.remove(container))
                both.add(actor.name, time.monotonic() - began)
            with actor.watching():
                container = actor.run()
                _timed(at_once, actor, lambda actor=actor, container=container: actor.stop_and_remove(container))
        say(f"life {number + 1} of {rounds}")
    for actor in actors:
        containers = _timed(crowd, actor, lambda actor=actor: _crowd(actor))
        for _ in range(3):
            figures.add(actor.name, actor.figures(containers))
        actor.remove_all(containers)
        say(f"crowd of {actor.name}")


def _crowd(actor: Site | Peer) -> list[str]:
    with ThreadPoolExecutor(AT_A_TIME) as pool:
        return list(pool.map(lambda _: actor.run(), range(MANY)))


def _timed(row: Row, actor: Site | Peer, action: Callable[[], Any]) -> Any:
    began = time.monotonic()
    outcome = action()
    row.add(actor.name, time.monotonic() - began)
    return outcome
