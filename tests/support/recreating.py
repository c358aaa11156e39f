"""A process that recreates a container and kills itself (SIGKILL) at the n-th line of the engine that it comes to.

`python -m tests.support.recreating HOME OLD_ID SPEC LINE`; with a LINE that is never reached it says how many it was.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from pathlib import Path
from types import FrameType
from typing import Any

from engine.config import EngineConfig
from engine.containers.spec import ContainerSpec
from engine.facade import Engine

COUNTED = ("/engine/containers/", "/engine/network/aside.py", "/engine/network/lans.py")


def main(home: str, old: str, spec: str, line: str) -> None:
    engine, wanted = Engine(EngineConfig(Path(home))), ContainerSpec.from_dict(json.loads(spec))
    last, seen = int(line), 0

    def trace(frame: FrameType, event: str, _: Any) -> Any:
        nonlocal seen
        if not any(part in frame.f_code.co_filename for part in COUNTED):
            return None
        if event == "line":
            seen += 1
            if seen == last:
                os.kill(os.getpid(), signal.SIGKILL)
        return trace

    sys.settrace(trace)
    engine.container_recreate(old, wanted, start=True)
    sys.settrace(None)
    print(seen)


if __name__ == "__main__":
    main(*sys.argv[1:])
