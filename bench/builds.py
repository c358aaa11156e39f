"""`python -m bench.builds`: builds, cold and cached, ours beside docker's classic builder and buildah.

Ours is the engine in a process that is there already, as docker's daemon is; docker and buildah by their command
lines. Every cold build is of something that none of them has seen: a variable at the top, or other data in the context.
The base image is there before.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from bench import namespace
from bench.contender import CannotStart
from bench.peers import CommandLine, Docker
from bench.report import Row, table
from tests.support import images
from tests.support.home import Home
from tests.support.portside import ROOT
from tests.support.prepare import SEARCH_PATH
from tests.support.registry import Registry

SECONDS = 600  # no new round begins after this
BIG_BYTES, MANY_FILES = 50 << 20, 50_000
ENGINE = """
import json, sys, time
from engine.build.context import Context
from engine.build.spec import BuildSpec
from engine.config import EngineConfig
from engine.facade import Engine
engine = Engine(EngineConfig.from_environment())
engine.reconcile()
for line in sys.stdin:
    verb, word = json.loads(line)
    begin = time.monotonic()
    try:
        if verb == "pull":
            engine.images.pull(word)
        else:
            with Context.from_directory(word) as context:
                engine.builder.build(BuildSpec(tags=("bench:latest",)), context)
        answer = {"seconds": time.monotonic() - begin}
    except Exception as error:
        answer = {"error": repr(error)}
    print(json.dumps(answer), flush=True)
