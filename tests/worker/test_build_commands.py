"""Builds as the worker sees them: what the builder is asked, what is written down, what the job's result has."""

from __future__ import annotations

import json
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from engine.build.entitlements import INSECURE, NETWORK_HOST
from engine.build.events import BuildEvent, Vertex
from engine.build.outline import Line
from engine.build.spec import BuildResult
from engine.config import EngineConfig
from engine.errors import Cancelled, EngineError, InvalidArgument
from engine.oci import signing
from worker import build_commands, commands
from worker.context import Context
from worker.contract.builds import BuildImage, ForgetBuild, PruneBuildCache
from worker.contract.commands import encode_command

BUILD = "b1" * 16
BASE, STEP = Vertex("0.0", "[1/2] FROM alpine", "0"), Vertex("0.1", "[2/2] RUN true", "0", ("0.0",))


class FakeBuilder:
    """Tells of two steps, then does what a test wants."""

    def __init__(self, error: BaseException | None = None) -> None:
        self.error = error
        self.asked: dict[str, Any] = {}
        self.fetched: dict[str, Any] = {}
        self.unreachable: BaseException | None = None

    def build(self, spec: Any, context: Any, **more: Any) -> BuildResult:
        self.asked = {"spec": spec, "files": list(context.directory.iterdir()), **more}
        more["planned"]((Line("FROM alpine", "0.0"), Line("ENV A=1"), Line("RUN true", "0.1")))
        tell = more["progress"]
        tell(BuildEvent(vertex=BASE, state="queued"))
        tell(BuildEvent(vertex=STEP, state="queued"))
        tell(BuildEvent(vertex=BASE, state="cached"))
        tell(BuildEvent(vertex=STEP, state="started", started_at=1.0))
        tell(BuildEvent(vertex=STEP, state="started", log=b"hello\n"))
        if self.error is not None:
            tell(BuildEvent(vertex=STEP, state="failed", seconds=0.5, error="exit 1"))
            raise self.error
        tell(BuildEvent(vertex=STEP, state="done", seconds=0.5, size_bytes=10))
        return BuildResult(image_id="sha256:feed", tags=("app:1",), size_bytes=99, steps=2, cached=1, seconds=0.5)

    @contextmanager
    def repository(self, address: str, **more: Any) -> Iterator[Any]:
        self.fetched = {"address": address, **more}
        more["log"](b"counting objects\n")
        if self.unreachable is not None:
            raise self.unreachable
        with tempfile.TemporaryDirectory() as directory:
            (Path(directory) / "Dockerfile").write_text("FROM scratch\n")
            yield SimpleNamespace(directory=Path(directory)), SimpleNamespace(digits="ab" * 20, ref="refs/heads/main")

    def prune(self, rules: Any) -> Any:
        self.asked = {"rules": rules}
        return SimpleNamespace(steps=3, mounts=1, reclaimed_bytes=100)


def context_of(tmp_path: Path, builder: FakeBuilder, **more: Any) -> Context:
    engine = SimpleNamespace(config=EngineConfig(home=tmp_path), builder=builder)
    phases: list[str] = more.pop("phases", [])
    return Context(engine, lambda phase, _: phases.append(phase), threading.Event(), more.pop("secrets", None), **more)


def lines(tmp_path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (tmp_path / "build-records" / f"{BUILD}.ndjson").read_bytes().splitlines()]


