"""`python -m bench.copies`: files in and out of a container, export and commit; ours by REST beside docker and podman.

Each contender has one running container. A tar is given and taken by standard streams: what unpacks it on the
client's side would be the same program for all. docker's and podman's client is their own, ours reads the socket here.
"""

from __future__ import annotations

import argparse
import io
import os
import signal
import subprocess
import sys
import tarfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import urllib3

from bench import namespace
from bench.contender import CannotStart
from bench.ours import Ours
from bench.peers import CommandLine, Docker, Podman
from bench.report import Row, table
from bench.scratch import scratch_directory
from tests.support import images
from tests.support.registry import Registry

BIG_BYTES, SMALL_FILES, SMALL_BYTES = 200 << 20, 5000, 2000
SECONDS = 300  # no new round begins after this


class Theirs:
    """docker or podman; a tar goes to `cp -` and comes from it by pipes."""

    def __init__(self, engine: CommandLine, reference: str) -> None:
        self.engine, self.name = engine, engine.name
        engine.pull(reference)
        self.container = engine.call("run", "-d", *engine.run_options, reference, "sleep", "10000").splitlines()[-1]

    def put(self, archive: Path, directory: str) -> None:
        with archive.open("rb") as source:
            self._run("cp", "-", f"{self.container}:{directory}", stdin=source)

    def get(self, path: str) -> None:
        self._run("cp", f"{self.container}:{path}", "-", stdin=subprocess.DEVNULL)

    def export(self) -> None:
        self._run("export", self.container, stdin=subprocess.DEVNULL)

    def commit(self, reference: str) -> None:
        self._run("commit", self.container, reference, stdin=subprocess.DEVNULL)

    def make(self, directory: str) -> None:
        self._run("exec", self.container, "mkdir", "-p", directory, stdin=subprocess.DEVNULL)

    def _run(self, *words: str, stdin: Any) -> None:
        command, environment = [*self.engine.command, *words], self.engine.environment
        done = subprocess.run(
            command, stdin=stdin, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, env=environment, check=False
        )
        if done.returncode:
            raise CannotStart(f"{self.name} {words[0]}: {done.stderr.decode()[-400:]}")


class OursByRest:
    """The same over REST, read and written by this process."""

    name = "portside"

    def __init__(self, ours: Ours, reference: str) -> None:
        ours.pull(reference)
        self.rest = ours.rest
        self.id = self.rest.run(reference, "sleep", "10000")["id"]
        self.base = f"{self.rest.base}/api/v1/containers/{self.id}"
        self.pool = urllib3.PoolManager(retries=False, headers={"Authorization": f"Bearer {self.rest.token}"})

    def put(self, archive: Path, directory: str) -> None:
        with archive.open("rb") as source:
            answer = self.pool.request("PUT", f"{self.base}/archive/?path={directory}", body=source)
        if answer.status != 200:
            raise CannotStart(f"portside: {answer.data!r}")

    def get(self, path: str) -> None:
        self._take(f"{self.base}/archive/?path={path}")

    def export(self) -> None:
        self._take(f"{self.base}/export/")

    def commit(self, reference: str) -> None:
        self.rest.succeed(
            self.rest.post(f"/api/v1/containers/{self.id}/commit/", {"reference": reference}), seconds=300
        )

    def make(self, directory: str) -> None:
        stream = io.BytesIO()
        with tarfile.open(fileobj=stream, mode="w") as archive:
            info = tarfile.TarInfo(directory.strip("/"))
            info.type, info.mode = tarfile.DIRTYPE, 0o755
            archive.addfile(info)
        self.pool.request("PUT", f"{self.base}/archive/?path=/", body=stream.getvalue())

    def _take(self, url: str) -> None:
        answer = self.pool.request("GET", url, preload_content=False)
        while answer.read(1 << 20):
            pass
        if answer.status != 200:
            raise CannotStart(f"portside: {answer.status}")
        answer.release_conn()


def archives(scratch: Path) -> tuple[Path, Path]:
    """A tar with one big file, and one with many small ones."""
    big, small = scratch / "big.tar", scratch / "small.tar"
    with tarfile.open(big, "w") as archive:
        info = tarfile.TarInfo("big")
        info.size = BIG_BYTES
        archive.addfile(info, io.BytesIO(os.urandom(1 << 20) * (BIG_BYTES >> 20)))
    with tarfile.open(small, "w") as archive:
        for number in range(SMALL_FILES):
            info = tarfile.TarInfo(f"many/{number % 50}/{number}")
            info.size = SMALL_BYTES
            archive.addfile(info, io.BytesIO(os.urandom(SMALL_BYTES)))
    return big, small


def measure(contenders: list[Any], scratch: Path, rounds: int) -> list[Row]:
    big, small = archives(scratch)
    works: list[tuple[str, Callable[[Any, int], None]]] = [
        ("copy in: a file of 200 MB", lambda one, _: one.put(big, "/in")),
        ("copy out: a file of 200 MB", lambda one, _: one.get("/in/big")),
        ("copy in: 5,000 small files", lambda one, _: one.put(small, "/in")),
        ("copy out: 5,000 small files", lambda one, _: one.get("/in/many")),
        ("export: all of it", lambda one, _: one.export()),
        ("commit: all of it", lambda one, turn: one.commit(f"local/bench:{turn}")),
    ]
    rows = [Row(work) for work, _ in works]
    until = time.monotonic() + SECONDS
    for one in contenders:
        one.make("/in")
    for turn in range(rounds):
        if time.monotonic() > until:
            break
        for row, (_, work) in zip(rows, works, strict=True):
            for one in contenders:
                begin = time.monotonic()
                work(one, turn)
                row.add(one.name, time.monotonic() - begin)
    return rows


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="python -m bench.copies", description=__doc__.splitlines()[0] if __doc__ else None
    )
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    namespace.enter("bench.copies")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("ended"))
    scratch = scratch_directory()
    registry = Registry(scratch / "registry")
    engines = [Ours(), Docker(scratch / "docker"), Podman(scratch / "podman")]
    opened: list[Any] = []
    try:
        reference = registry.push(images.tiny(), "copies:latest")
        contenders: list[Any] = []
        for engine in engines:
            try:
                engine.open()
                opened.append(engine)
                contenders.append(
                    OursByRest(engine, reference) if isinstance(engine, Ours) else Theirs(engine, reference)
                )
            except CannotStart as reason:
                sys.stderr.write(f"{engine.name} is left out: {reason}\n")
        sys.stdout.write(table(measure(contenders, scratch, options.rounds), ["portside", "docker", "podman"]) + "\n")
    finally:
        for engine in opened:
            engine.close()
        registry.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
