"""What the site asks about images reaches the engine, with how the registry is to be spoken to; answers come back."""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Iterator, Mapping
from types import SimpleNamespace
from typing import Any

import pytest

from engine.build.differing import Difference, Differences
from engine.config import EngineConfig
from engine.errors import Cancelled, DataCorrupt, NotFound, Unavailable
from engine.registry.access import Access
from tests.support.home import Home
from tests.support.processes import eventually
from tests.worker.fakes import FakeEngine, KnownCancellations
from worker import commands
from worker.contract import commands as c
from worker.contract import sessions
from worker.executor import Executor
from worker.ledger import Ledger
from worker.questions import comparing_answers, image_answers
from worker.sessions.image_source import ImportSource, LoadSource, SaveSource
from worker.sessions.registry_source import ManifestSource, ReferrersSource, SignaturesSource, TagsSource

IMAGE = "sha256:feed"
A_JOB = {sessions.JOB: {"id": "j", "fence": 1}}
SECRETS = {"username": "alice", "password": "hunter2", "plain_http": True, "mirrors": ["mirror:5000"]}


@pytest.fixture
def engine(home: Home) -> Iterator[FakeEngine]:
    config = EngineConfig(home=home.path)
    config.run.mkdir(parents=True, exist_ok=True)
    yield FakeEngine(config)


def run(engine: FakeEngine, command: Any, secrets: Mapping[str, Any] | None = None) -> dict[str, Any]:
    found = commands.run(command, commands.Context(engine, lambda *_: None, threading.Event(), secrets))
    return json.loads(json.dumps(found))


def test_a_push_goes_with_the_access_and_says_what_was_sent(engine: FakeEngine) -> None:
    found = run(engine, c.PushImage(reference="mine:1", all_platforms=True), SECRETS)
    assert (found["uploaded"], found["mounted"], found["existed"], found["size_bytes"]) == (3, 1, 2, 10)
    assert "mirror:5000" in engine.calls()[0] and engine.calls()[0].endswith(" True")
    assert "hunter2" not in engine.calls()[0]


def test_secrets_become_the_engines_access() -> None:
    context = commands.Context(None, lambda *_: None, threading.Event(), SECRETS)
    access = context.access
    assert isinstance(access, Access) and access.credentials is not None
    assert (access.credentials.username, access.credentials.password) == ("alice", "hunter2")
    assert (access.plain_http, access.tls_verify, access.ca_pem, access.mirrors) == (True, True, None, ("mirror:5000",))
    nobody = commands.Context(None, lambda *_: None, threading.Event(), {"plain_http": True}).access
    assert nobody.credentials is None and nobody.plain_http
    assert commands.Context(None, lambda *_: None, threading.Event(), None).access is None


def test_secrets_of_several_registries_become_one_access_each() -> None:
    secrets = {"registries": {"a.example": SECRETS, "lab:5000": {"plain_http": True}}}
    accesses = commands.Context(None, lambda *_: None, threading.Event(), secrets).accesses
    assert accesses["a.example"].credentials.username == "alice" and accesses["lab:5000"].credentials is None
    assert commands.Context(None, lambda *_: None, threading.Event(), None).accesses == {}


def test_verbs_reach_the_engine(engine: FakeEngine) -> None:
    assert run(engine, c.TagImage(image=IMAGE, reference="b:2")) == {"image_id": IMAGE, "tags": ["b:2"]}
    pruned = run(engine, c.PruneImages(all=True, until=1700000000.0, labels=("a=b",)))
    assert pruned == {"untagged": ["old:1"], "deleted": [IMAGE], "reclaimed_bytes": 4096}
    assert engine.calls()[1] == "prune True 2023-11-14 22:13:20+00:00 ['a=b']"
    assert run(engine, c.VerifyImages(repair=True))["checked_blobs"] == 3
    assert run(engine, c.TryRegistry(registry="docker.io"), SECRETS)["ok"] is True


def test_a_look_up_names_what_the_registry_lacks(engine: FakeEngine) -> None:
    found = run(engine, c.LookUpImages(references=("a:1", "missing/b:1")))
    assert [(one["reference"], one["digest"] is None) for one in found["images"]] == [
        ("a:1", False),
        ("missing/b:1", True),
    ]
    assert found["rate_limit"] == {"limit": 100, "remaining": 99, "window_seconds": 21600}


