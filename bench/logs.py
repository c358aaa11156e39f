"""`python -m bench.logs`: what a container prints and how it is read back, ours beside docker (json-file) and podman.

A million lines of 100 bytes are printed by a container and read back whole, by each door. Of a log of a gigabyte the
last hundred lines are read, and the thousand lines of one moment in its middle. Of lines that are followed, it is seen
how long each takes from its print. All take turns. *Alone* is the same script without a container, into a pipe whose
other end is read. Beside the time on the clock stands the processor time of all that took part, the containers
included; podman's conmon, which ends with its container and has waited for it, is not counted.
"""

from __future__ import annotations

import argparse
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterable
from contextlib import ExitStack, suppress
from typing import TypeVar

from bench import namespace, share
from bench.__main__ import ready, report, say
from bench.contender import CannotStart
from bench.log_doors import OurLogs, PeerLogs, Platform, processor_seconds
from bench.ours import Ours
from bench.peers import Docker, Podman
from bench.report import Row
from bench.scratch import scratch_directory
from tests.dockerapi.client import Client
from tests.support import images
from tests.support.registry import Registry

LINE = "a line of a log as programs print them, with all that belongs to it: one hundred bytes and no more."
LINE_BYTES = len(LINE) + 1
TAIL, MOMENT = 100, 1000
FOLLOWED = 60
ALONE = "portside-bench-alone"
T = TypeVar("T")


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.logs")
    parser.add_argument("--rounds", type=int, default=3, help="how often each is measured (default 3)")
    parser.add_argument("--lines", type=int, default=1_000_000, help="lines to print (default a million)")
    parser.add_argument("--megabytes", type=int, default=1000, help="size of the long log (default 1000; 0: none)")
    parser.add_argument("--only", choices=["portside", "docker", "podman"], help="one of the three alone")
    parser.add_argument("--favoured", action="store_true", help="let the rest of a busy machine wait (share.py)")
    options = parser.parse_args()
    namespace.enter("bench.logs")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("ended"))
    scratch = scratch_directory()
    registry = Registry(scratch / "registry")
    named: tuple[Ours, Docker, Podman] = (Ours(), Docker(scratch / "docker"), Podman(scratch / "podman"))
    favour = ExitStack()
    if options.favoured:
        favour.enter_context(share.favoured([ALONE, "docker", "libpod_parent", named[0].home.config.cgroup_parent]))
    able = ready([one for one in named if options.only in (None, one.name)])
    rows: list[Row] = []
    try:
        platforms = [
            OurLogs(one, Client.of_site(one.portside.address, str(one.rest.token), scratch / "client"))
            if isinstance(one, Ours)
            else PeerLogs(one, one.directory)  # type: ignore[arg-type, attr-defined]
            for one in able
        ]
        reference = registry.push(images.tiny(), "logs:latest")
        for platform in platforms:
            platform.pull(reference)
        say(f"load {os.getloadavg()[0]:.1f}")
        printing(rows, platforms, reference, options.lines, options.rounds)
        following(rows, platforms, reference)
        if options.megabytes:
            long_log(rows, platforms, reference, options.megabytes, options.rounds)
        say(f"load {os.getloadavg()[0]:.1f}")
    finally:
        report(rows, ["portside", "docker", "podman", "alone"])
        for one in able:
            one.close()
        registry.close()
        favour.close()
    return 0


class Pair:
    """A row of the clock and one of the processor."""

    def __init__(self, rows: list[Row], work: str, goal: float | None = None, against: str = "docker") -> None:
        self.clock, self.processor = Row(work, goal=goal, against=against), Row(f"  … processor: {work}")
        rows += [self.clock, self.processor]

    def measure(self, platform: Platform, action: Callable[[], T]) -> T:
        """Times `action`; one that returns seconds too says its time itself."""
        used, begin = processor_seconds(platform), time.monotonic()
        outcome = action()
        seconds = time.monotonic() - begin
        if isinstance(outcome, tuple):
            seconds = outcome[1]
        self.clock.add(platform.name, seconds)
        self.processor.add(platform.name, processor_seconds(platform) - used)
        return outcome


