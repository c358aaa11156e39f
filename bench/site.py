"""`python -m bench.site`: what a running site bears: lists, changes told to 100 sockets, a log shown to 100 viewers.

Lists are asked for by eight connections at a time, of one container and of a thousand; Docker's own list beside dockerd
with as many containers, which are created there and never started. Ours are recorded: rows, as hosts report them. All
clients run on the same machine and take their part of it.
"""

from __future__ import annotations

import argparse
import asyncio
import http.client
import json
import os
import platform
import signal
import socket
import statistics
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import psutil
from websockets.asyncio.client import connect

from bench import namespace
from bench.contender import CannotStart
from bench.ours import Ours
from bench.peers import Docker
from bench.scratch import scratch_directory
from tests.support import images
from tests.support.portside import Portside
from tests.support.processes import eventually
from tests.support.registry import Registry

AT_ONCE, LEAST, SOCKETS, MANY = 8, 3, 100, 1000
DOCKERS_LIST = "/v1.40/containers/json?all=1"
LINE = "a line of a log as programs print them, ninety characters long with all that belongs to it"
RECORD = """
import copy, secrets
from webui.containers.models import Container
first = Container.objects.get()
rows = []
for number in range(%d):
    row = copy.copy(first)
    row.pk, row.name = secrets.token_hex(32), f"recorded-{number}"
    rows.append(row)
Container.objects.bulk_create(rows)
"""
Open = Callable[[], http.client.HTTPConnection]


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.site")
    parser.add_argument("--seconds", type=float, default=5, help="how long each list is asked for (default 5)")
    parser.add_argument("--changes", type=int, default=50, help="changes told to the sockets (default 50)")
    parser.add_argument("--only", choices=["portside", "docker"], help="one of the two alone")
    options = parser.parse_args()
    namespace.enter("bench.site")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("ended"))
    scratch = scratch_directory()
    registry, ours = Registry(scratch / "registry"), Unlimited()
    print(f"{platform.platform()}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.0f} at the beginning\n")
    reference = registry.push(images.tiny(), "site:latest")
    try:
        if options.only != "docker":
            of_ours(ours, reference, options.seconds, options.changes)
        if options.only != "portside":
            lists_of_docker(Docker(scratch / "docker"), reference, options.seconds)
    except CannotStart as reason:
        print(reason, file=sys.stderr)
        return 1
    finally:
        ours.close()
        registry.close()
    return 0


def of_ours(ours: Unlimited, reference: str, seconds: float, changes: int) -> None:
    ours.open()
    ours.pull(reference)
    container = str(ours.rest.create(reference, "sleep", "100000").json["container"]["id"])
    ours.rest.wait_status(container, "running")
    lists_of_ours(ours, 1, seconds)
    asyncio.run(fan_out(ours, changes))
    asyncio.run(streaming(ours, reference))
    ours.portside.manage("shell", "-v", "0", "-c", RECORD % (MANY - 1))
    lists_of_ours(ours, MANY, seconds)


class Unlimited(Ours):
    """As many requests as one likes."""

    def __init__(self) -> None:
        super().__init__()
        self.portside = Portside(self.home, PORTSIDE_RATE_LIMIT="0")

    @property
    def headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.rest.token}"}

    def memory_mib(self) -> float:
        """What the site's own process has for itself."""
        return max(psutil.Process(pid).memory_full_info().uss for pid in self.portside.pids("uvicorn")) / (1 << 20)


def lists_of_ours(ours: Unlimited, count: int, seconds: float) -> None:
    def opened() -> http.client.HTTPConnection:
        return http.client.HTTPConnection(ours.portside.address, timeout=60)

    for what, path in (("REST, a page of them", "/api/v1/containers/"), ("Docker's API, all", DOCKERS_LIST)):
        tell(f"portside, {count:,} recorded: {what}", *asked(opened, path, ours.headers, seconds))


class UnixConnection(http.client.HTTPConnection):
    def __init__(self, path: str) -> None:
        super().__init__("docker", timeout=60)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.connect(self._path)


def lists_of_docker(peer: Docker, reference: str, seconds: float) -> None:
    """Says why where it can't be."""
    path = peer.socket.removeprefix("unix://")

    def opened() -> http.client.HTTPConnection:
        return UnixConnection(path)

    def create(_number: int) -> None:
        connection = opened()
        body = json.dumps({"Image": reference, "Cmd": ["true"]})
        connection.request("POST", "/v1.40/containers/create", body, {"Content-Type": "application/json"})
        answer = connection.getresponse()
        if answer.status != 201:
            raise CannotStart(f"docker create: {answer.read()[:200]!r}")
        connection.close()

    try:
        peer.open()
        peer.pull(reference)
        for count in (1, MANY):
            with ThreadPoolExecutor(AT_ONCE) as pool:
                list(pool.map(create, range(1 if count == 1 else MANY - 1)))
            tell(f"docker, {count:,} created: Docker's API, all", *asked(opened, DOCKERS_LIST, {}, seconds))
    except CannotStart as reason:
        print(f"docker is left out: {reason}")
    finally:
        peer.close()


