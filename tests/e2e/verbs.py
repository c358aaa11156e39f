"""One table of steps for two engines, and how each does them: what may be compared afterwards, and nothing else.

A step is a verb with its arguments; its outcome is a number (an exit code where the verb has one, 0 for done, -1 for
refused) and the state that the container is in then. Ids, times and words are nobody's business here.
"""

from __future__ import annotations

import json
import secrets
from dataclasses import dataclass, field
from typing import Any, Protocol

from engine.errors import EngineError
from engine.runtime.execs import ExecSpec
from tests.support import dockerd
from tests.support.engine import Host
from tests.support.processes import eventually

REFUSED = -1
SETTLES = 90.0


@dataclass(frozen=True)
class State:
    """`code` is None as long as it runs: docker shows 0 then, or the last run's."""

    status: str
    code: int | None = None
    oom: bool = False
    restarts: int = 0
    health: str = ""


GONE = State("gone")


@dataclass(frozen=True)
class Wish:
    """What a container is made with, in words that both can say."""

    command: tuple[str, ...] = ("sleep", "1000")
    restart: str = "no"
    limit: int | None = None
    memory: int | None = None
    stop_signal: str | None = None
    health: str | None = None
    retries: int = 1
    init: bool = False
    tty: bool = False
    remove: bool = False
    user: str | None = None


Step = tuple[Any, ...]


@dataclass(frozen=True)
class Scene:
    """`differs`: step number → why the two do not agree there, and shall not."""

    wish: Wish
    steps: tuple[Step, ...]
    differs: dict[int, str] = field(default_factory=dict)


class Actor(Protocol):
    def create(self, wish: Wish) -> int: ...
    def do(self, verb: str, *arguments: Any) -> int: ...
    def state(self) -> State: ...
    def forget(self) -> None: ...


def act(actor: Actor, scene: Scene) -> list[tuple[int, State | None]]:
    """The outcome of each step, the creation first. `until` waits for a state and has no outcome but that.

    There is no state where the next step waits for one, nor just after a restart: it may be this one yet, or the next.
    """
    outcomes: list[tuple[int, State | None]] = [(actor.create(scene.wish), actor.state())]
    for (verb, *arguments), following in zip(scene.steps, [*scene.steps[1:], ("",)], strict=True):
        if verb == "until":
            wanted = arguments[0]
            eventually(
                lambda wanted=wanted: getattr(actor.state(), wanted[0]) == wanted[1],  # type: ignore[misc]
                seconds=SETTLES,
                what=f"{wanted} of {actor.state()}",
            )
            outcomes.append((0, None if wanted[0] == "restarts" else actor.state()))
        else:
            number = actor.do(verb, *arguments)
            outcomes.append((number, None if following[0] in ("until", "wait") else actor.state()))
    actor.forget()
    return outcomes


class Ours:
    def __init__(self, host: Host) -> None:
        self.host, self.engine, self.id = host, host.engine, ""

    def create(self, wish: Wish) -> int:
        options: dict[str, Any] = {
            "restart": wish.restart,
            "restart_limit": wish.limit,
            "memory_bytes": wish.memory,
            "memory_swap": wish.memory,
            "stop_signal": wish.stop_signal,
            "init": wish.init,
            "tty": wish.tty,
            "auto_remove": wish.remove,
            "user": wish.user,
        }
        if wish.health is not None:
            options["healthcheck"] = {
                "test": ["CMD-SHELL", wish.health],
                "interval_seconds": 0.5,
                "retries": wish.retries,
            }
        spec = self.host.spec(*wish.command, **{name: value for name, value in options.items() if value is not None})
        self.id = spec.id
        return self._told(lambda: self.engine.container_create(spec))

    def _told(self, action: Any) -> int:
        try:
            action()
        except EngineError as error:
            code = error.detail.get("exit_code")
            return code if isinstance(code, int) else REFUSED
        return 0

    def do(self, verb: str, *arguments: Any) -> int:
        engine, id_ = self.engine, self.id
        if verb == "exec":
            return self._told_code(arguments)
        if verb == "wait":
            record = engine.container_wait(id_, SETTLES)
            assert record is not None and record.exit_code is not None
            return record.exit_code
        return self._told(
            {
                "start": lambda: engine.container_start(id_),
                "stop": lambda: engine.container_stop(id_, *arguments),
                "kill": lambda: engine.container_kill(id_, *arguments),
                "restart": lambda: engine.container_restart(id_, *arguments),
                "pause": lambda: engine.container_pause(id_),
                "unpause": lambda: engine.container_unpause(id_),
                "rename": lambda: engine.container_rename(id_, f"{arguments[0]}-{id_[:8]}"),
                "update": lambda: engine.container_update(
                    id_, {"restart": arguments[0], "restart_limit": arguments[1]}
                ),
                "remove": lambda: engine.container_remove(id_),
                "remove by force": lambda: engine.container_remove(id_, force=True),
            }[verb]
        )

    def _told_code(self, command: tuple[str, ...]) -> int:
        try:
            made = self.engine.container_exec(self.id, ExecSpec(args=command))
        except EngineError as error:
            code = error.detail.get("exit_code")
            return code if isinstance(code, int) else REFUSED
        status = self.engine.container_exec_wait(self.id, made.id, SETTLES)
        assert status is not None
        return status.code

    def state(self) -> State:
        try:
            record = self.engine.container_get(self.id)
        except EngineError:
            return GONE
        code = record.exit_code if record.status in ("stopped", "created") else None
        health = record.health.status if record.health is not None and record.status == "running" else ""
        return State(record.status, code or (0 if code is None and record.status == "created" else code),
                     record.oom_killed, record.restart_count, health)  # fmt: skip

    def forget(self) -> None:
        self._told(lambda: self.engine.container_remove(self.id, force=True))


