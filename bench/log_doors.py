"""The doors by which a log is read, beside one another: REST, WebSocket, Docker's API, the docker command, podman's.

Each reader throws away what it gets as it comes, and says how many bytes that were.
"""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from urllib.parse import quote, urlencode

from websockets.sync.client import connect

from bench.at_rest import ticks
from bench.contender import CannotStart
from bench.ours import Ours
from bench.peers import CommandLine, Docker
from bench.site import UnixConnection
from engine.logs.reader import LogReader
from tests.dockerapi.client import Client
from tests.support.home import command_of

READ_BYTES = 1 << 20
API = "/v1.40"
FOLLOW = ("logs", "-f", "--tail", "0")
Wish = Mapping[str, float]
Read = Callable[[str, Wish], int]
Follow = Callable[[str], contextlib.AbstractContextManager[Iterator[bytes]]]
COMMAND = "by command"


class Platform:
    """A running one. `readers`: by door, from a container's id and `tail`, `since`, `until` to the bytes that came.

    `followers`: by door, from a container's id to what comes from now on.
    """

    name: str
    readers: dict[str, Read]
    followers: dict[str, Follow]

    def processes(self) -> list[int]:
        raise NotImplementedError

    def pull(self, reference: str) -> float:
        raise NotImplementedError

    def print(self, reference: str, script: str, **limits: str) -> tuple[str, float]:
        """Run a script to its end: the container's id, seconds from the request to the word that it has ended."""
        raise NotImplementedError

    def again(self, container: str) -> None:
        """Start it again, until it has ended."""
        raise NotImplementedError

    def begin(self, reference: str, script: str) -> str:
        """Run one that goes on."""
        raise NotImplementedError

    def remove(self, container: str) -> None:
        raise NotImplementedError

    def close(self) -> None:
        raise NotImplementedError


def processor_seconds(platform: Platform) -> float:
    """What its processes, with all that they have waited for, and the commands and readers of the bench have used."""
    own = os.times()
    used = sum(ticks(platform.processes()).values()) / os.sysconf("SC_CLK_TCK")
    return used + own.user + own.system + own.children_user + own.children_system


class OurLogs(Platform):
    """That a container has ended is told by the site's socket."""

    name = "portside"

    def __init__(self, ours: Ours, client: Client) -> None:
        self.ours, self.rest, self._client = ours, ours.rest, client
        self._headers = {"Authorization": f"Bearer {self.rest.token}"}
        self.readers = {
            "engine": self._by_engine,
            "REST": self._by_rest,
            "WebSocket": self._by_socket,
            "Docker's API": self._by_api,
            COMMAND: self._by_command,
        }
        self.followers = {"WebSocket": self._follow_socket, COMMAND: self._follow_command}

    def processes(self) -> list[int]:
        return self.ours.home.own_processes()

    def pull(self, reference: str) -> float:
        return self.ours.pull(reference)

    def print(self, reference: str, script: str, **limits: str) -> tuple[str, float]:
        begin = time.monotonic()
        with self._ended() as wait:
            begin = time.monotonic()
            answer = self.rest.create(reference, "sh", "-c", script, **({"log_opt": limits} if limits else {}))
            if answer.status != 202:
                raise CannotStart(f"portside create: {answer}")
            container = str(answer.json["container"]["id"])
            wait(container)
            return container, time.monotonic() - begin

    def again(self, container: str) -> None:
        with self._ended() as wait:
            self.rest.post(f"/api/v1/containers/{container}/start/")
            wait(container, after="running")

    @contextlib.contextmanager
    def _ended(self) -> Iterator[Callable[..., None]]:
        with connect(f"ws://{self.ours.portside.address}/ws/events/", additional_headers=self._headers) as socket:
            socket.recv(timeout=10)  # hello

            def wait(container: str, after: str | None = None) -> None:
                while True:
                    message = json.loads(socket.recv(timeout=900))
                    state = message.get("object") or {}
                    if message.get("kind") != "container" or state.get("id") != container:
                        continue
                    if state.get("status") == after:
                        after = None
                    elif state.get("status") == "stopped" and after is None:
                        return

            yield wait

    def begin(self, reference: str, script: str) -> str:
        container = str(self.rest.create(reference, "sh", "-c", script).json["container"]["id"])
        self.rest.wait_status(container, "running")
        return container

    def _follow_command(self, container: str) -> contextlib.AbstractContextManager[Iterator[bytes]]:
        return _following(self._client.command(*FOLLOW, container), self._client.environment())

    @contextlib.contextmanager
    def _follow_socket(self, container: str) -> Iterator[Iterator[bytes]]:
        address = f"ws://{self.ours.portside.address}/ws/containers/{container}/logs/?tail=0"
        with connect(address, additional_headers=self._headers, max_size=None) as socket:
            yield (
                "".join(chunk["text"] for chunk in json.loads(socket.recv(timeout=60)).get("chunks", [])).encode()
                for _ in iter(int, 1)
            )

    def remove(self, container: str) -> None:
        self.rest.remove(container)

    def close(self) -> None:
        self.ours.close()

    def _by_engine(self, container: str, wish: Wish) -> int:
        """In this process: what of an answer is the engine's."""
        reader = LogReader(self.ours.home.config.containers / container / "log")
        cursor = max(
            reader.cursor_at_tail(int(wish["tail"])) if "tail" in wish else 0,
            reader.cursor_since(wish["since"]) if "since" in wish else 0,
        )
        end, size = reader.cursor_since(wish["until"]) if "until" in wish else reader.end(), 0
        while cursor < end and (chunks := reader.read(cursor, min(READ_BYTES, end - cursor))):
            size += sum(len(chunk.data) for chunk in chunks)
            cursor = chunks[-1].end
        return size

    def _by_rest(self, container: str, wish: Wish) -> int:
        connection = http.client.HTTPConnection(self.ours.portside.address, timeout=600)
        return _get(connection, f"/api/v1/containers/{container}/logs/?{urlencode(dict(wish))}", self._headers)

    def _by_api(self, container: str, wish: Wish) -> int:
        connection = http.client.HTTPConnection(self.ours.portside.address, timeout=600)
        return _get(connection, _api_path(container, wish), self._headers)

    def _by_command(self, container: str, wish: Wish) -> int:
        return _run(self._client.command("logs", *_options(wish), container), self._client.environment())

    def _by_socket(self, container: str, wish: Wish) -> int:
        """To the end that the log has now; bytes of text."""
        end = LogReader(self.ours.home.config.containers / container / "log").end()
        query = urlencode({"cursor": 0, **wish} if not wish else dict(wish))
        address = f"ws://{self.ours.portside.address}/ws/containers/{container}/logs/?{query}"
        size = 0
        with connect(address, additional_headers=self._headers, max_size=None, compression=None) as socket:
            while True:
                message = json.loads(socket.recv(timeout=60))
                if message["type"] != "log":
                    return size
                size += sum(len(chunk["text"]) for chunk in message["chunks"])
                if message["cursor"] >= end:
                    return size


