"""How much a container's own files may take on the disk: its directories have a project's number, the kernel counts.

Upper and work directory have the same one: overlayfs makes files in the one and renames them to the other, which file
systems refuse from project to project (EXDEV). What a container mounts beside, volumes and memory, isn't in it.
"""

from __future__ import annotations

import contextlib
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path

from engine import quotas
from engine.errors import ResourceExhausted, Unsupported

_ROOM_BYTES = 4 << 20


class Limits:
    """Of one home. `root`: a directory on the file system that snapshots lie on; `tag`: the home's."""

    def __init__(self, root: Path, tag: str) -> None:
        self._root, self._numbers = root, quotas.numbers(quotas.OF_CONTAINERS, tag)

    def require(self) -> None:
        """Raises Unsupported, with what to do, where the kernel would hold no limit."""
        if not quotas.is_enforced(self._root):
            raise Unsupported(
                "storage_opt: size is held by project quotas, and this host's PORTSIDE_HOME lies on a file system "
                "without them: mount that with prjquota (xfs, or ext4 made with -O quota,project), or leave size out",
                {"field": "storage_opt"},
            )

    def free(self, serial: int, taken: Collection[int]) -> int:
        """A number that is not `taken` and nobody's files have, from `serial` on. Raises ResourceExhausted."""
        for step in range(len(self._numbers)):
            number = self._numbers[(serial + step) % len(self._numbers)]
            if number not in taken and not quotas.usage(self._root, number).files:  # deleting those may take long
                return number
        raise ResourceExhausted(
            f"storage_opt: {len(self._numbers)} containers of this host have a size: remove some, or leave size out",
            {"field": "storage_opt"},
        )

    def begin(self, directories: Sequence[Path], project: int, limit_bytes: int) -> None:
        """Of new, empty ones. The marks come first: by them `clear` finds what was limited."""
        for directory in directories:
            quotas.mark_new(directory, project)
        self.hold(project, limit_bytes)

    def hold(self, project: int, limit_bytes: int) -> None:
        """From now on no more than so much."""
        quotas.limit(self._root, project, limit_bytes)

    @contextlib.contextmanager
    def widened(self, project: int, limit_bytes: int) -> Iterator[None]:
        """A little more for a moment in which no program of the container runs. Raises Unsupported.

        A mount makes overlayfs's own directory below the work directory anew. Where that doesn't fit, and xfs wants
        room for the worst case, it mounts read-only: a full container couldn't even delete after its next start.
        """
        self.require()
        self.hold(project, limit_bytes + _ROOM_BYTES)
        try:
            yield
        finally:
            self.hold(project, limit_bytes)

    def end(self, project: int) -> None:
        """The number has no limit any more, whoever gets it next; 0 is none."""
        if project:
            with contextlib.suppress(OSError):  # mounted without quotas now
                quotas.limit(self._root, project, None)

    def clear(self, directory: Path, taken: Collection[int]) -> None:
        """`directory` is a leftover of somebody who was killed: so is its limit, if it has one."""
        try:
            project = quotas.project_of(directory)
        except OSError:
            return
        if project in self._numbers and project not in taken:
            self.end(project)
