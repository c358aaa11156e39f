"""A caller of the engine, to be killed at any moment: one life of a container for each line that it reads.

    python -m tests.support.lives HOME IMAGE        on stdin: "ID PORT HOW", answered on stdout by "ID" or "ID ! why"

HOW is how it ends: "kill", "stop" or "exit" (by itself).
"""

from __future__ import annotations

import sys
from pathlib import Path

from engine.config import EngineConfig
from engine.containers.spec import ContainerSpec, PortMapping
from engine.errors import Conflict, EngineError
from engine.facade import Engine

TAKES_TERM = "trap 'exit 0' TERM; while :; do sleep 0.01; done"


def live(engine: Engine, image: str, container_id: str, port: int, how: str) -> None:
    """Create, start, end, remove, with a published port and an image's files mounted."""
    script = "exit 3" if how == "exit" else TAKES_TERM
    engine.container_create(
        ContainerSpec(
            id=container_id,
            name=f"life-{container_id[:8]}",
            image=image,
            command=("sh", "-c", script),
            ports=(PortMapping(container=80, host=port),),
            mounts=(
                f"type=image,source={image},target=/shown",
                f"type=image,source={image},target=/p,image-subpath=bin",
            ),
        )
    )
    engine.container_start(container_id)
    try:
        if how == "kill":
            engine.container_kill(container_id)
        elif how == "stop":
            engine.container_stop(container_id, 1)
        else:
            engine.container_wait(container_id, 60)
    except Conflict:  # it had ended before: a monitor was killed
        pass
    engine.container_remove(container_id, force=True)


def main() -> None:
    engine = Engine(EngineConfig(home=Path(sys.argv[1])))
    print("ready", flush=True)
    for line in sys.stdin:
        container_id, port, how = line.split()
        try:
            live(engine, sys.argv[2], container_id, int(port), how)
        except EngineError as error:
            print(f"{container_id} ! {type(error).__name__}: {error}", flush=True)
        else:
            print(container_id, flush=True)


if __name__ == "__main__":
    main()