class PeerLogs(Platform):
    """docker (json-file) or podman (k8s-file) by its commands; docker by its API as well."""

    def __init__(self, engine: CommandLine, directory: Path) -> None:
        self.engine, self.name, self._directory = engine, engine.name, directory
        self.readers = {COMMAND: self._by_command}
        self.followers = {
            COMMAND: lambda container: _following([*engine.command, *FOLLOW, container], engine.environment)
        }
        if isinstance(engine, Docker):
            self._socket = engine.socket.removeprefix("unix://")
            self.readers["Docker's API"] = self._by_api

    def processes(self) -> list[int]:
        pids = (int(entry) for entry in os.listdir("/proc") if entry.isdigit())
        return [pid for pid in pids if str(self._directory) in command_of(pid)]

    def pull(self, reference: str) -> float:
        return self.engine.pull(reference)

    def print(self, reference: str, script: str, **limits: str) -> tuple[str, float]:
        begin = time.monotonic()
        container = self.begin(reference, script)
        self.engine.call("wait", container, seconds=900)
        return container, time.monotonic() - begin

    def again(self, container: str) -> None:
        self.engine.call("start", container)
        self.engine.call("wait", container, seconds=900)

    def begin(self, reference: str, script: str) -> str:
        return self.engine.call("run", "-d", *self.engine.run_options, reference, "sh", "-c", script).splitlines()[-1]

    def remove(self, container: str) -> None:
        self.engine.call("rm", "-f", container)

    def close(self) -> None:
        self.engine.close()  # type: ignore[attr-defined]

    def _by_command(self, container: str, wish: Wish) -> int:
        return _run([*self.engine.command, "logs", *_options(wish), container], self.engine.environment)

    def _by_api(self, container: str, wish: Wish) -> int:
        return _get(UnixConnection(self._socket), _api_path(container, wish), {})


def _api_path(container: str, wish: Wish) -> str:
    words = {name: str(int(value)) if name == "tail" else f"{value:.6f}" for name, value in wish.items()}
    return f"{API}/containers/{quote(container)}/logs?{urlencode({'stdout': 1, 'stderr': 1, **words})}"


def _get(connection: http.client.HTTPConnection, path: str, headers: Mapping[str, str]) -> int:
    """Bytes of the answer's body."""
    with contextlib.closing(connection):
        connection.request("GET", path, headers=dict(headers))
        answer = connection.getresponse()
        if answer.status != 200:
            raise CannotStart(f"{path}: {answer.status} {answer.read(400)!r}")
        size = 0
        while part := answer.read1(READ_BYTES):
            size += len(part)
        return size


def _run(command: Sequence[str], environment: Mapping[str, str] | None) -> int:
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=None if environment is None else {**environment}
    ) as process:
        assert process.stdout
        size = 0
        while part := os.read(process.stdout.fileno(), READ_BYTES):
            size += len(part)
    if process.returncode:
        raise CannotStart(f"{' '.join(command)} failed")
    return size


@contextlib.contextmanager
def _following(command: Sequence[str], environment: Mapping[str, str] | None) -> Iterator[Iterator[bytes]]:
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=None if environment is None else {**environment}
    ) as process:
        assert process.stdout
        descriptor = process.stdout.fileno()
        try:
            yield iter(lambda: os.read(descriptor, READ_BYTES), b"")
        finally:
            process.kill()


def _options(wish: Wish) -> list[str]:
    """docker takes Unix seconds with a fraction, podman RFC 3339 alone."""
    return [word for name, value in wish.items() for word in (f"--{name}", _word(name, value))]


def _word(name: str, value: float) -> str:
    if name == "tail":
        return str(int(value))
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(value)) + f"{value % 1:.6f}"[1:] + "Z"
