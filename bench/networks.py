"""`python -m bench.networks`: what networks carry and cost, ours beside docker's, in one run.

Throughput: one TCP connection of a sender of ours (1 MiB at a time) in the namespaces of two containers, in turns.
Verbs: ours is the engine in this process, docker its API by its socket, both without a new process for each question.
docker runs without docker-proxy, of which a thousand ports would need a thousand.
"""

from __future__ import annotations

import argparse
import ctypes
import http.client
import json
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

from bench import namespace
from bench.contender import CannotStart
from bench.peers import Docker
from bench.report import Row, table
from engine.containers.spec import ContainerSpec, PortMapping
from engine.facade import Engine
from engine.options.networks import Joining, NetworkSpec
from tests.support import images
from tests.support.home import Home
from tests.support.registry import Registry

PORT = 5201
PORTS = 1000
ENDPOINTS = 500
SLEEP = ["sleep", "100000"]
RECEIVER = """
import socket, sys
listener = socket.create_server(("0.0.0.0", int(sys.argv[1])))
print("ready", flush=True)
buffer = bytearray(1 << 20)
while True:
    connection, _ = listener.accept()
    while connection.recv_into(buffer):
        pass
    connection.send(b"e")
    connection.close()
"""
SENDER = """
import socket, sys, time
client = socket.create_connection((sys.argv[1], int(sys.argv[2])))
block, begin, sent = bytes(1 << 20), time.monotonic(), 0
while time.monotonic() < begin + float(sys.argv[3]):
    client.sendall(block)
    sent += len(block)
client.shutdown(socket.SHUT_WR)
client.recv(1)
print(sent / (time.monotonic() - begin))
"""


class OurEngine:
    name = "portside"

    def open(self, reference: str) -> None:
        self.home = Home()
        self.engine = Engine(self.home.config)
        self.engine.reconcile()
        self.engine.images.pull(reference)
        self.reference = reference

    def create(self, ports: list[int], network: str = "bridge") -> str:
        published = tuple(PortMapping(container=PORT, host=port) for port in ports)
        spec = ContainerSpec(
            id=secrets.token_hex(32), name=f"b{secrets.token_hex(4)}", image=self.reference, command=tuple(SLEEP),
            ports=published, network=network,
        )  # fmt: skip
        self.engine.container_create(spec)
        return spec.id

    def start(self, container: str) -> None:
        self.engine.container_start(container)

    def address(self, container: str) -> tuple[int, str]:
        record = self.engine.container_get(container)
        return int(record.pid or 0), str(record.ip_address)

    def remove(self, container: str) -> None:
        self.engine.container_remove(container, force=True)

    def network(self, name: str) -> None:
        self.engine.networks.create(NetworkSpec(id=secrets.token_hex(32), name=name))

    def connect(self, name: str, container: str) -> None:
        self.engine.networks.connect(name, container, Joining(network=name))

    def disconnect(self, name: str, container: str) -> None:
        self.engine.networks.disconnect(name, container)

    def close(self) -> None:
        self.engine.network.teardown()
        self.home.destroy()


