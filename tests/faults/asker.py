"""Asks a home's engine for one thing after the other and says what was acknowledged, until it is killed.

    python -m tests.faults.asker HOME IMAGE SEED

Before each, `{"ask": ID}` on standard output; after it, once the host's disk has it, `{"ack": ID, …}` with what holds.
"""

from __future__ import annotations

import json
import random
import secrets
import sys
from pathlib import Path
from typing import Any

from engine.config import EngineConfig
from engine.containers.spec import ContainerSpec
from engine.facade import Engine

VERBS = ("create", "create", "start", "stop", "rename", "update", "remove")


class Asker:
    def __init__(self, engine: Engine, image: str, dice: random.Random) -> None:
        self.engine, self.image, self.dice = engine, image, dice
        self.known: dict[str, dict[str, Any]] = {}
        self.count = 0

    def once(self) -> None:
        living = sorted(id_ for id_, promise in self.known.items() if promise["name"] is not None)
        verb = self.dice.choice(VERBS) if len(living) > 2 else "create"
        target = secrets.token_hex(32) if verb == "create" else self.dice.choice(living)
        promise = dict(self.known.get(target) or {"name": f"c-{target[:8]}", "restart": "no", "desired": "stopped"})
        say(ask=target)
        getattr(self, verb)(target, promise)
        seq = self.engine.journal.last_seq()
        self.engine.make_durable([target])  # as the worker does before it tells the site
        self.known[target] = promise
        self.count += 1
        say(ack=target, seq=seq, promise=promise)

    def create(self, target: str, promise: dict[str, Any]) -> None:
        promise["restart"] = self.dice.choice(("no", "unless-stopped"))
        spec = ContainerSpec(
            id=target,
            name=promise["name"],
            image=self.image,
            command=("sleep", "1000"),
            restart=promise["restart"],
        )
        self.engine.container_create(spec)

    def start(self, target: str, promise: dict[str, Any]) -> None:
        self.engine.container_start(target)
        promise["desired"] = "running"

    def stop(self, target: str, promise: dict[str, Any]) -> None:
        self.engine.container_stop(target, 0)
        promise["desired"] = "stopped"

    def rename(self, target: str, promise: dict[str, Any]) -> None:
        promise["name"] = f"{promise['name'].partition('.')[0]}.{self.count}"
        self.engine.container_rename(target, promise["name"])

    def update(self, target: str, promise: dict[str, Any]) -> None:
        promise["restart"] = self.dice.choice(("no", "always", "unless-stopped"))
        self.engine.container_update(target, {"restart": promise["restart"]})

    def remove(self, target: str, promise: dict[str, Any]) -> None:
        self.engine.container_remove(target, force=True)
        promise["name"] = None


def say(**what: Any) -> None:
    print(json.dumps(what), flush=True)


def main() -> None:
    engine = Engine(EngineConfig(home=Path(sys.argv[1])))
    engine.reconcile()
    engine.images.pull(sys.argv[2])
    asker = Asker(engine, sys.argv[2], random.Random(sys.argv[3]))
    while True:
        asker.once()


if __name__ == "__main__":
    main()
