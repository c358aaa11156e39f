"""`python -m tests.engine.images.deeds HOME SEED REFERENCE ARCHIVE…`: one deed after the other until it is killed.

One thread brings images (pull, load, import), another names, saves and removes them, prunes and collects garbage. It
says "begun" when the first deed begins. What may happen when two do things at once (an image has gone) is fine;
anything else is told, and ends it.
"""

from __future__ import annotations

import contextlib
import io
import os
import random
import sys
import tempfile
import threading
import traceback
from collections.abc import Callable
from pathlib import Path

from engine.errors import Conflict, NotFound
from engine.images.removing import PruneRules
from engine.images.uses import Use
from tests.engine.images.conftest import Host, open_host
from tests.support.oci_layout import tar_of

NAMES = ("made/a:1", "made/b:1", "made/b:2", "made/imported:1")


def unused(_: str) -> list[Use]:
    return []


class Deeds:
    def __init__(self, host: Host, reference: str, archives: list[Path], seed: int) -> None:
        self._host = host
        self._images = host.images
        self._reference = reference
        self._archives = archives
        self._chance = random.Random(seed)

    def bring(self) -> list[Callable[[], object]]:
        return [self.load, self.load, self.pull, self.import_tree]

    def change(self) -> list[Callable[[], object]]:
        return [self.tag, self.tag, self.save, self.remove, self.remove, self.prune, self.collect]

    def load(self) -> None:
        with self._chance.choice(self._archives).open("rb") as file:
            self._images.load(file.fileno())

    def pull(self) -> None:
        self._images.pull(self._reference)

    def import_tree(self) -> None:
        with tempfile.TemporaryFile() as file:
            file.write(tar_of({f"file-{n}": self._chance.randbytes(2000) for n in range(20)}))
            file.seek(0)
            self._images.import_(file.fileno(), "made/imported:1")

    def _any(self) -> str:
        images = self._images.list()
        if not images:
            raise NotFound("there are none")
        image = self._chance.choice(images)
        return self._chance.choice((image.id, *image.tags))

    def tag(self) -> None:
        self._images.tag(self._any(), self._chance.choice(NAMES))

    def save(self) -> None:
        with self._images.save([self._any()]) as saving:
            assert saving.stream is not None
            with io.FileIO(saving.stream, closefd=False) as stream:
                while stream.read(1 << 20):
                    pass
            saving.wait()

    def remove(self) -> None:
        self._images.remove(self._any(), force=self._chance.random() < 0.5, uses=unused)

    def prune(self) -> None:
        self._images.prune(PruneRules(all=self._chance.random() < 0.3), uses=unused)

    def collect(self) -> None:
        self._images._collector.collect()


def keep_on(deeds: list[Callable[[], object]], chance: random.Random) -> None:
    try:
        while True:
            with contextlib.suppress(NotFound, Conflict):
                chance.choice(deeds)()
    except BaseException:
        traceback.print_exc()
        os._exit(3)


if __name__ == "__main__":
    seed = int(sys.argv[2])
    made = Deeds(open_host(Path(sys.argv[1])), sys.argv[3], [Path(name) for name in sys.argv[4:]], seed)
    made._images.recover()
    print("begun", flush=True)
    threading.Thread(target=keep_on, args=(made.bring(), random.Random(seed + 1)), daemon=True).start()
    keep_on(made.change(), random.Random(seed + 2))