class TheirApi:
    name = "docker"

    def __init__(self, directory: Path) -> None:
        self.docker = Docker(directory, {"userland-proxy": False})

    def open(self, reference: str) -> None:
        self.docker.open()
        self.docker.pull(reference)
        self.reference = reference

    def create(self, ports: list[int], network: str = "bridge") -> str:
        bindings = [{"HostIp": "127.0.0.1", "HostPort": str(port)} for port in ports]
        host: dict[str, Any] = {"NetworkMode": network}
        if ports:
            host["PortBindings"] = {f"{PORT}/tcp": bindings}
        body = {"Image": self.reference, "Cmd": SLEEP, "HostConfig": host, "ExposedPorts": {f"{PORT}/tcp": {}}}
        return str(self._ask("POST", "/containers/create", body)["Id"])

    def start(self, container: str) -> None:
        self._ask("POST", f"/containers/{container}/start")

    def address(self, container: str) -> tuple[int, str]:
        found = self._ask("GET", f"/containers/{container}/json")
        return int(found["State"]["Pid"]), str(found["NetworkSettings"]["IPAddress"])

    def remove(self, container: str) -> None:
        self._ask("DELETE", f"/containers/{container}?force=1")

    def network(self, name: str) -> None:
        self._ask("POST", "/networks/create", {"Name": name})

    def connect(self, name: str, container: str) -> None:
        self._ask("POST", f"/networks/{name}/connect", {"Container": container})

    def disconnect(self, name: str, container: str) -> None:
        self._ask("POST", f"/networks/{name}/disconnect", {"Container": container})

    def close(self) -> None:
        self.docker.close()

    def _ask(self, method: str, path: str, body: object = None) -> dict[str, Any]:
        connection = http.client.HTTPConnection("docker")
        connection.sock = socket.socket(socket.AF_UNIX)
        connection.sock.connect(self.docker.socket.removeprefix("unix://"))
        text = None if body is None else json.dumps(body)
        connection.request(method, path, text, {"Content-Type": "application/json"})
        answer = connection.getresponse()
        content = answer.read()
        connection.close()
        if answer.status >= 300:
            raise CannotStart(f"docker {method} {path}: {content.decode()[:300]}")
        return dict(json.loads(content)) if content.startswith(b"{") else {}


@contextmanager
def receiving(pid: int | None, port: int) -> Iterator[None]:
    """A receiver in the network namespace of `pid`, or in our own."""
    command = [*_inside(pid), sys.executable, "-c", RECEIVER, str(port)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE)
    assert process.stdout is not None and process.stdout.readline() == b"ready\n"
    try:
        yield
    finally:
        process.kill()
        process.communicate()


def rate(pid: int | None, address: str, port: int, seconds: float) -> float:
    """Bytes a second from the namespace of `pid` (None: the host's) to a receiver."""
    command = [*_inside(pid), sys.executable, "-c", SENDER, address, str(port), str(seconds)]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    return float(done.stdout)


def _inside(pid: int | None) -> list[str]:
    return [] if pid is None else ["nsenter", "--target", str(pid), "--net"]


def throughput(contenders: list[Any], rounds: int, seconds: float) -> list[tuple[str, dict[str, list[float]]]]:
    """Gbit/s by contender, for each way."""
    ways: list[tuple[str, dict[str, list[float]]]] = [
        (name, {}) for name in ("container to container", "container to host", "host to a published port")
    ]
    there = {}
    for number, contender in enumerate(contenders):
        port = 30_000 + number
        pair = [contender.create([port]), contender.create([])]
        for container in pair:
            contender.start(container)
        there[contender.name] = (pair, port)
    for _ in range(rounds):
        for contender in contenders:
            (one, other), port = there[contender.name]
            (one_pid, one_address), (other_pid, _) = contender.address(one), contender.address(other)
            with receiving(one_pid, PORT):
                _note(ways[0], contender, rate(other_pid, one_address, PORT, seconds))
                _note(ways[2], contender, rate(None, "127.0.0.1", port, seconds))
            with receiving(None, PORT + 1):
                _note(ways[1], contender, rate(other_pid, _gateway(other_pid), PORT + 1, seconds))
    for contender in contenders:
        for container in there[contender.name][0]:
            contender.remove(container)
    return ways


def _note(way: tuple[str, dict[str, list[float]]], contender: Any, found: float) -> None:
    way[1].setdefault(contender.name, []).append(found * 8 / 1e9)


def _gateway(pid: int) -> str:
    command = [*_inside(pid), "ip", "route", "show", "default"]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.split()[2]