def test_questions_are_answered_as_json(engine: FakeEngine) -> None:
    answers = image_answers(engine)
    for name, wish in (
        ("image.history", {}),
        ("image.document", {}),
        ("image.files", {"layer": "sha256:1"}),
        ("image.waste", {}),
        ("disk.usage", {}),
    ):
        json.dumps(answers[name](IMAGE, wish))
    assert answers["image.history"](IMAGE, {})["layers"][0]["created_by"] == "COPY . /"
    assert answers["image.attached"](IMAGE, {}) == {
        "attachments": [{"digest": "sha256:1", "slot": "sbom:spdx"}],
        "signed": [],
    }
    (signed,) = answers["image.attached"](IMAGE, {"keys": ["k"], "registries": True})["signed"]
    assert (signed["key_id"], signed["place"]) == ("k", "here"), "a registry takes longer than a question may"
    assert answers["image.attachment"](IMAGE, {"digest": "sha256:2"}) == {"content": '{"of": "sha256:2"}'}


def test_what_the_build_cache_takes_is_told_of_one_team() -> None:
    mount = SimpleNamespace(id="/kept", size_bytes=5, used_at=1.5, key="k", team="harbour")
    usage = SimpleNamespace(steps=(1, 2), layers_bytes=10, mounts_bytes=5, mounts=(mount,))
    asked: list[str] = []
    builder = SimpleNamespace(disk_usage=lambda team: (asked.append(team), usage)[1])
    answer = image_answers(SimpleNamespace(builder=builder))["build.cache"]
    assert json.loads(json.dumps(answer("harbour", {}))) == {
        "steps": 2,
        "layers_bytes": 10,
        "mounts_bytes": 5,
        "mounts": [{"id": "/kept", "size_bytes": 5, "used_at": 1.5}],
    }
    assert asked == ["harbour"]


def test_differences_of_two_images_are_told_as_json() -> None:
    row = Difference("/a", "changed", "file", 1, 2, what=("content",))
    asked: list[Any] = []

    def differences(*words: Any) -> Differences:
        asked.append(words)
        return Differences(0, 1, 0, (row,), more=False, is_cut=False)

    answer = comparing_answers(SimpleNamespace(builder=SimpleNamespace(differences=differences)))["build.differences"]
    told = json.loads(json.dumps(answer(IMAGE, {"before": "sha256:0", "limit": 10})))
    assert asked == [("sha256:0", IMAGE, 10)]
    assert told["differences"][0]["what"] == ["content"]


@pytest.fixture
def executor(engine: FakeEngine) -> Executor:
    ledger = Ledger(engine.store, engine.journal, "first", lambda: 0)
    return Executor(engine, ledger, lambda *_: None, KnownCancellations())


def ends(engine: FakeEngine) -> list[tuple[str, str, Any]]:
    """What the journal says of jobs that have ended: id, status, result or the error's message."""
    return [
        (e.subject, e.attributes["status"], (e.attributes["error"] or {}).get("message") or e.attributes["result"])
        for e in engine.journal.read(0)
        if e.kind == "job.finished"
    ]


def fill(source: LoadSource, data: bytes) -> None:
    assert source.stdin is not None
    os.write(source.stdin, data)


def test_a_loaded_tar_becomes_images(engine: FakeEngine, executor: Executor) -> None:
    source = LoadSource(executor, "", A_JOB)
    fill(source, b"mine:2")
    source.close_stdin()
    taken = {"images": [{"id": IMAGE, "tags": ["mine:2"], "names": ["mine:2"]}]}
    assert source.result() == taken
    source.close()
    assert ends(engine) == [("j", "succeeded", taken)]


def test_what_is_no_archive_ends_before_all_was_sent(engine: FakeEngine, executor: Executor) -> None:
    source = LoadSource(executor, "", A_JOB)
    fill(source, b"bad")
    assert source.ended is not None
    assert os.read(source.ended, 1) == b""  # the pump waits for this
    with pytest.raises(DataCorrupt) as refused:
        source.result()
    source.close()
    assert ends(engine) == [("j", "failed", refused.value.message)]


def test_a_load_that_its_visitor_leaves_is_cancelled(engine: FakeEngine, executor: Executor) -> None:
    source = LoadSource(executor, "", A_JOB)
    fill(source, b"half of it")
    source.close()
    assert engine.calls() == []
    [(_, status, message)] = ends(engine)
    assert status == "failed" and "broken off" in message


def test_a_load_can_be_cancelled_as_any_job(engine: FakeEngine, executor: Executor) -> None:
    source = LoadSource(executor, "", A_JOB)
    fill(source, b"half of it")
    eventually(lambda: executor.running() == ["j"], what="its beginning")
    executor.cancel("j")
    source.close_stdin()  # the fake reads to the end; the engine looks in between
    with pytest.raises(Cancelled):
        source.result()
    source.close()
    assert ends(engine) == [("j", "cancelled", {})]


