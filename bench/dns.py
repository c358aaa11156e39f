"""`python -m bench.dns`: names answered for containers, ours beside docker's embedded DNS.

In a container's network namespace a client asks 127.0.0.11 for the name of another container, and for a name that is
forwarded to a name server on the host (the same small one for both). One question at a time tells the latency, 32 at a
time the questions per second. All take turns in each round; the client is the same and costs some 8 µs a question.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import secrets
import socket
import statistics
import struct
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from bench import namespace
from bench.__main__ import say
from bench.contender import CannotStart
from bench.peers import Docker
from bench.scratch import scratch_directory
from engine.containers.spec import ContainerSpec
from engine.facade import Engine
from engine.options.networks import NetworkSpec
from tests.support import images
from tests.support.dns import name_server, question
from tests.support.home import Home
from tests.support.registry import Registry

SERVER = "127.0.0.11"
WINDOW = 32
ALONE, TOGETHER = 1000, 10_000
SUBNET, GATEWAY = "10.99.{}.0/24", "10.99.{}.1"
KINDS = {"own": "web", "forwarded": "host.example"}


@dataclass
class Figures:
    """Seconds of single questions, and questions per second, of all rounds."""

    seconds: list[float] = field(default_factory=list)
    rates: list[float] = field(default_factory=list)


class Side(Protocol):
    name: str
    pid: int

    def open(self, reference: str) -> None: ...
    def memory(self) -> str: ...
    def close(self) -> None: ...


class Ours:
    name = "portside"

    def __init__(self) -> None:
        self.home = Home()
        self.pid = 0

    def open(self, reference: str) -> None:
        self.engine = Engine(self.home.config)
        self.engine.reconcile()
        self.engine.images.pull(reference)
        self.engine.networks.create(NetworkSpec(id=secrets.token_hex(32), name="lan", subnet=SUBNET.format(1)))
        for name in ("web", "asker"):
            spec = ContainerSpec(
                id=secrets.token_hex(32), name=name, image=reference, command=("sleep", "10000"), network="lan",
                dns=(GATEWAY.format(1),),
            )  # fmt: skip
            self.engine.container_create(spec)
            self.pid = self.engine.container_start(spec.id).pid or 0

    def memory(self) -> str:
        """Both halves: what each has for itself, and its share of what they have together."""
        found = []
        for pid in self.home.own_processes():
            if b"engine.network.dns" in Path(f"/proc/{pid}/cmdline").read_bytes():
                rollup = Path(f"/proc/{pid}/smaps_rollup").read_text()
                found.append(
                    next(int(line.split()[1]) for line in rollup.splitlines() if line.startswith("Pss:")) / 1024
                )
        return f"{' + '.join(f'{one:.1f}' for one in sorted(found))} MB of processes for names alone"

    def close(self) -> None:
        self.home.destroy()


class Dockers:
    name = "docker"

    def __init__(self, directory: Path) -> None:
        self.docker = Docker(directory)
        self.pid = 0

    def open(self, reference: str) -> None:
        self.docker.open()
        self.docker.pull(reference)
        self.docker.call("network", "create", "--subnet", SUBNET.format(2), "--gateway", GATEWAY.format(2), "lan")
        for name in ("web", "asker"):
            self.docker.call(
                "run", "-d", "--name", name, "--network", "lan", "--dns", GATEWAY.format(2), reference, "sleep", "10000"
            )
        self.pid = int(self.docker.call("inspect", "--format", "{{.State.Pid}}", "asker"))

    def memory(self) -> str:
        return "a part of dockerd"

    def close(self) -> None:
        if self.docker.program is not None:
            for name in ("web", "asker"):
                self.docker.call("rm", "-f", name)
        self.docker.close()


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.dns")
    parser.add_argument("--rounds", type=int, default=5, help="how often each is measured (default 5)")
    parser.add_argument("--client", help=argparse.SUPPRESS)
    parser.add_argument("--server", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.client:
        print(json.dumps(measure(options.client)))
        return 0
    if options.server:
        with name_server(options.server):
            print("ready", flush=True)
            sys.stdin.read()
        return 0
    namespace.enter("bench.dns")
    scratch = scratch_directory()
    registry = Registry(scratch / "registry")
    reference = registry.push(images.tiny(), "dns:latest")
    sides: list[Side] = []
    servers: list[subprocess.Popen[bytes]] = []
    figures: dict[tuple[str, str], Figures] = {}
    try:
        for number, side in enumerate((Ours(), Dockers(scratch / "docker")), 1):
            try:
                side.open(reference)
            except CannotStart as reason:
                say(f"{side.name} is left out: {reason}")
                side.close()
                continue
            sides.append(side)
            servers.append(_upstream(GATEWAY.format(number)))
        for number in range(options.rounds):
            for side in sides:
                for kind, name in KINDS.items():
                    one = figures.setdefault((side.name, kind), Figures())
                    seconds, rate = _asked(side.pid, name)
                    one.seconds += seconds
                    one.rates.append(rate)
            say(f"round {number + 1} of {options.rounds}")
        report(figures, sides)
    finally:
        for server in servers:
            server.kill()
            server.wait()
        for side in sides:
            side.close()
        registry.close()
    return 0


def _upstream(address: str) -> subprocess.Popen[bytes]:
    """The name server that others' names are asked of, in a process of its own."""
    server = subprocess.Popen(
        [sys.executable, "-m", "bench.dns", "--server", address], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert server.stdout is not None
    assert server.stdout.readline() == b"ready\n"
    return server


def _asked(pid: int, name: str) -> tuple[list[float], float]:
    done = subprocess.run(
        ["nsenter", "-t", str(pid), "-n", sys.executable, "-m", "bench.dns", "--client", name],
        check=True, capture_output=True, text=True, env={**os.environ, namespace.INSIDE: "1"},
    )  # fmt: skip
    seconds, rate = json.loads(done.stdout)
    return seconds, rate


def measure(name: str) -> tuple[list[float], float]:
    """Ask from where we are: seconds of each question alone, and questions per second with `WINDOW` at a time."""
    seconds = []
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as own:
        own.settimeout(20)
        own.connect((SERVER, 53))
        packet = bytearray(question(name))
        for number in range(ALONE + 50):
            struct.pack_into(">H", packet, 0, number)
            begin = time.perf_counter()
            own.send(packet)
            answer = own.recv(4096)
            seconds.append(time.perf_counter() - begin)
            assert answer[3] & 0xF == 0, f"{SERVER} answered {name} with an error"
        begin = time.perf_counter()
        for number in range(WINDOW):
            struct.pack_into(">H", packet, 0, number)
            own.send(packet)
        for number in range(WINDOW, TOGETHER + WINDOW):
            own.recv(4096)
            if number < TOGETHER:
                struct.pack_into(">H", packet, 0, number)
                own.send(packet)
        return seconds[50:], TOGETHER / (time.perf_counter() - begin)


def report(figures: dict[tuple[str, str], Figures], sides: list[Side]) -> None:
    print(f"\n{platform.platform()}, {os.cpu_count()} cores, Python {platform.python_version()}\n")
    print(f"{'':12}{'name':12}{'median µs':>12}{'p99 µs':>12}{'questions/s':>14}")
    for (side, kind), one in figures.items():
        ordered = sorted(one.seconds)
        median, late = statistics.median(ordered) * 1e6, ordered[len(ordered) * 99 // 100] * 1e6
        print(f"{side:12}{kind:12}{median:12,.0f}{late:12,.0f}{statistics.median(one.rates):14,.0f}")
    for kind in KINDS:
        ours, theirs = figures.get(("portside", kind)), figures.get(("docker", kind))
        if ours and theirs:
            latency = statistics.median(ours.seconds) / statistics.median(theirs.seconds)
            rate = statistics.median(ours.rates) / statistics.median(theirs.rates)
            print(f"{kind}: latency ÷ docker {latency:.2f}, questions/s ÷ docker {rate:.2f}")
    for side in sides:
        print(f"{side.name}: {side.memory()}")


if __name__ == "__main__":
    sys.exit(main())