def ports(contenders: list[Any], rounds: int) -> list[Row]:
    """A start with one port, when none and when a thousand others are published."""
    rows = [Row("start with a port, the first"), Row(f"start with a port, when {PORTS} are published")]
    for number, contender in enumerate(contenders):
        for row in rows:
            many = ""
            if row is rows[1]:
                first = 31_000 + 2000 * number
                many = contender.create(list(range(first, first + PORTS)))
                contender.start(many)
            for turn in range(rounds):
                container = contender.create([40_000 + 100 * number + turn])
                row.add(contender.name, _seconds(partial(contender.start, container)))
                contender.remove(container)
            if many:
                contender.remove(many)
    return rows


def joining(contenders: list[Any], rounds: int) -> list[Row]:
    """A network made; a container that runs joins and leaves it."""
    rows = [Row("make a network"), Row("join, while it runs"), Row("leave, while it runs")]
    for contender in contenders:
        container = contender.create([])
        contender.start(container)
        for turn in range(rounds):
            name = f"bench{turn}"
            rows[0].add(contender.name, _seconds(partial(contender.network, name)))
            for row, verb in ((rows[1], contender.connect), (rows[2], contender.disconnect)):
                row.add(contender.name, _seconds(partial(verb, name, container)))
        contender.remove(container)
    return rows


def endpoints(engine: Engine) -> float:
    """Seconds for 500 endpoints on one network, each with a namespace of its own: no containers around them."""
    engine.networks.create(NetworkSpec(id=secrets.token_hex(32), name="crowd", ipv6=True))
    done, threads, tids = threading.Event(), [], []

    def hold() -> None:
        _unshare()
        tids.append(threading.get_native_id())
        done.wait()

    for _ in range(ENDPOINTS):
        threads.append(threading.Thread(target=hold))
        threads[-1].start()
    while len(tids) < ENDPOINTS:
        time.sleep(0.01)

    def join_all() -> None:
        for tid in tids:
            engine.network.reserve(f"e{tid}", [Joining(network="crowd")])
            engine.network.named.attach(f"e{tid}", tid, has_route=False)

    seconds = _seconds(join_all)
    for tid in tids:
        engine.network.release(f"e{tid}")
    done.set()
    for thread in threads:
        thread.join()
    return seconds


def _unshare() -> None:
    # os.unshare came with Python 3.12.
    if ctypes.CDLL(None, use_errno=True).unshare(0x40000000):
        raise OSError(ctypes.get_errno(), "unshare")


def _seconds(work: Callable[[], object]) -> float:
    begin = time.monotonic()
    work()
    return time.monotonic() - begin


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.networks", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=2.0, help="that each throughput is measured for")
    options = parser.parse_args()
    namespace.enter("bench.networks")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("ended"))
    scratch = Path(tempfile.mkdtemp(prefix="psb-"))
    registry = Registry(scratch / "registry")
    reference = registry.push(images.tiny(), "tiny:latest")
    opened: list[Any] = []
    ours = OurEngine()
    for contender in (ours, TheirApi(scratch / "docker")):
        try:
            contender.open(reference)
            opened.append(contender)
        except CannotStart as reason:
            print(f"{contender.name} is left out: {reason}", file=sys.stderr)
    try:
        rows = [*joining(opened, options.rounds), *ports(opened, options.rounds)]
        print(table(rows, [one.name for one in opened]))
        for way, found in throughput(opened, options.rounds, options.seconds):
            middle = {name: sorted(values)[len(values) // 2] for name, values in found.items()}
            share = middle["portside"] / middle["docker"] if "docker" in middle else float("nan")
            shown = ", ".join(f"{name} {value:.1f}" for name, value in middle.items())
            print(f"{way}: {shown} Gbit/s; {share:.2f} of docker's")
        print(f"{ENDPOINTS} endpoints with both families: {endpoints(ours.engine):.2f} s")
        print(f"load {os.getloadavg()[0]:.1f}")
    finally:
        for contender in opened:
            contender.close()
        registry.close()
    shutil.rmtree(scratch, ignore_errors=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
