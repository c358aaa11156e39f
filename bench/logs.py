"""`python -m bench.logs`: what a container prints and how it is read back, ours beside docker (json-file) and podman.

A million lines are printed by a container and read back whole. Of a log of a gigabyte the last thousand lines are read,
and the thousand lines of one moment in its middle. Ours go through REST, theirs through their command lines. Ours keeps
the last 100 MB of what a container prints, so its gigabyte is put into the log of a container by the writer that the
keeper uses, from the same pipe.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

from websockets.sync.client import connect

from bench import namespace
from bench.__main__ import ready, report, say
from bench.contender import CannotStart
from bench.ours import Ours
from bench.peers import CommandLine, Docker, Podman
from bench.report import Row
from bench.scratch import scratch_directory
from engine.logs.packer import Packer
from engine.logs.writer import LogWriter
from tests.support import images
from tests.support.processes import eventually
from tests.support.registry import Registry

LINE = "a line of a log as programs print them, ninety characters long with all that belongs to it"
TAIL = 1000


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.logs")
    parser.add_argument("--rounds", type=int, default=3, help="how often each is measured (default 3)")
    parser.add_argument("--lines", type=int, default=1_000_000, help="lines to print (default a million)")
    parser.add_argument("--megabytes", type=int, default=1000, help="size of the long log (default 1000)")
    options = parser.parse_args()
    namespace.enter("bench.logs")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("ended"))
    scratch = scratch_directory()
    registry = Registry(scratch / "registry")
    ours, docker, podman = OurLogs(), PeerLogs(Docker(scratch / "docker")), PeerLogs(Podman(scratch / "podman"))
    able = ready([ours, docker.engine, podman.engine])
    contenders = [one for one in (ours, docker, podman) if getattr(one, "engine", one) in able]
    rows: list[Row] = []
    try:
        reference = registry.push(images.tiny(), "logs:latest")
        for contender in contenders:
            contender.pull(reference)
        printing(rows, contenders, reference, options.lines, options.rounds)
        reading(rows, contenders, reference, options.megabytes, options.rounds)
    finally:
        report(rows, ["portside", "docker", "podman"])
        for one in able:
            one.close()
        registry.close()
    return 0


def printing(rows: list[Row], contenders: list[Logs], reference: str, lines: int, rounds: int) -> None:
    printed, read = Row(f"print {lines:,} lines: request → its end", goal=0.5), Row("read them back", goal=0.1)
    rows += [printed, read]
    for number in range(rounds):
        for contender in contenders:
            container, seconds = contender.print(reference, f"yes '{LINE}' | head -n {lines}")
            printed.add(contender.name, seconds)
            begin = time.monotonic()
            size = contender.read(container)
            read.add(contender.name, time.monotonic() - begin)
            assert size >= lines * (len(LINE) + 1), f"{contender.name} lost {lines * (len(LINE) + 1) - size} bytes"
            contender.remove(container)
        say(f"lines {number + 1} of {rounds}")


def reading(rows: list[Row], contenders: list[Logs], reference: str, megabytes: int, rounds: int) -> None:
    tail = Row(f"last {TAIL} lines of {megabytes} MB", goal=0.5)
    moment = Row(f"{TAIL} lines of one moment of {megabytes} MB", goal=0.1)
    rows += [tail, moment]
    half = megabytes * 1_000_000 // (len(LINE) + 1) // 2
    for contender in contenders:
        say(f"{contender.name} prints {megabytes} MB …")
        container, since, until = contender.long_log(reference, half)
        for _ in range(rounds):
            for row, wish in ((tail, {"tail": TAIL}), (moment, {"since": since, "until": until})):
                begin = time.monotonic()
                size = contender.read(container, **wish)
                row.add(contender.name, time.monotonic() - begin)
                assert size >= TAIL * (len(LINE) + 1), f"{contender.name} answered {size} bytes to {wish}"
        contender.remove(container)


class OurLogs(Ours):
    """Through REST; that a container has ended is told by the site's socket."""

    def print(self, reference: str, script: str) -> tuple[str, float]:
        headers = {"Authorization": f"Bearer {self.rest.token}"}
        with connect(f"ws://{self.portside.address}/ws/events/", additional_headers=headers) as socket:
            socket.recv(timeout=10)  # hello
            begin = time.monotonic()
            container = str(self.rest.create(reference, "sh", "-c", script).json["container"]["id"])
            while True:
                message = json.loads(socket.recv(timeout=600))
                state = message.get("object") or {}
                if message.get("kind") == "container" and (state.get("id"), state.get("status")) == (
                    container,
                    "stopped",
                ):
                    return container, time.monotonic() - begin

    def read(self, container: str, **wish: float) -> int:
        query = "&".join(f"{name}={value!r}" for name, value in wish.items())
        request = urllib.request.Request(
            f"http://{self.portside.address}/api/v1/containers/{container}/logs/?{query}",
            headers={"Authorization": f"Bearer {self.rest.token}"},
        )
        size = 0
        with urllib.request.urlopen(request, timeout=600) as answer:
            while part := answer.read(1 << 20):
                size += len(part)
        return size

    def long_log(self, reference: str, half: int) -> tuple[str, float, float]:
        container, _ = self.print(reference, "true")
        moments = []
        packer = Packer()
        eventually(lambda: not self._is_written(container), seconds=60, what="the end of its log")
        with LogWriter(self._directory(container), keep=10_000, full=packer.submit) as writer:
            for lines in (half, TAIL, half):
                moments.append(time.time())
                _pour(writer, lines)
        return container, moments[1], moments[2]

    def _directory(self, container: str) -> Path:
        return self.home.config.containers / container / "log"

    def _is_written(self, container: str) -> bool:
        try:
            LogWriter(self._directory(container)).close()
        except Exception:
            return True
        return False

    def remove(self, container: str) -> None:
        self.rest.remove(container)


