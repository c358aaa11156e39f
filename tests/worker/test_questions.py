"""Questions from the site: answered whole, with the engine's own errors, and beside one another."""

from __future__ import annotations

import itertools
import json
import threading
import time
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest

from engine.errors import Conflict
from tests.support.processes import eventually
from tests.support.valkey import Valkey
from worker import questions
from worker.contract import frames, keys
from worker.contract.frames import Frame, OpenStream
from worker.questions import Questions
from worker.service import questions_of


def answer(valkey: Valkey, stream_id: str) -> list[Frame]:
    def read() -> list[Frame] | None:
        found = [Frame.decode(fields[b"m"]) for _, fields in valkey.client().xrange(keys.frames(stream_id))]
        return found if found and found[-1].kind != frames.DATA else None

    got = eventually(read, what=f"the answer to {stream_id}")
    assert isinstance(got, list)
    return got


def question(stream_id: str, source: str) -> OpenStream:
    return OpenStream(stream_id=stream_id, source=source, container_id="c", follow=False)


def test_an_answer_is_one_frame_of_json_and_the_end(valkey: Valkey) -> None:
    def refuse(container_id: str, _: object) -> Any:
        raise Conflict(f"container {container_id} does not run")

    def break_down(container_id: str, _: object) -> Any:
        raise RuntimeError("the password is hunter2")

    answers = {"top": lambda container_id, _: {"of": container_id, "text": "ü"}, "no": refuse, "bug": break_down}
    asked = Questions(valkey.client(), answers)
    assert asked.knows("top") and not asked.knows("logs")
    for name in answers:
        asked.handle(question(name, name))
    data, end = answer(valkey, "top")
    assert json.loads(data.data) == {"of": "c", "text": "ü"}
    assert (data.kind, data.cursor, end.kind) == (frames.DATA, len(data.data), frames.END)
    (error,) = answer(valkey, "no")
    assert (error.kind, json.loads(error.data)["family"]) == (frames.ERROR, "conflict")
    (error,) = answer(valkey, "bug")
    assert json.loads(error.data)["family"] == "internal" and b"hunter2" not in error.data
    assert 0 < valkey.client().ttl(keys.frames("top")) <= questions.EXPIRE_SECONDS
    asked.stop()


def test_a_slow_answer_holds_up_neither_the_caller_nor_others(valkey: Valkey) -> None:
    go = threading.Event()
    asked = Questions(valkey.client(), {"slow": lambda *_: go.wait(100), "top": lambda *_: 1})
    began = time.monotonic()
    asked.handle(question("s1", "slow"))
    asked.handle(question("t1", "top"))
    assert time.monotonic() - began < 50, "it waited for the slow one"
    assert answer(valkey, "t1")[0].data == b"1"
    go.set()
    assert answer(valkey, "s1")[0].data == b"true"
    asked.stop()


def test_comparisons_stand_in_the_way_of_no_other_question(valkey: Valkey) -> None:
    """One takes many seconds of a host: a second one is refused, and what is asked of images besides is answered."""
    go = threading.Event()
    engine = SimpleNamespace(
        builder=SimpleNamespace(differences=lambda *_: go.wait(100)), images=SimpleNamespace(waste=lambda _: "waste")
    )
    every = questions_of(valkey.client(), engine)

    def ask(stream_id: str, source: str) -> None:
        (asked,) = [one for one in every if one.knows(source)]
        asked.handle(replace(question(stream_id, source), parameters={"before": "b"}))

    for stream_id in ("d1", "d2", "d3"):
        ask(stream_id, "build.differences")
    for refused in ("d2", "d3"):
        (error,) = answer(valkey, refused)
        assert json.loads(error.data)["family"] == "unavailable"
    ask("w1", "image.waste")
    assert answer(valkey, "w1")[0].data == b'"waste"'
    go.set()
    assert answer(valkey, "d1")[0].data == b"true"
    again = itertools.count()

    def is_answered() -> bool:
        name = f"again{next(again)}"
        ask(name, "build.differences")
        return answer(valkey, name)[-1].kind == frames.END

    eventually(is_answered, what="room for the next one")
    for one in every:
        one.stop()


def test_more_than_can_be_answered_in_time_is_refused_at_once(valkey: Valkey, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(questions, "WAITING_MAXIMUM", 3)
    go = threading.Event()
    asked = Questions(valkey.client(), {"slow": lambda *_: go.wait(100)})
    for stream_id in ("s1", "s2", "s3", "s4"):
        asked.handle(question(stream_id, "slow"))
    (error,) = answer(valkey, "s4")
    assert json.loads(error.data)["family"] == "unavailable"
    go.set()
    for stream_id in ("s1", "s2", "s3"):
        assert answer(valkey, stream_id)[0].data == b"true"
    asked.stop()
