"""A build's record, told as Docker's first builder tells a build: one instruction after the other.

The host builds stages side by side; what comes early waits here until it is its turn. The builder has no containers
and no images between its steps, so their ids are made up of the build's; they name nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from webui.dockerapi.objects.progress import Told
from webui.dockerapi.objects.words import reckoned_id

SHORT = 12
HELD_CHARACTERS = 1 << 20
"""Of what a step prints before it is its turn; the rest is left out."""
UNCONSUMED = "UnconsumedBuildArgs"
"""What a host calls the warning of build arguments that no ARG has asked for."""
_ENDED = ("cached", "done")
_BROKEN = ("failed", "cancelled", "skipped")


class Instructions:
    """Takes a record's lines (`engine.build.record`) and answers what is to be said now."""

    def __init__(self, build_id: str, *, removes: bool = True, labels: Mapping[str, str] | None = None) -> None:
        """`removes`: intermediate containers are said to be removed. `labels`: those that the request adds, which are
        one more instruction.
        """
        pairs = " ".join(f"{name}={value}" for name, value in sorted((labels or {}).items()))
        self._last = [(f"LABEL {pairs}", "")] if pairs else []
        self._build_id = build_id
        self._removes = removes
        self._plan: list[tuple[str, str]] = []
        self._states: dict[str, str] = {}
        self._held: dict[str, str] = {}
        self._at = 0
        self._is_open = False
        self._is_running = False

    def take(self, line: Mapping[str, Any]) -> list[Told]:
        kind = line.get("type")
        if kind == "again":
            self._plan, self._states, self._held = [], {}, {}
            self._at, self._is_open, self._is_running = 0, False, False
            return [_stream("The worker was restarted: the build begins again.\n")]
        if kind == "plan":
            found = line.get("instructions") or ()
            said = [(str(one.get("text", "")), str(one.get("step", ""))) for one in found]
            self._plan = [*self._plan[: len(self._plan) - (len(self._last) if self._plan else 0)], *said, *self._last]
            return []
        step = str(line.get("id", ""))
        if kind == "log":
            return self._log(step, str(line.get("text", "")))
        if kind == "step":
            self._states[step] = str(line.get("state", ""))
            return self._go_on()
        return self._go_on() if kind == "end" else []

    def _log(self, step: str, text: str) -> list[Told]:
        if self._is_open and self._plan[self._at][1] == step:
            return [*self._runs(), _stream(text)]
        if len(self._held.get(step, "")) < HELD_CHARACTERS:
            self._held[step] = self._held.get(step, "") + text
        return []

    def _go_on(self) -> list[Told]:
        """Everything that can be said up to the step that is at work."""
        told: list[Told] = []
        while self._at < len(self._plan):
            text, step = self._plan[self._at]
            state = self._states.get(step, "waiting") if step else "done"
            if not self._is_open:
                if state in ("skipped", "cancelled"):
                    break
                self._is_open = True
                number = f"{self._at + 1}/{len(self._plan)}"
                told += [_stream(f"Step {number} : {text}"), _stream("\n")]
            if state == "running" or step in self._held:
                told += self._runs()
            if step in self._held:
                told.append(_stream(self._held.pop(step)))
            if state not in _ENDED:
                break
            told += self._ends(text, step, state)
            self._at += 1
            self._is_open = self._is_running = False
        return told

    def _runs(self) -> list[Told]:
        """That a command is at work, once."""
        text, step = self._plan[self._at]
        if self._is_running or not _is_run(text):
            return []
        self._is_running = True
        return [_stream(f" ---> Running in {self._id('container', step)}\n")]

    def _ends(self, text: str, step: str, state: str) -> list[Told]:
        if all(_word(one) == "ARG" for one, _ in self._plan[: self._at + 1]):
            return []  # above the first FROM there is no image yet
        told = []
        if state == "cached" and _word(text) != "FROM":
            told.append(_stream(" ---> Using cache\n"))
        elif _is_run(text):
            told += self._runs()
            if self._removes:
                told.append(_stream(f"Removing intermediate container {self._id('container', step)}\n"))
        return [*told, _stream(f" ---> {self._id('image', str(self._at))}\n")]

    def _id(self, kind: str, what: str) -> str:
        return reckoned_id(kind, self._build_id, what)[:SHORT]


def built(
    image_id: str, tags: Iterable[str], *, has_aux: bool = True, warnings: Iterable[Mapping[str, Any]] = ()
) -> list[Told]:
    """The last lines of a build. `warnings`: of its result; what Docker's first builder knows of them is told."""
    told = [_stream(f"[Warning] {one['message']}\n") for one in warnings if one["rule"] == UNCONSUMED]
    told += [{"aux": {"ID": image_id}}] if has_aux else []
    told.append(_stream(f"Successfully built {image_id.removeprefix('sha256:')[:SHORT]}\n"))
    return told + [_stream(f"Successfully tagged {tag}\n") for tag in tags]


def _word(text: str) -> str:
    return text.partition(" ")[0].upper()


def _is_run(text: str) -> bool:
    return _word(text) == "RUN"


def _stream(text: str) -> Told:
    return {"stream": text}
