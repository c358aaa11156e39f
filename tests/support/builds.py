"""Builds for tests: a Dockerfile and files in, an image's files and config out."""

from __future__ import annotations

import json
import os
import stat
import tempfile
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from engine.build.context import Context
from engine.build.events import BuildEvent
from engine.build.layering import view
from engine.build.spec import BuildResult, BuildSpec
from engine.facade import Engine

Content = bytes | str | None
"""Of a file; None for a directory; a text that begins with "-> " for a link."""


class File(NamedTuple):
    """`kind`: f, d, l, p; `content`: data, or where a link leads."""

    kind: str
    mode: int
    uid: int
    gid: int
    content: bytes
    xattrs: dict[str, bytes]


class Built(NamedTuple):
    result: BuildResult
    events: list[BuildEvent]

    def states(self) -> dict[str, str]:
        """How each step ended, by id."""
        return {event.vertex.id: event.state for event in self.events}

    def log(self) -> str:
        return b"".join(event.log for event in self.events).decode()


class Workbench:
    """One engine, and short words for what tests of builds do all the time. `image`: a name that FROM may have."""

    def __init__(self, engine: Engine, image: str) -> None:
        self.engine = engine
        self.image = image

    def build(
        self,
        dockerfile: str,
        files: Mapping[str, Content] | Path | None = None,
        *,
        cancel: threading.Event | None = None,
        events: list[BuildEvent] | None = None,
        progress: Callable[[BuildEvent], None] | None = None,
        **spec: Any,
    ) -> Built:
        """Build with a directory of these files as context; FROM tiny is the image of this workbench."""
        seen: list[BuildEvent] = [] if events is None else events

        def note(event: BuildEvent) -> None:
            seen.append(event)
            if progress is not None:
                progress(event)

        with made(files or {}) as directory, Context.from_directory(directory) as context:
            result = self.engine.builder.build(
                BuildSpec(dockerfile_text=self.text(dockerfile), **spec), context, progress=note, cancel=cancel
            )
        return Built(result, seen)

    def text(self, dockerfile: str) -> str:
        return dockerfile.replace("FROM tiny", f"FROM {self.image}").replace("from=tiny", f"from={self.image}")

    def files(self, built: Built | str, below: str = "") -> dict[str, File]:
        """What the image has, by path without a slash at the beginning; of `below`, without it."""
        image = self.engine.images.get(built if isinstance(built, str) else built.result.image_id)
        snapshots = self.engine.builder._snapshots
        lowers = [str(snapshots.layer_directory(diff_id)) for diff_id in dict.fromkeys(reversed(image.diff_ids))]
        node = view((*lowers, snapshots.readable("").lowerdirs[0]))
        try:
            return files_below(f"/proc/self/fd/{node}/{below}")
        finally:
            os.close(node)

    def config(self, built: Built) -> dict[str, Any]:
        """The image's config, as it was written."""
        config, _ = self.engine.builder._records.documents(built.result.image_id)
        document: dict[str, Any] = json.loads(config)
        return document


def files_below(root: str) -> dict[str, File]:
    """Every file below a directory."""
    found: dict[str, File] = {}
    for directory, names, others in os.walk(root):
        for name in (*names, *others):
            path = os.path.join(directory, name)
            facts = os.lstat(path)
            kind, content = "f", b""
            if stat.S_ISDIR(facts.st_mode):
                kind = "d"
            elif stat.S_ISLNK(facts.st_mode):
                kind, content = "l", os.fsencode(os.readlink(path))
            elif stat.S_ISREG(facts.st_mode):
                content = Path(path).read_bytes()
            elif stat.S_ISFIFO(facts.st_mode):
                kind = "p"
            attributes = {}
            if kind in "fd":
                shown = [one for one in os.listxattr(path) if one.startswith("user.") or one == "security.capability"]
                attributes = {one: os.getxattr(path, one) for one in shown if not one.startswith("user.overlay")}
            mode = stat.S_IMODE(facts.st_mode)
            found[os.path.relpath(path, root)] = File(kind, mode, facts.st_uid, facts.st_gid, content, attributes)
    return found


@contextmanager
def made(files: Mapping[str, Content] | Path) -> Iterator[Path]:
    """A directory with these files."""
    if isinstance(files, Path):
        yield files
        return
    with tempfile.TemporaryDirectory(prefix="ps-context-") as name:
        fill(Path(name), files)
        yield Path(name)


def fill(directory: Path, files: Mapping[str, Content]) -> None:
    for name, content in files.items():
        path = directory / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if content is None:
            path.mkdir(exist_ok=True)
        elif isinstance(content, str) and content.startswith("-> "):
            path.symlink_to(content[3:])
        else:
            path.write_bytes(content.encode() if isinstance(content, str) else content)
