"""Builds that are cancelled, fail or are killed leave nothing but what they have cached."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from engine.build.events import BuildEvent
from engine.build.spec import StepFailed
from engine.errors import Cancelled, EngineError, NotFound
from tests.support.builds import Workbench, fill
from tests.support.engine import Host
from tests.support.home import CGROUP_ROOT, Home, throwaway_home
from tests.support.processes import eventually

pytestmark = pytest.mark.root

KILLS = int(os.environ.get("PORTSIDE_BUILD_KILLS", "4"))
LONG = "FROM tiny\nRUN --mount=type=secret,id=word echo begun; sleep 300\n"


@pytest.fixture(scope="module")
def home(tiny_image: str) -> Iterator[tuple[Home, Workbench]]:
    with throwaway_home() as found:
        yield found, Workbench(Host(found, tiny_image).engine, tiny_image)


def traces(home: Home) -> list[str]:
    """What builds have in the kernel and in their directories now."""
    config = home.config
    found = [str(path) for path in (config.builds / "work").glob("*")]
    found += [str(path) for path in (config.snapshots / "staging").glob("*")]
    found += [str(path) for path in CGROUP_ROOT.glob(f"*/{config.build_cgroup}/*/")]
    found += [str(path) for path in CGROUP_ROOT.glob(f"{config.build_cgroup}/*/")]
    return found + home.mounts() + home.veths()


def is_clean(home: Home) -> None:
    eventually(lambda: not traces(home), what=f"no traces, but there are {traces(home)}")


def test_cancelled_while_a_command_runs(home: tuple[Home, Workbench]) -> None:
    cancel = threading.Event()

    def stop(event: BuildEvent) -> None:
        if b"begun" in event.log:
            cancel.set()

    with pytest.raises(Cancelled):
        home[1].build(LONG, cancel=cancel, progress=stop, secrets={"word": b"x"}, tags=("cancelled",))
    is_clean(home[0])
    with pytest.raises(NotFound):
        home[1].engine.images.get("cancelled")


def test_what_fails_stops_the_rest(home: tuple[Home, Workbench]) -> None:
    """A long step beside it is killed, not waited for; what comes after is skipped."""
    events: list[BuildEvent] = []
    met = "RUN --mount=type=cache,target=/m,id=fails"
    with pytest.raises(StepFailed):
        home[1].build(
            f"FROM tiny AS long\n{met} touch /m/begun; sleep 300\n"
            f"FROM tiny AS broken\n{met} until [ -e /m/begun ]; do sleep 0.05; done; exit 3\n"
            "FROM scratch\nCOPY --from=long /etc/passwd /\nCOPY --from=broken /etc/passwd /\n",
            events=events,
            secrets={"word": b"x"},
        )
    states = {event.vertex.id: event.state for event in events}
    assert (states["0.1"], states["1.1"], states["2.2"]) == ("cancelled", "failed", "skipped")
    is_clean(home[0])


def test_a_failing_copy_leaves_no_half_of_a_layer(home: tuple[Home, Workbench]) -> None:
    before = set(os.listdir(home[0].config.snapshots))
    with pytest.raises(EngineError):
        home[1].build("FROM tiny\nCOPY a /x\nCOPY a /x/y/\n", {"a": "A"}, team="half")
    is_clean(home[0])
    assert len(set(os.listdir(home[0].config.snapshots)) - before) <= 1  # the first COPY's, which is cached


def test_a_worker_that_starts_leaves_builds_beside_it_alone(home: tuple[Home, Workbench]) -> None:
    """What it does at its start looks at a command that is at work; that has its interface and address afterwards."""
    seen = "cat /proc/net/route"
    held = "RUN --mount=type=cache,target=/m,id=beside"
    done = threading.Event()

    def start_beside(event: BuildEvent) -> None:
        if b"begun" in event.log and not done.is_set():
            done.set()
            Host(home[0], home[1].image).engine.reconcile()
            (mounts,) = [path for path in (home[0].config.builds / "caches").glob("*/*/files") if (path / "b").exists()]
            (mounts / "over").touch()

    built = home[1].build(
        f"FROM tiny\n{held} {seen} > /before; touch /m/b; echo begun; until [ -e /m/over ]; do sleep 0.05; done; "
        f"{seen} > /after\n",
        progress=start_beside,
        secrets={"word": b"x"},
    )
    files = home[1].files(built)
    assert files["before"].content == files["after"].content
    assert b"eth0" in files["after"].content
    is_clean(home[0])


@pytest.mark.parametrize("attempt", range(KILLS))
def test_killed_at_any_moment(home: tuple[Home, Workbench], tmp_path: Path, attempt: int) -> None:
    """Killed in a step that is chosen by chance; the next start clears away, and the same build succeeds."""
    chance = random.Random(attempt)
    text = (
        "FROM tiny\nCOPY many /many/\nRUN --mount=type=secret,id=word echo one && find / -xdev > /list\nWORKDIR /w\n"
        f"RUN head -c 3000000 /dev/urandom > /noise{attempt}\nCOPY many /again/\n"
        "FROM tiny AS side\nRUN echo side > /side\n"
        "FROM scratch\nCOPY --from=0 / /\nCOPY --from=side /side /\n"
    )
    fill(tmp_path, {"Dockerfile": home[1].text(text), **{f"many/{number}": "x" * number for number in range(200)}})
    command = [sys.executable, "-m", "tests.engine.build.killed_build", str(home[0].path), str(tmp_path)]
    moment = chance.randrange(1, 24)
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=home[0].environment()) as process:
        assert process.stdout is not None
        for _ in range(moment):
            if not process.stdout.readline():
                break
        process.send_signal(signal.SIGKILL)
        process.wait()
    home[1].engine.reconcile()
    is_clean(home[0])
    built = home[1].build(home[1].text(text), tmp_path, secrets={"word": b"secret"}, team="killed")
    files = home[1].files(built)
    assert {"side", "w", f"noise{attempt}", "many/199", "again/7"} <= set(files)
    is_clean(home[0])
    assert not home[1].engine.images.fsck().damaged
