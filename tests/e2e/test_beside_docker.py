"""Verbs and states beside dockerd: the same steps, and afterwards the same codes and the same states.

Asked for by PORTSIDE_BESIDE_DOCKER=1, since it needs Debian's docker.io and takes half a minute.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.verbs import Docker, Ours, Scene, Wish, act
from tests.support.dockerd import CannotStart, running_docker
from tests.support.dockerd import Docker as Client
from tests.support.engine import Host
from tests.support.home import throwaway_home

pytestmark = [
    pytest.mark.root,
    pytest.mark.registry,
    pytest.mark.skipif(not os.environ.get("PORTSIDE_BESIDE_DOCKER"), reason="PORTSIDE_BESIDE_DOCKER=1 asks for it"),
]


def sh(script: str) -> tuple[str, ...]:
    return ("sh", "-c", script)


LOOP = "while :; do sleep 0.02; done"
POLITE = sh(f"trap 'exit 3' TERM; trap 'exit 4' USR1; trap : HUP; touch /ready; {LOOP}")
DEAF = sh(f"trap '' TERM; touch /ready; {LOOP}")
READY = ("exec", "sh", "-c", "until [ -e /ready ]; do sleep 0.02; done")  # its traps are set
STOPPED, RUNNING = ("until", ("status", "stopped")), ("until", ("status", "running"))

SCENES = {
    "runs to its end": Scene(Wish(sh("exit 7")), (("start",), ("wait",), STOPPED)),
    "ends well": Scene(Wish(("true",)), (("start",), ("wait",), STOPPED)),
    "stopped, it says how it ends": Scene(Wish(POLITE), (("start",), READY, ("stop", 30), STOPPED)),
    "stopped, but deaf": Scene(Wish(DEAF), (("start",), READY, ("stop", 1), STOPPED)),
    "stopped by its own signal": Scene(Wish(POLITE, stop_signal="USR1"), (("start",), READY, ("stop", 30), STOPPED)),
    "stopped twice, then started": Scene(
        Wish(POLITE), (("start",), READY, ("stop", 30), ("stop", 30), ("start",), RUNNING)
    ),
    "started twice": Scene(Wish(), (("start",), ("start",))),
    "killed": Scene(Wish(POLITE), (("start",), READY, ("kill",), STOPPED, ("kill",))),
    "killed by a signal that it takes": Scene(Wish(POLITE), (("start",), READY, ("kill", "USR1"), STOPPED)),
    "a signal that ends nothing": Scene(Wish(POLITE), (("start",), READY, ("kill", "HUP"))),
    "a signal that is none": Scene(Wish(POLITE), (("start",), ("kill", "NONSENSE"))),
    "paused": Scene(
        Wish(POLITE),
        (
            ("start",),
            READY,
            ("pause",),
            ("exec", "true"),
            ("pause",),
            ("unpause",),
            ("unpause",),
            ("stop", 30),
            STOPPED,
        ),
        {5: "to pause what is paused is no error here", 7: "to unpause what runs is no error here"},
    ),
    "restarted": Scene(Wish(POLITE), (("start",), READY, ("restart", 30), RUNNING, ("restart", 0), RUNNING)),
    "restarted from rest": Scene(Wish(POLITE), (("restart",), RUNNING, READY, ("stop", 30), ("restart",), RUNNING)),
    "renamed while it runs": Scene(Wish(), (("start",), ("rename", "other"), ("kill",), STOPPED)),
    "removed too soon": Scene(Wish(), (("start",), ("remove",), ("remove by force",))),
    "removed at rest": Scene(Wish(), (("remove",), ("start",))),
    "removed by itself": Scene(Wish(sh("sleep 0.2; exit 5"), remove=True), (("start",), ("until", ("status", "gone")))),
    "never started": Scene(Wish(), (("stop",), ("kill",), ("pause",), ("exec", "true"))),
    "no such program": Scene(Wish(("nosuch",)), (("start",),)),
    "not a program": Scene(Wish(("/etc/passwd",)), (("start",),)),
    "execs": Scene(
        Wish(POLITE),
        (
            ("start",),
            ("exec", "true"),
            ("exec", "sh", "-c", "exit 5"),
            ("exec", "sh", "-c", "kill -9 $$"),
            ("exec", "nosuch"),
            ("exec", "/etc/passwd"),
            ("kill",),
            STOPPED,
            ("exec", "true"),
        ),
        {5: "docker 20.10 says 126 of a program that is not there; later ones say 127"},
    ),
    "out of memory": Scene(Wish(sh("tail /dev/zero"), memory=16 << 20), (("start",), ("wait",), STOPPED)),
    "restarts up to its limit": Scene(
        Wish(sh("exit 6"), restart="on-failure", limit=2), (("start",), ("until", ("restarts", 2)), STOPPED)
    ),
    "restarts no success": Scene(Wish(("true",), restart="on-failure", limit=2), (("start",), ("wait",), STOPPED)),
    "always, until it is stopped": Scene(
        Wish(sh("[ -e /again ] && exec sleep 1000; touch /again; exit 2"), restart="always"),
        (("start",), ("until", ("restarts", 1)), RUNNING, ("stop", 0), STOPPED),
    ),
    "unless it was stopped": Scene(Wish(POLITE, restart="unless-stopped"), (("start",), READY, ("stop", 30), STOPPED)),
    "killed, with a policy": Scene(Wish(POLITE, restart="always"), (("start",), READY, ("kill",), STOPPED)),
    "an end by itself, with a policy that came later": Scene(
        Wish(sh("until [ -e /go ]; do sleep 0.02; done; exit 9")),
        (("start",), ("update", "on-failure", 1), ("exec", "touch", "/go"), ("until", ("restarts", 1)), STOPPED),
    ),
    "healthy": Scene(Wish(POLITE, health="true"), (("start",), ("until", ("health", "healthy")), READY, ("stop", 30))),
    "unhealthy": Scene(Wish(POLITE, health="false"), (("start",), ("until", ("health", "unhealthy")))),
    "with an init": Scene(Wish(sh("exit 8"), init=True), (("start",), ("wait",), STOPPED)),
    "with an init, stopped": Scene(Wish(("sleep", "1000"), init=True), (("start",), RUNNING, ("stop", 30), STOPPED)),
    "with a terminal": Scene(Wish(sh("exit 10"), tty=True), (("start",), ("wait",), STOPPED)),
    "as somebody": Scene(Wish(sh("[ $(id -u) = 1234 ] && exit 11"), user="1234"), (("start",), ("wait",), STOPPED)),
}


@pytest.fixture(scope="module")
def dockerd(tmp_path_factory: pytest.TempPathFactory, tiny_layout: Path) -> Iterator[Client]:
    try:
        with running_docker(tmp_path_factory.mktemp("docker")) as client:
            client.load(tiny_layout, "tiny:latest", tmp_path_factory.mktemp("image"))
            yield client
    except CannotStart as reason:
        pytest.skip(str(reason))


@pytest.fixture(scope="module")
def ours(tiny_image: str) -> Iterator[Host]:
    with throwaway_home() as home:
        yield Host(home, tiny_image)


@pytest.mark.parametrize("name", SCENES)
def test_steps_end_as_they_do_with_docker(name: str, ours: Host, dockerd: Client) -> None:
    scene = SCENES[name]
    here, there = act(Ours(ours), scene), act(Docker(dockerd, "tiny:latest"), scene)
    steps = [("create",), *scene.steps]
    for number, (step, mine, theirs) in enumerate(zip(steps, here, there, strict=True)):
        if number in scene.differs:
            assert mine != theirs, f"{step}: no difference any more"
            continue
        assert mine == theirs, f"step {number}, {step}: here {mine}, with docker {theirs}"
