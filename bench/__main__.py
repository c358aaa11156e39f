"""`python -m bench`: starts, lives, docker's command, pulls, pushes, ours beside docker.io and podman, ratios printed.

All contenders take turns in each round, so that whatever else the machine does falls on all alike. The table
goes to standard output, every single figure to a JSON file whose path is printed last.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import shutil
import signal
import sys
import tempfile
import time
from dataclasses import asdict
from pathlib import Path

from bench import docker_api, namespace
from bench import images as bench_images
from bench.contender import CannotStart, Contender
from bench.lives import lives
from bench.ours import Ours, engine_pull, unpack_floor
from bench.peers import Docker, Podman
from bench.report import Row, table
from bench.scratch import scratch_directory
from tests.support import images
from tests.support.registry import Registry

SECONDS = 900  # no new round begins after this


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--starts", type=int, default=15, help="rounds of container starts (default 15)")
    parser.add_argument("--lives", type=int, default=10, help="rounds of execs, stops and removals (default 10)")
    parser.add_argument("--pulls", type=int, default=3, help="rounds of pulls (default 3)")
    parser.add_argument("--images", type=int, default=3, help="rounds of the engine's pulls and pushes (default 3)")
    parser.add_argument("--commands", type=int, default=10, help="rounds of the docker command (default 10)")
    parser.add_argument("--only", choices=["starts", "lives", "commands", "pulls", "images"], help="one part alone")
    parser.add_argument("--without-big", action="store_true", help="leave out the image of 600 MB")
    options = parser.parse_args()
    namespace.enter()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("ended"))  # so that what was started is ended, too
    scratch = scratch_directory()
    registry = Registry(scratch / "registry")
    named = [Ours(), Docker(scratch / "docker"), Podman(scratch / "podman")]
    contenders = ready(named if options.only != "images" else [])
    rows: list[Row] = []
    try:
        if options.only in (None, "starts"):
            starts(rows, contenders, registry, options.starts)
        if options.only in (None, "lives"):
            reference = registry.push(images.tiny(), "start:latest")
            for contender in contenders:
                contender.pull(reference)
            lives(rows, contenders, reference, options.lives, say)
        if options.only in (None, "commands"):
            commands(rows, contenders, registry, scratch, options.commands)
        if options.only in (None, "pulls"):
            pulls(rows, contenders, registry, options.pulls, scratch, with_big=not options.without_big)
        if options.only in (None, "images"):
            close(contenders)  # those that follow have the namespace's bridge for themselves
            parts = [part for part in bench_images.PARTS if part != "big" or not options.without_big]
            (scratch / "images").mkdir()
            bench_images.measure(rows, registry, scratch / "images", options.images, parts)
    finally:
        report(rows, ["portside", "docker", "podman"])  # what there is, even if it ends early
        print(bench_images.floors(rows))
        close(contenders)
        registry.close()
    return 0


def close(contenders: list[Contender]) -> None:
    while contenders:
        contenders.pop().close()


def ready(candidates: list[Contender]) -> list[Contender]:
    """Those that can work here; the others are named with their reason."""
    able = []
    for candidate in candidates:
        try:
            candidate.open()
        except CannotStart as reason:
            say(f"{candidate.name} is left out: {reason}")
        else:
            able.append(candidate)
    return able


def starts(rows: list[Row], contenders: list[Contender], registry: Registry, rounds: int) -> None:
    reference = registry.push(images.tiny(), "start:latest")
    process = Row("start: request → process runs", goal=None)
    told = Row("start: request → told that it runs", goal=None)
    promise = Row("start: our process ÷ their `run -d`", goal=0.25)
    rows += [process, told, promise]
    for contender in list(contenders):
        try:
            contender.pull(reference)
            contender.start(reference)  # the first pays for what later ones find ready
        except CannotStart as reason:
            say(f"{contender.name} is left out: {reason}")
            contenders.remove(contender)
            contender.close()
    end = time.monotonic() + SECONDS / 3
    for number in range(rounds):
        for contender in contenders:
            start = contender.start(reference)
            process.add(contender.name, start.process_seconds)
            told.add(contender.name, start.told_seconds)
            promise.add(contender.name, start.process_seconds if contender.name == "portside" else start.told_seconds)
        say(f"start {number + 1} of {rounds}")
        if time.monotonic() > end:
            break


def commands(rows: list[Row], contenders: list[Contender], registry: Registry, scratch: Path, rounds: int) -> None:
    """The docker command on both; podman has one of its own."""
    ours = next((one for one in contenders if isinstance(one, Ours)), None)
    peer = next((one for one in contenders if isinstance(one, Docker)), None)
    if ours is None or peer is None:
        return
    try:
        docker_api.measure(rows, ours, peer, registry, scratch, rounds)
    except (CannotStart, FileNotFoundError) as reason:
        say(f"the docker command is left out: {reason}")


def pulls(
    rows: list[Row], contenders: list[Contender], registry: Registry, rounds: int, scratch: Path, *, with_big: bool
) -> None:
    layouts = {"tiny (busybox, 1 layer)": images.tiny(), "debian (minbase, 4 layers)": images.debian("gzip")}
    if with_big:
        say("Making the big image, or taking it from the cache …")
        layouts["big (640 MB, 58,000 files, 6 layers)"] = images.big()
    end = time.monotonic() + SECONDS * 2 / 3
    for label, layout in layouts.items():
        name = label.split()[0]
        reference = registry.push(layout, f"{name}:latest")
        row = Row(f"pull {label}", goal=1.0 if name == "big" else None)
        alone = Row(f"pull {name}, engine alone")
        rows += [row, alone]
        for number in range(rounds):
            for contender in list(contenders):
                os.sync()
                try:
                    row.add(contender.name, contender.pull(reference))
                    contender.forget(reference)
                except CannotStart as reason:
                    say(f"{contender.name} is left out: {reason}")
                    contenders.remove(contender)
                    contender.close()
            os.sync()
            try:
                alone.add("portside", engine_pull(reference))
            except CannotStart as reason:
                say(str(reason))
            say(f"pull {name} {number + 1} of {rounds}")
            if time.monotonic() > end:
                break
        for peer in ("docker", "podman"):
            alone.seconds[peer] = row.seconds.get(peer, [])
        if name == "big":
            rows.append(floor(registry, name, scratch))


def floor(registry: Registry, name: str, scratch: Path) -> Row:
    """The same layers by gzip and GNU tar from the registry's own files: no network, no digests, no store."""
    row = Row(f"unpack {name}: gzip and GNU tar alone, 2 at a time")
    layers = [registry.blob_file(layer["digest"]) for layer in registry.manifest(name)["layers"]]  # type: ignore[attr-defined]
    for number in range(3):
        os.sync()
        row.add("tar", unpack_floor(layers, scratch / f"floor-{number}"))
        shutil.rmtree(scratch / f"floor-{number}")
    return row


def report(rows: list[Row], names: list[str]) -> None:
    print(f"\n{platform.platform()}, {os.cpu_count()} cores, Python {platform.python_version()}; medians\n")
    print(table(rows, [*names, *(["tar"] if any("tar" in row.seconds for row in rows) else [])]))
    path = Path(tempfile.mkdtemp(prefix="portside-bench-")) / "results.json"
    path.write_text(json.dumps([asdict(row) for row in rows], indent=1))
    print(f"\nEvery figure: {path}")


def say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