def test_a_build_is_told_into_its_record_and_its_result(tmp_path: Path) -> None:
    builder, phases = FakeBuilder(), []
    command = BuildImage(
        build_id=BUILD, scope="harbour", tags=("app:1",), network="host", target="last", cpus=0.5,
        allowed_images=("docker.io/library/*",), entitlements=(INSECURE,), signed_by={"release": "PEM"},
    )  # fmt: skip
    secrets = {
        "registries": {"docker.io": {"username": "ann", "password": "x"}},
        "build": {"token": "s3cret"},
        "ssh": {"default": "a private key"},
    }
    result = commands.run(command, context_of(tmp_path, builder, secrets=secrets, phases=phases))
    assert (result["image_id"], result["tags"], len(result["steps"])) == ("sha256:feed", ["app:1"], 2)
    spec = builder.asked["spec"]
    assert (spec.team, spec.target, spec.network, spec.limits.cpus) == ("harbour", "last", "host", 0.5)
    assert spec.secrets == {"token": b"s3cret"} and spec.entitlements == {NETWORK_HOST, INSECURE}
    assert spec.ssh == {"default": "a private key"}
    assert (spec.allowed_images, spec.signed_by) == (("docker.io/library/*",), {"release": "PEM"})
    assert builder.asked["access"]["docker.io"].credentials.username == "ann"
    assert builder.asked["files"] == []
    assert [(line["type"], line.get("state")) for line in lines(tmp_path)] == [
        ("plan", None), ("step", "waiting"), ("step", "waiting"), ("step", "cached"), ("step", "running"),
        ("log", None), ("step", "done"), ("end", None),
    ]  # fmt: skip
    assert lines(tmp_path)[0]["instructions"][1:] == [
        {"text": "ENV A=1", "step": ""},
        {"text": "RUN true", "step": "0.1"},
    ]
    assert "s3cret" not in (tmp_path / "build-records" / f"{BUILD}.ndjson").read_text()
    assert phases[3] == "step 2 of 2: [2/2] RUN true"


def test_one_that_fails_tells_its_steps_all_the_same(tmp_path: Path) -> None:
    context = context_of(tmp_path, FakeBuilder(InvalidArgument("exit 1")))
    with pytest.raises(InvalidArgument):
        commands.run(BuildImage(build_id=BUILD, scope="harbour"), context)
    assert [step["state"] for step in context.known["steps"]] == ["cached", "failed"]
    assert lines(tmp_path)[-1]["status"] == "failed"


@pytest.mark.parametrize("is_handed_on", [False, True])
def test_one_that_the_next_worker_takes_up_has_no_end_yet(tmp_path: Path, is_handed_on: bool) -> None:
    context = context_of(tmp_path, FakeBuilder(Cancelled("x")), is_handed_on=lambda: is_handed_on)
    with pytest.raises(Cancelled):
        commands.run(BuildImage(build_id=BUILD, scope="harbour"), context)
    assert (lines(tmp_path)[-1]["type"] == "end") is not is_handed_on
    commands.run(BuildImage(build_id=BUILD, scope="harbour"), context_of(tmp_path, FakeBuilder()))
    assert sum(line["type"] == "again" for line in lines(tmp_path)) == 1


def test_one_that_is_given_up_has_an_end_and_says_which_step_it_was(tmp_path: Path) -> None:
    """What a worker that was killed has left: a step at work, one that waits, half a line."""
    command, engine = BuildImage(build_id=BUILD, scope="harbour"), SimpleNamespace(config=EngineConfig(home=tmp_path))
    assert commands.give_up(encode_command(command), engine, "failed", "it died") == {"steps": []}
    assert not (tmp_path / "build-records" / f"{BUILD}.ndjson").exists()
    with build_commands.records(engine).write(BUILD) as record:
        record.add(type="step", id="old", name="of a worker before", state="running")
    with build_commands.records(engine).write(BUILD) as record:
        for name, state in (("a", "done"), ("b", "running"), ("c", "waiting")):
            record.add(type="step", id=name, name=name, state=state)
    with open(tmp_path / "build-records" / f"{BUILD}.ndjson", "a") as file:
        file.write('{"at": 1, "type": "lo')
    result = commands.give_up(encode_command(command), engine, "failed", "it died")
    assert [(step["id"], step["state"], step.get("error")) for step in result["steps"]] == [
        ("a", "done", None),
        ("b", "failed", "it died"),
        ("c", "skipped", None),
    ]
    text = (tmp_path / "build-records" / f"{BUILD}.ndjson").read_text()
    said = [json.loads(line) for line in text.splitlines()[-3:]]
    assert [(line["type"], line.get("state"), line.get("status")) for line in said] == [
        ("step", "failed", None),
        ("step", "skipped", None),
        ("end", None, "failed"),
    ]
    assert text.count('"again"') == 1
    assert commands.give_up(encode_command(ForgetBuild(build_id=BUILD)), engine, "failed", "x") == {}


