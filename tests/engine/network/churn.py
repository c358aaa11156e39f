"""A program that makes, joins, leaves and removes networks by chance, until it is killed: HOME SEED PID…"""

from __future__ import annotations

import contextlib
import hashlib
import random
import sys
from pathlib import Path

from engine.config import EngineConfig
from engine.errors import EngineError
from engine.network.ports import PortSpec
from engine.network.service import Network
from engine.options.networks import Joining, NetworkSpec
from engine.store.database import Store

NAMES = ("n1", "n2", "n3")
VERBS = (
    "create", "create", "remove", "connect", "connect", "connect", "disconnect", "publish", "connect default",
    "disconnect default",
)  # fmt: skip


def main(home: str, seed: str, pids: list[int]) -> None:
    config, dice = EngineConfig(Path(home)), random.Random(seed)
    network = Network(config, Store(config.database))
    print("ready", flush=True)
    while True:
        name, number = dice.choice(NAMES), dice.randrange(len(pids))
        container, pid = f"c{number}", pids[number]
        verb = dice.choice(VERBS)
        with contextlib.suppress(EngineError):
            if verb == "create":
                flags = {flag: dice.random() < chance for flag, chance in (("ipv6", 0.6), ("internal", 0.2))}
                chosen = hashlib.sha256(f"{seed} {dice.random()}".encode()).hexdigest()
                network.named.create(NetworkSpec(id=chosen, name=name, icc=dice.random() < 0.8, **flags))
            elif verb == "remove":
                network.named.remove(name)
            elif verb == "connect":
                network.connect(container, Joining(network=name), pid)
            elif verb == "disconnect":
                network.disconnect(container, name, pid)
            elif verb == "connect default":
                network.connect_default(container, pid)
            elif verb == "disconnect default":
                network.disconnect_default(container, pid)
            else:
                address = dice.choice(("127.0.0.1", "0.0.0.0", "::"))
                network.publish(container, [PortSpec(80, None, "tcp", address)] if dice.random() < 0.8 else [])


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], [int(pid) for pid in sys.argv[3:]])
