"""The build context: a directory of the user's, or what came as a stream and was unpacked into the home.

.dockerignore (or `<Dockerfile>.dockerignore`) decides what of it the build sees; the Dockerfile itself is read whatever
it says. Owners are root, as they are for docker: whose files they are on somebody's machine is nobody's business.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable
from pathlib import Path
from types import TracebackType

from engine.build.language import IgnoreRules
from engine.build.trees import Tree
from engine.errors import InvalidArgument, NotFound

DOCKERFILE_BYTES = 4 << 20
IGNORE_BYTES = 1 << 20


class Context:
    """Made by `from_directory`, `empty` or `Builder.receive`; `close` it, or use it as a context manager.

    `directory` is its real path; `is_ours`: nobody changes its files, and they go with it. `dockerfile` is text that
    came without a context.
    """

    def __init__(self, directory: Path, *, is_ours: bool, release: Callable[[], object] = lambda: None) -> None:
        self.directory = directory
        self.is_ours = is_ours
        self.dockerfile: bytes | None = None
        self._release = release
        self._node = os.open(directory, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)

    @classmethod
    def from_directory(cls, path: str | os.PathLike[str]) -> Context:
        """A directory of this host, read as the build goes on; nothing of it is copied before. Raises `NotFound`."""
        real = Path(os.path.realpath(path))
        if not real.is_dir():
            raise NotFound(f"{os.fspath(path)} is not a directory: give the one that holds what is to be built")
        return cls(real, is_ours=False)

    def dockerfile_text(self, name: str) -> bytes:
        """The Dockerfile of that path. Raises `NotFound` with names that are nearly so, `InvalidArgument`."""
        if self.dockerfile is not None:
            return self.dockerfile
        with self._plain() as tree:
            text = tree.read(name, DOCKERFILE_BYTES)
            if text is None:
                raise tree.missing(name)
        if len(text) > DOCKERFILE_BYTES:
            raise InvalidArgument(f"{name} has more than {DOCKERFILE_BYTES >> 20} MiB, too much for a Dockerfile")
        return text

    def tree(self, dockerfile: str | None = None) -> Tree:
        """What the build sees; `dockerfile`: whose own .dockerignore goes before the context's."""
        rules = self._rules(dockerfile)
        return Tree(
            os.dup(self._node),
            excludes=None if rules is None else rules.excludes,
            may_contain=None if rules is None else rules.may_contain,
            owner=(0, 0),
            lendable=self.is_ours,
            path=str(self.directory) if rules is None else None,
        )

    def _rules(self, dockerfile: str | None) -> IgnoreRules | None:
        names = [f"{dockerfile}.dockerignore"] if dockerfile else []
        with self._plain() as tree:
            for name in (*names, ".dockerignore"):
                text = tree.read(name, IGNORE_BYTES)
                if text is None:
                    continue
                if len(text) > IGNORE_BYTES:
                    raise InvalidArgument(f"{name} has more than {IGNORE_BYTES >> 20} MiB")
                return IgnoreRules.parse(text.decode(errors="surrogateescape"))
        return None

    def _plain(self) -> Tree:
        return Tree(os.dup(self._node), owner=(0, 0))

    def close(self) -> None:
        """Let go of it; what came as a stream is deleted."""
        if self._node >= 0:
            os.close(self._node)
            self._node = -1
            with contextlib.suppress(FileNotFoundError):
                self._release()

    def __enter__(self) -> Context:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