"""
TEN = """FROM {base}
ENV TURN={turn}
WORKDIR /app
COPY requirements.txt .
RUN cat requirements.txt > installed
RUN echo "builder:x:2000:2000::/:/bin/sh" >> /etc/passwd && mkdir -p /var/lib/app
COPY src/ src/
RUN find src -type f | wc -l > count
RUN for i in 1 2 3 4 5; do echo $i > /var/lib/app/$i; done
USER builder
CMD ["sh", "-c", "cat /app/count"]
"""
FOUR = "".join(
    f"FROM {{base}} AS s{number}\nENV TURN={{turn}}\nRUN sleep 0.5 && echo {number} > /out\n" for number in range(4)
) + "FROM {base}\n" + "".join(f"COPY --from=s{number} /out /{number}\n" for number in range(4))  # fmt: skip
COPYING = "FROM {base}\nENV TURN=0\nCOPY . /data\nRUN true\n"


class OurEngine:
    name = "portside"

    def __init__(self) -> None:
        self.home = Home()
        self.process = subprocess.Popen(
            [sys.executable, "-c", ENGINE], env=self.home.environment(), cwd=ROOT, text=True,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        )  # fmt: skip

    def pull(self, reference: str) -> None:
        self._ask("pull", reference)

    def build(self, context: Path) -> float:
        return float(self._ask("build", str(context))["seconds"])

    def _ask(self, verb: str, word: str) -> dict[str, Any]:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(json.dumps([verb, word]) + "\n")
        self.process.stdin.flush()
        answer: dict[str, Any] = json.loads(self.process.stdout.readline())
        if "error" in answer:
            raise CannotStart(f"portside {verb}: {answer['error']}")
        return answer

    def close(self) -> None:
        assert self.process.stdin is not None
        self.process.stdin.close()
        self.process.wait()
        self.home.destroy()


class Classic:
    """docker's builder without BuildKit: what Debian's docker.io has by itself."""

    name = "docker"

    def __init__(self, scratch: Path) -> None:
        self.engine = Docker(scratch)
        self.engine.environment = {**os.environ, "DOCKER_BUILDKIT": "0", "HOME": str(scratch)}
        self.engine.open()

    def pull(self, reference: str) -> None:
        self.engine.pull(reference)

    def build(self, context: Path) -> float:
        begin = time.monotonic()
        self.engine.call("build", "-q", "-t", "bench:latest", str(context))
        return time.monotonic() - begin

    def close(self) -> None:
        self.engine.close()


class Buildah(CommandLine):
    name = "buildah"

    def __init__(self, scratch: Path) -> None:
        if shutil.which("buildah", path=SEARCH_PATH) is None:
            raise CannotStart("buildah is not installed")
        scratch.mkdir(parents=True, exist_ok=True)
        self.scratch = scratch
        self.command = ["buildah", "--root", f"{scratch}/root", "--runroot", f"{scratch}/run"]
        self.environment = {"PATH": SEARCH_PATH, "HOME": str(scratch), "LC_ALL": "C.UTF-8"}

    def pull(self, reference: str) -> float:
        begin = time.monotonic()
        self.call("pull", "-q", "--tls-verify=false", reference)
        return time.monotonic() - begin

    def build(self, context: Path) -> float:
        begin = time.monotonic()
        self.call(
            "bud", "-q", "--layers", "--jobs", "4", "--isolation", "chroot", "--tls-verify=false",
            "--pull-never", "-t", "bench:latest", str(context),
        )  # fmt: skip
        return time.monotonic() - begin

    def close(self) -> None:
        subprocess.run(["umount", "-l", f"{self.scratch}/root/overlay"], check=False, capture_output=True)


def write_ten(context: Path, base: str, turn: str) -> None:
    (context / "Dockerfile").write_text(TEN.format(base=base, turn=turn))
    (context / "requirements.txt").write_text("one\ntwo\n")
    (context / "src").mkdir(exist_ok=True)
    for number in range(20):
        (context / "src" / f"{number}.py").write_text(f"print({number})\n" * 50)


def write_big(context: Path, base: str) -> None:
    (context / "Dockerfile").write_text(COPYING.format(base=base))
    for number in range(50):
        (context / f"data-{number}").write_bytes(os.urandom(BIG_BYTES // 50))


def write_many(context: Path, base: str, turn: str) -> None:
    (context / "Dockerfile").write_text(COPYING.format(base=base))
    for number in range(MANY_FILES):
        directory = context / str(number % 500)
        if number < 500:
            directory.mkdir(exist_ok=True)
        (directory / str(number)).write_text(f"{turn} {number}\n" * 20)


def measure(contenders: list[Any], scratch: Path, base: str, rounds: int, with_many: bool) -> list[Row]:
    rows: dict[str, Row] = {}
    until = time.monotonic() + SECONDS

    def turn_of(work: str, context: Path, *, goal: float | None = None) -> None:
        row = rows.setdefault(work, Row(work, goal=goal))
        for one in contenders:
            row.add(one.name, one.build(context))
        sys.stderr.write(f"{work}: {', '.join(f'{n} {v[-1]:.2f}' for n, v in row.seconds.items())}\n")

    for number in range(rounds):
        if time.monotonic() > until:
            break
        turn = f"{os.getpid()}-{number}"
        ten = scratch / f"ten-{number}"
        ten.mkdir()
        write_ten(ten, base, turn)
        turn_of("ten steps, cold", ten)
        turn_of("ten steps, all cached", ten)
        (ten / "src" / "3.py").write_text(f"# {turn}\n")
        turn_of("ten steps, one file changed", ten)
        _with(scratch, lambda place, t=turn: (place / "Dockerfile").write_text(FOUR.format(base=base, turn=t)),
              lambda place: turn_of("four stages of 0.5 s each, cold", place))  # fmt: skip
        big = scratch / f"big-{number}"
        big.mkdir()
        write_big(big, base)
        time.sleep(3)  # what has just been written counts as changing still
        turn_of("50 MB context, cold", big)
        turn_of("50 MB context, cached", big)
        shutil.rmtree(big)
    if with_many:
        many = scratch / "many"
        many.mkdir()
        write_many(many, base, str(os.getpid()))
        time.sleep(3)
        turn_of("50,000 files, cold", many)
        turn_of("50,000 files, cached", many)
    return list(rows.values())


def _with(scratch: Path, write: Callable[[Path], object], work: Callable[[Path], object]) -> None:
    with tempfile.TemporaryDirectory(dir=scratch) as name:
        write(Path(name))
        work(Path(name))


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="python -m bench.builds", description=__doc__.splitlines()[0] if __doc__ else None
    )
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--without-many", action="store_true", help="leave out the context of 50,000 files")
    options = parser.parse_args()
    namespace.enter("bench.builds")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("ended"))
    scratch = Path(tempfile.mkdtemp(prefix="psb-"))
    registry = Registry(scratch / "registry")
    contenders: list[Any] = []
    try:
        base = registry.push(images.tiny(), "base:latest")
        for make in (OurEngine, lambda: Classic(scratch / "docker"), lambda: Buildah(scratch / "buildah")):
            try:
                one = make()
                contenders.append(one)
                one.pull(base)
            except CannotStart as reason:
                sys.stderr.write(f"left out: {reason}\n")
        rows = measure(contenders, scratch, base, options.rounds, not options.without_many)
        sys.stdout.write(table(rows, ["portside", "docker", "buildah"]) + "\n")
    finally:
        for one in contenders:
            one.close()
        registry.close()
    shutil.rmtree(scratch, ignore_errors=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
