"""A caller of the engine's volumes, to be killed at any moment: makes and unmakes copies until then.

python -m tests.support.volume_lives HOME BACKUPS        prints "ready", then a line for each thing that is done
"""

from __future__ import annotations

import itertools
import random
import sys

from engine.config import EngineConfig
from engine.errors import EngineError
from engine.facade import Engine
from engine.volumes.backups.place import DIRECTORY, PlaceSpec
from tests.support.volume_content import NAMES, SNAPSHOT


def main() -> None:
    from pathlib import Path

    volumes = Engine(EngineConfig(Path(sys.argv[1]))).volumes
    place = PlaceSpec(kind=DIRECTORY, directory=sys.argv[2])
    print("ready", flush=True)
    for number in itertools.count():
        name = next(one.name for one in volumes.list() if one.name in NAMES)
        other = next(one for one in NAMES if one != name)
        verbs = {
            "rename": lambda name=name, other=other: volumes.copies.rename(name, other),
            "clone": lambda name=name, number=number: volumes.copies.clone(name, f"copy-{number}-{random.random()}"),
            "revert": lambda name=name: volumes.copies.revert(name, SNAPSHOT),
            "snapshot": lambda name=name, number=number: volumes.copies.snapshot(name, f"s-{number}-{random.random()}"),
            "forget": lambda name=name: volumes.copies.remove_snapshot(name, volumes.get(name).snapshots[-1].name),
            "backup": lambda name=name: volumes.backups.write(name, place, "one.tar.zst"),
            "restore": lambda name=name: volumes.backups.restore(name, place, "one.tar.zst"),
            "remove": lambda: [volumes.remove(one.name) for one in volumes.list() if one.name.startswith("copy-")],
        }
        verb = random.choice(sorted(verbs))
        if verb == "forget" and len(volumes.get(name).snapshots) < 2:
            continue
        try:
            verbs[verb]()
        except EngineError as error:
            print(f"{verb}: {error}", flush=True)
        else:
            print(verb, flush=True)


if __name__ == "__main__":
    main()