def asked(opened: Open, path: str, headers: dict[str, str], seconds: float) -> tuple[list[float], float, int]:
    """Latencies, how long all of it took, and the size of an answer; the first answers are not counted."""
    found: list[float] = []
    sizes: set[int] = set()
    lock = threading.Lock()
    begin = time.monotonic() + 1

    def ask() -> None:
        connection, mine = opened(), []
        while (now := time.monotonic()) < begin + seconds or len(mine) < LEAST:
            connection.request("GET", path, headers=headers)
            answer = connection.getresponse()
            size = len(answer.read())
            assert answer.status == 200, answer.status
            if now >= begin:
                mine.append(time.monotonic() - now)
        with lock:
            found.extend(mine)
            sizes.add(size)

    threads = [threading.Thread(target=ask) for _ in range(AT_ONCE)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return found, time.monotonic() - begin, max(sizes)


def tell(what: str, latencies: list[float], seconds: float, size: int) -> None:
    print(
        f"{what}: {len(latencies) / seconds:,.0f} a second, {percentiles(latencies)}, {size:,} bytes each", flush=True
    )


def percentiles(seconds: list[float]) -> str:
    cuts = statistics.quantiles(seconds, n=100, method="inclusive")
    return ", ".join(f"p{number} {cuts[number - 1] * 1000:,.1f} ms" for number in (50, 95, 99))


async def fan_out(ours: Unlimited, changes: int) -> None:
    """Each change is a team's setting by REST; it has arrived when a socket was told of the entry in the audit log."""
    team = ours.rest.rows("/api/v1/teams/")[0]["id"]
    asked_at: list[float] = []
    arrived: list[float] = []

    async def listen(is_open: asyncio.Event) -> None:
        async with connect(f"ws://{ours.portside.address}/ws/events/", additional_headers=ours.headers) as page:
            await page.recv()
            is_open.set()
            heard = 0
            while heard < changes:
                if json.loads(await page.recv()).get("kind") == "audit":
                    arrived.append(time.monotonic() - asked_at[heard])
                    heard += 1

    opened = [asyncio.Event() for _ in range(SOCKETS)]
    listening = [asyncio.create_task(listen(one)) for one in opened]
    await asyncio.gather(*(one.wait() for one in opened))
    for number in range(changes):
        asked_at.append(time.monotonic())
        answer = await asyncio.to_thread(
            ours.rest.call, "PATCH", f"/api/v1/teams/{team}/", {"keep_logs_days": number + 1}
        )
        assert answer.status == 200, answer
        while len(arrived) < SOCKETS * (number + 1):
            await asyncio.sleep(0.005)
    await asyncio.wait_for(asyncio.gather(*listening), 60)
    print(f"a change, from the request to {SOCKETS} sockets: {percentiles(arrived)}; site {ours.memory_mib():.0f} MiB")


async def streaming(ours: Unlimited, reference: str) -> None:
    """Latency of stamped lines, 50 a second; then a log of 2 MB that is there, read by all at once."""
    script = "while usleep 20000; do echo | ts %.s; done"  # ts alone would keep its lines for a while
    stamping = str(ours.rest.create(reference, "sh", "-c", script).json["container"]["id"])
    eventually(lambda: ours.rest.logs(stamping), what="a stamped line")
    before = ours.memory_mib()
    late: list[float] = []

    async def view(_number: int) -> None:
        address = f"ws://{ours.portside.address}/ws/containers/{stamping}/logs/?tail=0"
        async with connect(address, additional_headers=ours.headers, max_size=None) as page:
            end = time.monotonic() + 8
            while time.monotonic() < end:
                message = json.loads(await page.recv())
                now = time.time()
                text = "".join(chunk["text"] for chunk in message.get("chunks", []))
                if end - time.monotonic() < 5:  # all are there
                    late.extend(now - float(line.split()[0]) for line in text.splitlines() if line.strip())

    await asyncio.gather(*(view(number) for number in range(SOCKETS)))
    print(
        f"a line, from its print to {SOCKETS} viewers: {percentiles(late)}; "
        f"site {before:.0f} → {ours.memory_mib():.0f} MiB"
    )
    ours.rest.remove(stamping)
    lines = 20_000
    full = str(
        ours.rest.create(reference, "sh", "-c", f"yes '{LINE}' | head -n {lines}; sleep 100000").json["container"]["id"]
    )
    eventually(lambda: len(ours.rest.logs(full)) >= lines * (len(LINE) + 1), what="the whole log")

    async def read(_number: int) -> int:
        address = f"ws://{ours.portside.address}/ws/containers/{full}/logs/?cursor=0"
        size = 0
        async with connect(address, additional_headers=ours.headers, max_size=None) as page:
            while size < lines * (len(LINE) + 1):
                message = json.loads(await page.recv())
                size += sum(len(chunk["text"]) for chunk in message.get("chunks", []))
        return size

    begin = time.monotonic()
    sizes = await asyncio.gather(*(read(number) for number in range(SOCKETS)))
    seconds = time.monotonic() - begin
    rate, memory = sum(sizes) / seconds / 1e6, ours.memory_mib()
    print(f"a log of {sizes[0] / 1e6:.1f} MB to {SOCKETS} viewers: {rate:.1f} MB/s in all; site {memory:.0f} MiB")
    ours.rest.remove(full)


if __name__ == "__main__":
    sys.exit(main())
