"""`python -m tests.engine.images.push_deeds HOME SEED REGISTRY REFERENCE…`: pushes, until it is killed.

Two threads push images that are here under tags of a few repositories: new tags, tags that stand for something else by
then, blobs that are there, that another repository has, that nobody has. A third names and removes images meanwhile,
and pulls them again from REFERENCE. It says "begun" when the first push begins.
"""

from __future__ import annotations

import os
import random
import sys
import threading
from collections.abc import Callable
from pathlib import Path

from tests.engine.images.conftest import Host, open_host
from tests.engine.images.deeds import keep_on, unused
from tests.support.oci_layout import tar_of

REPOSITORIES, TAGS = 4, 3


class Pushes:
    def __init__(self, host: Host, registry: str, references: list[str], seed: int) -> None:
        self._host = host
        self._images = host.images
        self._registry = registry
        self._references = references
        self._chance = random.Random(seed)

    def target(self) -> str:
        return f"{self._registry}/k{self._chance.randrange(REPOSITORIES)}:t{self._chance.randrange(TAGS)}"

    def push(self) -> None:
        image = self._chance.choice(self._references)
        target = self.target()
        self._images.tag(image, target)
        self._images.push(target, all_platforms=self._chance.random() < 0.3)

    def push_new(self) -> None:
        """Something that no registry has seen."""
        target = self.target()
        read, write = os.pipe()
        archive = tar_of({f"new-{n}": self._chance.randbytes(200_000) for n in range(6)})
        threading.Thread(target=_pour, args=(write, archive), daemon=True).start()
        try:
            self._images.import_(read, target)
        finally:
            os.close(read)
        self._images.push(target)

    def remove(self) -> None:
        images = self._images.list()
        if images:
            self._images.remove(self._chance.choice(images).id, force=True, uses=unused)

    def pull(self) -> None:
        self._images.pull(self._chance.choice(self._references))


def _pour(descriptor: int, data: bytes) -> None:
    with open(descriptor, "wb") as file:
        file.write(data)


if __name__ == "__main__":
    seed = int(sys.argv[2])
    made = Pushes(open_host(Path(sys.argv[1])), sys.argv[3], sys.argv[4:], seed)
    made._images.recover()
    for reference in sys.argv[4:]:
        made._images.pull(reference)
    print("begun", flush=True)
    pushes: list[Callable[[], object]] = [made.push, made.push, made.push, made.push_new]
    for number in (1, 2):
        threading.Thread(target=keep_on, args=(pushes, random.Random(seed + number)), daemon=True).start()
    keep_on([made.remove, made.pull, made.pull], random.Random(seed + 3))
