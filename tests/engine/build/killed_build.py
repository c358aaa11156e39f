"""A build in a process of its own, for tests that kill it: HOME CONTEXT. It writes a line when a step begins."""

from __future__ import annotations

import sys
from pathlib import Path

from engine.build.context import Context
from engine.build.events import BuildEvent
from engine.build.spec import BuildSpec
from engine.config import EngineConfig
from engine.facade import Engine


def main() -> None:
    def say(event: BuildEvent) -> None:
        text = event.log.decode(errors="replace").strip() or f"{event.vertex.id} {event.state}"
        sys.stdout.write(text + "\n")
        sys.stdout.flush()

    engine = Engine(EngineConfig(home=Path(sys.argv[1])))
    with Context.from_directory(sys.argv[2]) as context:
        spec = BuildSpec(tags=("killed",), secrets={"word": b"secret"}, team="killed")
        engine.builder.build(spec, context, progress=say)


if __name__ == "__main__":
    main()
