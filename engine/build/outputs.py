"""What of a build is to be written besides the image in the store: words, and files that appear whole."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from dataclasses import dataclass

from engine.errors import InvalidArgument

LOCAL, TAR, OCI, DOCKER = "local", "tar", "oci", "docker"
KINDS = (LOCAL, TAR, OCI, DOCKER)


@dataclass(frozen=True, slots=True)
class Output:
    """`kind`: local (a directory), tar (of the files), oci or docker (archives of the image).

    `path`: the directory, or the file to write; `descriptor`: an open one instead, for all but local.
    """

    kind: str
    path: str = ""
    descriptor: int | None = None

    def check(self) -> None:
        """Raises `InvalidArgument`."""
        if self.kind not in KINDS:
            raise InvalidArgument(f"{self.kind[:40]!r} is no kind of output: {', '.join(KINDS)}", {"field": "outputs"})
        if not self.path and (self.kind == LOCAL or self.descriptor is None):
            raise InvalidArgument(f"an output of type {self.kind} needs a path", {"field": "outputs"})

    @contextlib.contextmanager
    def opened(self) -> Iterator[int]:
        """The descriptor to write to. A file gets its name once it is whole."""
        if self.descriptor is not None:
            yield self.descriptor
            return
        new = f"{self.path}.{os.urandom(4).hex()}.part"
        try:
            descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o644)
        except OSError as error:
            raise InvalidArgument(f"{self.path} can't be written: {error.strerror}", {"field": "outputs"}) from error
        try:
            try:
                yield descriptor
            finally:
                os.close(descriptor)
            os.replace(new, self.path)
        except BaseException:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(new)
            raise