def _pour(writer: LogWriter, lines: int) -> None:
    reader, sink = os.pipe()
    with subprocess.Popen(["sh", "-c", f"yes '{LINE}' | head -n {lines}"], stdout=sink):
        os.close(sink)
        while writer.pump(reader, "stdout") != 0:
            pass
    os.close(reader)


class PeerLogs:
    """docker or podman by its commands."""

    def __init__(self, engine: CommandLine) -> None:
        self.engine, self.name = engine, engine.name

    def pull(self, reference: str) -> float:
        return self.engine.pull(reference)

    def print(self, reference: str, script: str) -> tuple[str, float]:
        begin = time.monotonic()
        container = self._run(reference, script)
        self.engine.call("wait", container, seconds=900)
        return container, time.monotonic() - begin

    def _run(self, reference: str, script: str) -> str:
        return self.engine.call("run", "-d", *self.engine.run_options, reference, "sh", "-c", script).splitlines()[-1]

    def read(self, container: str, **wish: float) -> int:
        """Bytes of its answer, which is thrown away as it comes."""
        options = [word for name, value in wish.items() for word in (f"--{name}", _moment(name, value))]
        with subprocess.Popen(
            [*self.engine.command, "logs", *options, container], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
            env=self.engine.environment,
        ) as process:  # fmt: skip
            assert process.stdout
            size = 0
            while part := process.stdout.read(1 << 20):
                size += len(part)
        if process.returncode:
            raise CannotStart(f"{self.name} logs failed")
        return size

    def long_log(self, reference: str, half: int) -> tuple[str, float, float]:
        script = (
            "n=$(cat /n 2>/dev/null || echo 0); echo $((n+1)) > /n; "
            f"lines={half}; [ $n = 1 ] && lines={TAIL}; yes '{LINE}' | head -n $lines"
        )
        container, _ = self.print(reference, script)
        moments = []
        for _ in range(2):
            time.sleep(1.1)  # whoever counts in seconds shall tell the three apart
            moments.append(time.time())
            self.engine.call("start", container)
            self.engine.call("wait", container, seconds=900)
        return container, moments[0], moments[1]

    def remove(self, container: str) -> None:
        self.engine.call("rm", "-f", container)


def _moment(name: str, value: float) -> str:
    """docker takes Unix seconds with a fraction, podman RFC 3339 alone."""
    if name == "tail":
        return str(int(value))
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(value)) + f"{value % 1:.6f}"[1:] + "Z"


Logs = OurLogs | PeerLogs

if __name__ == "__main__":
    sys.exit(main())
