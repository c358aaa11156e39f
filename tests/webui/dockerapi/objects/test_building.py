"""A build's record in the words of Docker's first builder, whatever order the host works in."""

from __future__ import annotations

from typing import Any

from engine.build import spec
from webui.dockerapi.objects.building import UNCONSUMED, Instructions, built

PLAN = {
    "type": "plan",
    "instructions": [
        {"text": "FROM tiny AS x", "step": "0.0"},
        {"text": "RUN echo 1", "step": "0.1"},
        {"text": "FROM tiny", "step": "1.0"},
        {"text": "ENV A=1", "step": ""},
        {"text": "COPY --from=x /a /b", "step": "1.1"},
    ],
}


def step(identifier: str, state: str) -> dict[str, Any]:
    return {"type": "step", "id": identifier, "state": state}


def log(identifier: str, text: str) -> dict[str, Any]:
    return {"type": "log", "id": identifier, "text": text}


def said(*lines: dict[str, Any], **more: Any) -> str:
    told = Instructions("b" * 32, **more)
    return "".join(one["stream"] for line in lines for one in told.take(line))


def shown(text: str) -> list[str]:
    """Without the ids that name nothing."""
    cut = (" ---> Running in ", "Removing intermediate container ", " ---> ")
    return [
        next((prefix.rstrip() for prefix in cut if line.startswith(prefix) and line != " ---> Using cache"), line)
        for line in text.splitlines()
    ]


def test_instructions_come_one_after_the_other() -> None:
    text = said(
        PLAN,
        step("0.0", "waiting"), step("0.1", "waiting"), step("1.0", "waiting"), step("1.1", "waiting"),
        step("1.0", "cached"), step("0.0", "cached"),
        step("0.1", "running"), log("0.1", "one\n"), log("0.1", "two\n"), step("0.1", "done"),
        step("1.1", "running"), step("1.1", "done"), {"type": "end", "status": "succeeded"},
    )  # fmt: skip
    assert shown(text) == [
        "Step 1/5 : FROM tiny AS x", " --->",
        "Step 2/5 : RUN echo 1", " ---> Running in", "one", "two", "Removing intermediate container", " --->",
        "Step 3/5 : FROM tiny", " --->",
        "Step 4/5 : ENV A=1", " --->",
        "Step 5/5 : COPY --from=x /a /b", " --->",
    ]  # fmt: skip


def test_what_comes_early_waits_for_its_turn() -> None:
    text = said(
        PLAN,
        step("0.0", "waiting"), step("0.1", "waiting"), step("1.0", "done"),
        step("0.1", "running"), log("0.1", "early\n"),
        step("0.0", "done"), step("0.1", "done"),
    )  # fmt: skip
    assert shown(text)[2:7] == [
        "Step 2/5 : RUN echo 1", " ---> Running in", "early", "Removing intermediate container", " --->",
    ]  # fmt: skip


def test_a_cached_step_is_said_to_be() -> None:
    text = said(PLAN, step("0.0", "cached"), step("0.1", "cached"))
    assert shown(text)[:5] == [
        "Step 1/5 : FROM tiny AS x", " --->", "Step 2/5 : RUN echo 1", " ---> Using cache", " --->",
    ]  # fmt: skip


def test_a_step_that_fails_is_the_last_that_is_named() -> None:
    text = said(
        PLAN, step("0.0", "done"), step("0.1", "running"), log("0.1", "no\n"), step("0.1", "failed"),
        step("1.0", "skipped"), {"type": "end", "status": "failed"},
    )  # fmt: skip
    assert shown(text)[2:] == ["Step 2/5 : RUN echo 1", " ---> Running in", "no"]


def test_containers_are_kept_if_they_are_to_be() -> None:
    assert "Removing" not in said(PLAN, step("0.0", "done"), step("0.1", "done"), removes=False)


def test_a_plan_may_come_in_parts_and_again() -> None:
    first = {"type": "plan", "instructions": PLAN["instructions"][:2]}
    rest = {"type": "plan", "instructions": PLAN["instructions"][2:]}
    text = said(first, rest, step("0.0", "done"), {"type": "again"}, first, rest, step("0.0", "cached"))
    assert text.count("Step 1/5") == 2


def test_the_end_names_the_image_and_its_tags() -> None:
    image = "sha256:8dc2dbf5408760700b79f19c95ae91935f40c340e55d5ad633c0656203916da1"
    assert built(image, ["built:1"]) == [
        {"aux": {"ID": image}},
        {"stream": "Successfully built 8dc2dbf54087\n"},
        {"stream": "Successfully tagged built:1\n"},
    ]
    assert "aux" not in built(image, [], has_aux=False)[0]


def test_an_argument_above_the_first_from_has_no_image() -> None:
    plan = {"type": "plan", "instructions": [{"text": "ARG A=1", "step": ""}, *PLAN["instructions"][:2]]}
    text = said(plan, step("0.0", "done"), step("0.1", "cached"))
    assert shown(text)[:3] == ["Step 1/3 : ARG A=1", "Step 2/3 : FROM tiny AS x", " --->"]


def test_labels_of_the_request_are_the_last_instruction() -> None:
    first = {"type": "plan", "instructions": PLAN["instructions"][:1]}
    rest = {"type": "plan", "instructions": PLAN["instructions"][1:2]}
    text = said(first, rest, step("0.0", "done"), step("0.1", "cached"), labels={"b": "2", "a": "1"})
    assert shown(text)[-2:] == ["Step 3/3 : LABEL a=1 b=2", " --->"]


def test_build_arguments_that_nobody_asked_for_are_told_before_the_image() -> None:
    message = "One or more build-args [A] were not consumed"
    warnings = [{"rule": "FromAsCasing", "message": "x"}, {"rule": UNCONSUMED, "message": message}]
    told = built("sha256:" + "a" * 64, [], warnings=warnings)
    assert told[0] == {"stream": f"[Warning] {message}\n"}
    assert [next(iter(one)) for one in told] == ["stream", "aux", "stream"]
    assert spec.UNCONSUMED == UNCONSUMED