def printing(rows: list[Row], platforms: list[Platform], reference: str, lines: int, rounds: int) -> None:
    script = f"yes '{LINE}' | head -n {lines}"
    printed = Pair(rows, f"print {lines:,} lines: request → its end", goal=0.5)
    doors = {door: Pair(rows, f"read them back: {door}") for door in every(one.readers for one in platforms)}
    for number in range(rounds):
        printed.clock.add("alone", alone(script))
        for platform in platforms:
            container, _ = printed.measure(platform, lambda one=platform: one.print(reference, script))
            for door, read in platform.readers.items():
                size = doors[door].measure(platform, lambda read=read, of=container: read(of, {}))
                assert size >= lines * LINE_BYTES, f"{platform.name} lost {lines * LINE_BYTES - size} bytes by {door}"
            platform.remove(container)
        say(f"lines {number + 1} of {rounds}")


def every(names: Iterable[Iterable[str]]) -> list[str]:
    """Each of them once, in the order in which they come."""
    return list(dict.fromkeys(name for some in names for name in some))


def alone(script: str) -> float:
    """Seconds that it takes to print, and to read from the pipe, in a control group of its own as containers are."""
    group = share.ROOT / ALONE
    if has_group := (share.ROOT / "cpu.shares").exists():
        group.mkdir(exist_ok=True)
        script = f"echo $$ > {group}/cgroup.procs; {script}"
    begin = time.monotonic()
    busybox = str(images.BUSYBOX)
    with subprocess.Popen([busybox, "sh", "-c", script], stdout=subprocess.PIPE, env={"PATH": ""}) as process:
        assert process.stdout
        while os.read(process.stdout.fileno(), 1 << 16):
            pass
    seconds = time.monotonic() - begin
    if has_group:
        with suppress(OSError):  # whoever is favoured has it for longer
            group.rmdir()
    return seconds


def following(rows: list[Row], platforms: list[Platform], reference: str) -> None:
    doors = {door: Row(f"a line, from its print to who follows: {door}") for one in platforms for door in one.followers}
    rows += doors.values()
    for platform in platforms:
        container = platform.begin(reference, "while usleep 50000; do echo | ts %.s; done")
        for door, follow in platform.followers.items():
            with follow(container) as coming:
                rest = b""
                for part in coming:
                    now = time.time()
                    *lines, rest = (rest + part).split(b"\n")
                    for line in lines:
                        doors[door].add(platform.name, now - float(line.split()[0]))
                    if len(doors[door].seconds.get(platform.name, ())) >= FOLLOWED:
                        break
        platform.remove(container)
        say(f"{platform.name} was followed")


def long_log(rows: list[Row], platforms: list[Platform], reference: str, megabytes: int, rounds: int) -> None:
    half = megabytes * 1_000_000 // LINE_BYTES // 2
    script = (
        "n=$(cat /n 2>/dev/null || echo 0); echo $((n+1)) > /n; "
        f"lines={half}; [ $n = 1 ] && lines={MOMENT}; yes '{LINE}' | head -n $lines"
    )
    found = {}
    for platform in platforms:
        say(f"{platform.name} prints {megabytes} MB …")
        container, _ = platform.print(reference, script, **{"max-size": "20m", "max-file": "100"})
        moments = []
        for _ in range(2):
            time.sleep(1.1)  # whoever counts in seconds shall tell the three apart
            moments.append(time.time())
            platform.again(container)
        found[platform.name] = container, moments
    wishes: dict[str, tuple[int, Callable[[list[float]], dict[str, float]]]] = {
        f"last {TAIL} lines of {megabytes} MB": (TAIL, lambda _: {"tail": TAIL}),
        f"{MOMENT} lines of one moment of it": (MOMENT, lambda moments: {"since": moments[0], "until": moments[1]}),
    }
    for what, (lines, wish) in wishes.items():
        doors = {door: Pair(rows, f"{what}: {door}") for door in every(one.readers for one in platforms)}
        for _ in range(rounds):
            for platform in platforms:
                container, moments = found[platform.name]
                for door, read in platform.readers.items():
                    if door == "WebSocket":
                        continue  # which goes on to the end
                    asked = wish(moments)
                    size = doors[door].measure(platform, lambda read=read, of=container, asked=asked: read(of, asked))
                    if size < lines * LINE_BYTES:
                        raise CannotStart(f"{platform.name} answered {size} bytes to {asked} by {door}")
    for platform in platforms:
        platform.remove(found[platform.name][0])


if __name__ == "__main__":
    sys.exit(main())
