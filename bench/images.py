"""`python -m bench.images`: pull and push of a small, a minimal and a large image, ours beside docker and podman.

All on one local registry of Debian's (docker-registry), from and to empty stores; pushes go to a registry that is empty
each time. Ours is the engine in a process that is there already, as docker's daemon is; docker and podman by their
command lines. The floor is what gzip and GNU tar take for the same layers, two at a time: no network, no digests.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from bench import namespace
from bench.contender import CannotStart
from bench.ours import unpack_floor
from bench.peers import CommandLine, Docker, Podman
from bench.report import Row, table
from bench.scratch import scratch_directory
from tests.support import images
from tests.support.home import Home
from tests.support.oci_layout import Layer, Layout, tar_of
from tests.support.portside import ROOT
from tests.support.registry import Registry

SECONDS = 600  # no new round begins after this
ENGINE = """
import json, sys, time
from engine.config import EngineConfig
from engine.facade import Engine
engine = Engine(EngineConfig.from_environment())
for line in sys.stdin:
    verb, *words = json.loads(line)
    begin = time.monotonic()
    try:
        if verb == "forget":
            engine.image_remove(words[0], force=True)
        else:
            getattr(engine.images, verb)(*words)
        answer = {"seconds": time.monotonic() - begin}
    except Exception as error:
        answer = {"error": repr(error)}
    print(json.dumps(answer), flush=True)