class Docker:
    def __init__(self, client: dockerd.Docker, image: str) -> None:
        self.client, self.image, self.id = client, image, ""

    def create(self, wish: Wish) -> int:
        self.id = f"c{secrets.token_hex(6)}"
        policy = wish.restart if wish.limit is None else f"{wish.restart}:{wish.limit}"
        options = ["--name", self.id, "--net", "none", "--restart", policy]
        if wish.memory is not None:
            options += ["--memory", str(wish.memory), "--memory-swap", str(wish.memory)]
        if wish.stop_signal is not None:
            options += ["--stop-signal", wish.stop_signal]
        if wish.health is not None:
            options += [
                "--health-cmd",
                wish.health,
                "--health-interval",
                "500ms",
                "--health-retries",
                str(wish.retries),
            ]
        if wish.user is not None:
            options += ["--user", wish.user]
        for name, wanted in {"--init": wish.init, "--tty": wish.tty, "--rm": wish.remove}.items():
            options += [name] if wanted else []
        if wish.remove:
            del options[options.index("--restart") : options.index("--restart") + 2]
        return self._told("create", *options, self.image, *wish.command)

    def _told(self, *arguments: str) -> int:
        code, text = self.client.attempt(*arguments)
        if arguments[0] == "start" and code:
            return 127 if "not found" in text or "no such file" in text else 126 if "permission denied" in text else -1
        return 0 if code == 0 else REFUSED

    def do(self, verb: str, *arguments: Any) -> int:
        if verb == "exec":
            code, text = self.client.attempt("exec", self.id, *arguments)
            return REFUSED if text.startswith("Error response from daemon") else code
        if verb == "wait":
            return int(self.client.call("wait", self.id))
        words = {
            "start": ("start", self.id),
            "stop": ("stop", "-t", *map(str, arguments or (10,)), self.id),
            "kill": ("kill", *(("-s", *arguments) if arguments else ()), self.id),
            "restart": ("restart", "-t", *map(str, arguments or (10,)), self.id),
            "pause": ("pause", self.id),
            "unpause": ("unpause", self.id),
            "rename": ("rename", self.id, f"{arguments[0]}-{self.id}" if arguments else ""),
            "update": ("update", "--restart", ":".join(map(str, arguments)), self.id),
            "remove": ("rm", self.id),
            "remove by force": ("rm", "-f", self.id),
        }[verb]
        outcome = self._told(*words)
        if verb == "rename" and outcome == 0:
            self.id = words[2]
        return outcome

    def state(self) -> State:
        code, text = self.client.attempt("inspect", "--format", "{{json .}}", self.id)
        if code:
            return GONE
        found = json.loads(text)
        state = found["State"]
        status = {"exited": "stopped"}.get(state["Status"], state["Status"])
        health = state.get("Health", {}).get("Status", "") if status == "running" else ""
        exit_code = state["ExitCode"] if status in ("stopped", "created") else None
        return State(status, exit_code, state["OOMKilled"], found["RestartCount"], health)

    def forget(self) -> None:
        self.client.attempt("rm", "-f", self.id)