def test_a_load_whose_worker_died_fails_with_the_next_one(engine: FakeEngine, executor: Executor) -> None:
    ledger = Ledger(engine.store, engine.journal, "dead", lambda: 0)
    assert ledger.claim("j", 1, "image.load", c.encode_command(c.LoadImages())).run
    for thread in executor.resume():
        thread.join()
    [(_, status, message)] = ends(engine)
    assert status == "failed" and "send it again" in message


def test_a_job_that_has_ended_takes_no_archive(engine: FakeEngine, executor: Executor) -> None:
    executor.execute(job_id="j", command=c.encode_command(c.LoadImages()), fence=1)  # it was thought to be lost
    source = LoadSource(executor, "", A_JOB)
    with pytest.raises(Unavailable, match="send it again"):
        source.result()
    source.close()
    assert engine.calls() == []


def test_an_import_takes_its_wishes_along(engine: FakeEngine, executor: Executor) -> None:
    source = ImportSource(
        executor, "", A_JOB | {"reference": "root:1", "changes": ["CMD sh"], "message": "made by hand"}
    )
    source.close_stdin()
    assert source.result()["images"][0]["tags"] == ["root:1"]
    assert engine.calls()[-1] == "import root:1 ['CMD sh'] made by hand None"
    source.close()


def test_a_save_of_files_asks_the_builder() -> None:
    asked: list[str] = []

    def save_files(name: str) -> Any:
        asked.append(name)
        raise NotFound("gone")

    with pytest.raises(NotFound):
        engine = SimpleNamespace(builder=SimpleNamespace(save_files=save_files))
        SaveSource(engine, "", {"names": [IMAGE], "format": sessions.FILES})
    assert asked == [IMAGE]


def test_a_save_of_what_is_not_there_is_refused(engine: FakeEngine) -> None:
    with pytest.raises(NotFound):
        SaveSource(engine, "", {"names": ["nothing"], "format": sessions.SaveParameters(names=()).format})


def test_a_mirror_has_an_access_of_its_own() -> None:
    secrets = SECRETS | {"of_mirrors": {"mirror:5000": {"username": "bob", "password": "swordfish"}}}
    access = commands.Context(None, lambda *_: None, threading.Event(), secrets).access
    assert access.for_mirror("mirror:5000").credentials.username == "bob"
    assert access.for_mirror("other:5000").credentials is None


def test_what_is_left_of_a_registrys_quota_is_told(engine: FakeEngine) -> None:
    told = run(engine, c.PullImage(reference="limited/a"))
    assert (told["rate_limit"]["remaining"], told["digest"]) == (76, "sha256:" + "d" * 64)
    assert "rate_limit" not in run(engine, c.PullImage(reference="a"))


def test_a_registry_is_asked_in_a_session_with_its_secrets(engine: FakeEngine) -> None:
    source = TagsSource(engine, "", {"reference": "a/b", "secrets": SECRETS})
    assert source.ended is not None and os.read(source.ended, 1) == b""  # the pump waits for this
    found = source.result()
    assert (len(found["tags"]), found["count"], found["tags"][-1]) == (sessions.TAGS_MAXIMUM, 6000, "v5999")
    source.close()
    source = ReferrersSource(engine, "", {"reference": "a/b", "artifact_type": "x/y"})
    assert source.ended is not None and os.read(source.ended, 1) == b""
    assert (source.result()["referrers"][0]["digest"], source.result()["count"]) == ("sha256:" + "d" * 64, 1)
    source.close()
    source = ManifestSource(engine, "", {"reference": "a/b"})
    assert source.ended is not None and os.read(source.ended, 1) == b""
    assert source.result()["platforms"] == [{"os": "linux", "architecture": "amd64", "variant": ""}]
    source.close()
    wish = {"image": IMAGE, "keys": ["k"], "registries": {"a.example": SECRETS}}
    source = SignaturesSource(engine, "", wish)
    assert source.ended is not None and os.read(source.ended, 1) == b""
    assert source.result() == {
        "attachments": [{"digest": "sha256:1", "slot": "sbom:spdx"}],
        "signed": [{"key_id": "k", "digest": "sha256:1", "place": "registries {'a.example': 'alice'}"}],
    }
    source.close()
    assert engine.calls() == ["tags a/b alice", "referrers a/b x/y"]
    refused = TagsSource(engine, "", {"reference": "missing/b"})
    assert refused.ended is not None and os.read(refused.ended, 1) == b""
    with pytest.raises(NotFound):
        refused.result()
    refused.close()
