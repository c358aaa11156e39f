"""The docker command against Portside, step by step beside what a real dockerd has answered (`recording`)."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from tests.dockerapi.client import Client, Outcome
from tests.dockerapi.recording import NEWEST, act, recorded, stage
from tests.dockerapi.scene import Scene
from tests.dockerapi.scenes import SCENES
from tests.support.registry import Registry

pytestmark = [pytest.mark.root, pytest.mark.registry]


@pytest.fixture(scope="module")
def names(registry: Registry, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mapping[str, str]]:
    with stage(registry, tmp_path_factory.mktemp("scenes")) as found:
        yield found


def compared(scene: Scene, number: int, outcome: Outcome) -> tuple[int, list[str], list[str]]:
    """The code, and the lines on both streams without what differs from run to run."""
    mask = re.compile(scene.masked.get(number, "(?!)"))
    out, err = (mask.sub("", text).splitlines() for text in (outcome.out, outcome.err))
    return outcome.code, sorted(out) if number in scene.unordered else out, err


def are_alike(scene: Scene, number: int, here: Outcome, there: Outcome) -> bool:
    """Whether both answers are the same but for the lines that differ by intent, which have to differ just so."""
    (code, out, err), (their_code, their_out, their_err) = (compared(scene, number, one) for one in (here, there))
    for ours, theirs, reason in scene.instead.get(number, ()):
        for line, lines in ((ours, out), (theirs, their_out)):
            if line and line not in lines:
                raise AssertionError(f"step {number} says no {line!r} any more: is it no difference that {reason}?")
            if line:
                lines[lines.index(line)] = f"({reason})"
        if not ours or not theirs:
            (their_out if theirs else out).remove(f"({reason})")
    return (code, out, err) == (their_code, their_out, their_err)


@pytest.mark.parametrize("name", SCENES)
def test_a_scene_ends_as_with_docker(name: str, client: Client, names: Mapping[str, str]) -> None:
    """Of a client of another version than those that were recorded, only exit codes are looked at."""
    scene, version = SCENES[name], client.version()
    if scene.is_of_v1 and not Path("/sys/fs/cgroup/memory").is_dir():
        pytest.skip("recorded with control groups of version 1")
    is_same_client = bool(recorded(version))
    expected = recorded(version if is_same_client else NEWEST)
    wrong = []
    for number, (step, here, there) in enumerate(
        zip(scene.steps, act(client, scene, names), expected[name], strict=True)
    ):
        if number in scene.code_differs:
            continue
        is_told = is_same_client and number not in scene.differs
        if not (are_alike(scene, number, here, there) if is_told else here.code == there.code):
            wrong.append(f"step {number}, docker {' '.join(step)}\n  here  {here}\n  there {there}")
    assert not wrong, "\n".join(wrong)