"""


class OurEngine:
    name = "portside"

    def open(self) -> None:
        self.home = Home()
        self.process = subprocess.Popen(
            [sys.executable, "-c", ENGINE], env=self.home.environment(), cwd=ROOT, text=True,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        )  # fmt: skip

    def pull(self, reference: str) -> float:
        return self._ask("pull", reference)

    def push(self, reference: str, target: str) -> float:
        self._ask("tag", reference, target)
        return self._ask("push", target)

    def forget(self, *references: str) -> None:
        for reference in references:
            self._ask("forget", reference)

    def _ask(self, *words: str) -> float:
        assert self.process.stdin is not None and self.process.stdout is not None
        self.process.stdin.write(json.dumps(words) + "\n")
        self.process.stdin.flush()
        answer = json.loads(self.process.stdout.readline())
        if "error" in answer:
            raise CannotStart(f"portside {words[0]}: {answer['error']}")
        return float(answer["seconds"])

    def close(self) -> None:
        self.process.kill()
        self.process.wait()
        self.home.destroy()


class Theirs:
    def __init__(self, peer: CommandLine) -> None:
        self.peer, self.name = peer, peer.name

    def open(self) -> None:
        self.peer.open()  # type: ignore[attr-defined]

    def pull(self, reference: str) -> float:
        return self.peer.pull(reference)

    def push(self, reference: str, target: str) -> float:
        self.peer.call("tag", reference, target)
        begin = time.monotonic()
        self.peer.call("push", "-q", *self.peer.pull_options, target)
        return time.monotonic() - begin

    def forget(self, *references: str) -> None:
        self.peer.call("rmi", "-f", *references)

    def close(self) -> None:
        self.peer.close()  # type: ignore[attr-defined]


def with_one_more(layout: Path, scratch: Path) -> Path:
    """An image of the same layers and a small one on top."""
    index = json.loads((layout / "index.json").read_text())
    manifest = _blob(layout, index["manifests"][0]["digest"])
    config = _blob(layout, manifest["config"]["digest"])
    made = Layout(scratch / "one-more")
    layers = [Layer(*pair) for pair in zip(manifest["layers"], config["rootfs"]["diff_ids"], strict=True)]
    for layer in layers:
        digest = layer.descriptor["digest"].partition(":")[2]
        shutil.copyfile(layout / "blobs/sha256" / digest, made.blobs / digest)
    return made.image([*layers, made.layer(tar_of({"one-more": b"x" * 10_000}))])


def _blob(layout: Path, digest: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((layout / "blobs" / digest.replace(":", "/")).read_text())
    return found


class Bench:
    def __init__(self, contenders: list[Any], registry: Registry, scratch: Path, rounds: int) -> None:
        self.contenders, self.registry, self.scratch, self.rounds = contenders, registry, scratch, rounds
        self.rows: list[Row] = []
        self.until = time.monotonic() + SECONDS

    def measure(self, name: str, label: str, layout: Path) -> None:
        reference = self.registry.push(layout, f"{name}:latest")
        goal = 0.35 if name == "big" else None
        pull, push = Row(f"pull {label}", goal=goal), Row(f"push {label}, to an empty registry", goal=goal)
        self.rows += [pull, push]
        layers = [self.registry.blob_file(layer["digest"]) for layer in self.registry.manifest(name)["layers"]]  # type: ignore[attr-defined]
        for contender in self.contenders:  # the first one pays for what later ones find ready
            contender.pull(reference)
            contender.forget(reference)
        for turn in range(self.rounds):
            if time.monotonic() > self.until:
                return
            for contender in self.contenders:
                os.sync()
                pull.add(contender.name, contender.pull(reference))
                self._push(push, contender, reference, f"{name}-{turn}")
            os.sync()
            place = self.scratch / f"floor-{name}-{turn}"
            pull.add("tar", unpack_floor(layers, place))
            shutil.rmtree(place)
            say(f"{name} {turn + 1} of {self.rounds}, load {os.getloadavg()[0]:.1f}")

    def _push(self, row: Row, contender: Any, reference: str, tag: str) -> None:
        where = self.scratch / f"empty-{contender.name}-{tag}"
        empty = Registry(where)
        try:
            target = empty.reference("pushed:latest")
            os.sync()
            row.add(contender.name, contender.push(reference, target))
            contender.forget(target, reference)
        finally:
            empty.close()
            shutil.rmtree(where, ignore_errors=True)

    def shared(self, layout: Path) -> None:
        """The second of two images with the same layers below."""
        base = self.registry.push(layout, "base:latest")
        more = self.registry.push(with_one_more(layout, self.scratch), "more:latest")
        row = Row("pull of an image with one layer more than what is there")
        self.rows.append(row)
        for _ in range(self.rounds):
            for contender in self.contenders:
                contender.pull(base)
                os.sync()
                row.add(contender.name, contender.pull(more))
                contender.forget(more, base)


PARTS = ("tiny", "debian", "big", "shared")


def measure(rows: list[Row], registry: Registry, scratch: Path, rounds: int, parts: Sequence[str] = PARTS) -> None:
    """Add a row for each thing that is measured; what there is stays if it ends early."""
    opened: list[Any] = []
    for contender in (OurEngine(), Theirs(Docker(scratch / "docker")), Theirs(Podman(scratch / "podman"))):
        try:
            contender.open()
            opened.append(contender)
        except CannotStart as reason:
            say(f"{contender.name} is left out: {reason}")
    bench = Bench(opened, registry, scratch, rounds)
    ways = {
        "tiny": lambda: bench.measure("tiny", "tiny (busybox, 1 layer)", images.tiny()),
        "debian": lambda: bench.measure("debian", "debian (minbase, 4 layers)", images.debian("gzip")),
        "big": lambda: bench.measure("big", "big (640 MB, 58,000 files, 6 layers)", images.big()),
        "shared": lambda: bench.shared(images.debian("gzip")),
    }
    try:
        for part in parts:
            ways[part]()
    finally:
        rows += bench.rows
        for contender in opened:
            contender.close()


def floors(rows: list[Row]) -> str:
    """What of the rows has a floor, beside it."""
    return "\n".join(
        f"{row.work}: {ratio:.2f} of what gzip and GNU tar take alone, two at a time"
        for row in rows
        if (ratio := row.ratio("tar"))
    )


def say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.images", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only", choices=PARTS, help="one part alone")
    options = parser.parse_args()
    namespace.enter("bench.images")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("ended"))
    scratch = scratch_directory()
    registry = Registry(scratch / "registry")
    rows: list[Row] = []
    try:
        measure(rows, registry, scratch, options.rounds, [options.only] if options.only else PARTS)
    finally:
        print(table(rows, ["portside", "docker", "podman", "tar"]))
        print(floors(rows))
        registry.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