def test_the_record_is_forgotten_and_the_cache_pruned_for_one_team(tmp_path: Path) -> None:
    builder = FakeBuilder()
    commands.run(BuildImage(build_id=BUILD, scope="harbour"), context_of(tmp_path, builder))
    for _ in range(2):
        assert commands.run(ForgetBuild(build_id=BUILD), context_of(tmp_path, builder)) == {}
    assert not (tmp_path / "build-records" / f"{BUILD}.ndjson").exists()
    found = commands.run(PruneBuildCache(scope="harbour", unused_seconds=5.0), context_of(tmp_path, builder))
    assert found == {"steps": 3, "mounts": 1, "reclaimed_bytes": 100}
    assert (builder.asked["rules"].team, builder.asked["rules"].unused_seconds) == ("harbour", 5.0)
    build_commands.tidy(SimpleNamespace(config=EngineConfig(home=tmp_path / "nothing")))


def test_what_is_to_come_of_it_is_passed_on(tmp_path: Path) -> None:
    builder = FakeBuilder()
    command = BuildImage(
        build_id=BUILD, scope="harbour", tags=("app:1",), platforms=("linux/amd64", "linux/arm64"), push=True,
        cache_from=("app:cache",), cache_to="app:cache", cache_mode="max", cache_mounts=True, cache_inline=True,
        sbom="spdx", provenance="min",
    )  # fmt: skip
    result = commands.run(command, context_of(tmp_path, builder))
    spec = builder.asked["spec"]
    assert (spec.platforms, spec.push, spec.cache_from) == (("linux/amd64", "linux/arm64"), True, ("app:cache",))
    assert [(one.reference, one.mode, one.mounts) for one in spec.cache_to] == [("app:cache", "max", True)]
    assert (spec.cache_inline, spec.sbom, spec.provenance, spec.signing_key) == (True, "spdx", "min", "")
    assert (spec.invocation, result["digest"], result["pushed"]) == (BUILD, "", [])


def test_a_build_is_signed_with_the_key_of_the_task_or_not_done(tmp_path: Path) -> None:
    builder = FakeBuilder()
    command = BuildImage(build_id=BUILD, scope="harbour", tags=("app:1",), sign=True)
    with pytest.raises(InvalidArgument, match="its key was removed"):
        commands.run(command, context_of(tmp_path, builder, secrets={"build": {}}))
    assert builder.asked == {}
    (private, _) = signing.new_key()
    commands.run(command, context_of(tmp_path, builder, secrets={"build": {}, "signing_key": private}))
    assert builder.asked["spec"].signing_key == private


def test_images_of_failed_steps_go_after_half_an_hour() -> None:
    made = datetime.now(UTC)
    images = [SimpleNamespace(tags=tags, made_at=made) for tags in (("failed-step:a",), ("app:1", "failed-stepper:1"))]
    gone: list[str] = []
    engine = SimpleNamespace(images=SimpleNamespace(list=lambda: images), image_remove=gone.append)
    build_commands.tidy_failed_steps(engine, made.timestamp() + 60)
    assert gone == []
    build_commands.tidy_failed_steps(engine, made.timestamp() + 1801)
    assert gone == ["failed-step:a"]


GIT = "https://git.example.com/app.git#main"


def test_a_repository_is_fetched_as_the_first_step(tmp_path: Path) -> None:
    builder = FakeBuilder()
    server = {"username": "robot", "password": "hush", "ca_pem": ""}
    context = context_of(tmp_path, builder, secrets={"git": {"git.example.com": server}})
    result = build_commands.FUNCTIONS[BuildImage](BuildImage(build_id=BUILD, scope="t", git=GIT), context)
    assert result["commit"] == "ab" * 20
    assert result["steps"][0]["name"] == "[internal] fetch https://git.example.com/app.git main"
    assert builder.fetched["credentials"]["git.example.com"].password == "hush"
    assert [path.name for path in builder.asked["files"]] == ["Dockerfile"]
    assert "hush" not in json.dumps(lines(tmp_path)) + repr(builder.fetched) + repr(builder.asked)


@pytest.mark.parametrize(
    ("error", "state"), [(InvalidArgument("no such branch"), "failed"), (Cancelled("cancelled"), "cancelled")]
)
def test_one_that_is_not_fetched_is_a_step_that_says_so(tmp_path: Path, error: EngineError, state: str) -> None:
    builder = FakeBuilder()
    builder.unreachable = error
    with pytest.raises(type(error)):
        build_commands.FUNCTIONS[BuildImage](
            BuildImage(build_id=BUILD, scope="t", git=GIT), context_of(tmp_path, builder)
        )
    steps = [line for line in lines(tmp_path) if line["type"] == "step"]
    assert (steps[-1]["state"], steps[-1]["error"]) == (state, str(error))
