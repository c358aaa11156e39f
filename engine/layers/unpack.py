"""The parent's side of unpacking: one child process per layer (`child.py`), forked by this process's nursery."""

from __future__ import annotations

import atexit
import contextlib
import errno
import json
import os
import select
import signal
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

from engine.errors import FAMILIES, EngineError, ResourceExhausted, Unavailable
from engine.layers.child import OPAQUE
from engine.layers.forking import Nursery
from engine.layers.limits import LayerRefused, Limits

_OPAQUE_XATTR = "trusted.overlay.opaque"
_nursery = Nursery()
atexit.register(_nursery.close)


def prepare() -> None:
    """Get ready to unpack while something else is waited for; it costs a process for a minute."""
    _nursery.prepare()


@dataclass(frozen=True, slots=True)
class Unpacked:
    """`diff_id` is the digest of the uncompressed tar, `size_bytes` the sum of its files' data."""

    diff_id: str
    size_bytes: int
    entries: int


class Unpacking:
    """Unpacks the blob at `blob`, which may still grow, into the empty directory `target`. Needs root.

    Call `grow` as bytes arrive, and `poll` now and then until it gives the result. Leaving the context early
    kills the child; the child ends by itself when this process is gone.
    """

    def __init__(self, blob: Path, target: Path, limits: Limits | None = None) -> None:
        source = os.open(blob, os.O_RDONLY | os.O_CLOEXEC)
        directory = os.open(target, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
        try:
            child = _nursery.fork(limits or Limits(), source, directory)
        except BaseException:
            os.close(directory)
            raise
        finally:
            os.close(source)
        self._directory = directory
        self.pidfd, self._commands, self._output = child.pidfd, child.commands, child.reports
        self._buffer = b""
        self._result: Unpacked | None = None
        self.consumed_bytes = 0

    def grow(self, available: int, is_complete: bool = False) -> None:
        """Say that the first `available` bytes of the blob are there, and whether that is all."""
        try:
            os.write(self._commands, b"%d %d\n" % (available, is_complete))
        except BrokenPipeError:
            self.poll(1)  # says why

    def poll(self, timeout_seconds: float = 0) -> Unpacked | None:
        """Take in what the child says, waiting up to `timeout_seconds`; `consumed_bytes` is up to date then.

        Raises what the child ran into: `LayerRefused` (as `DataCorrupt`), `ResourceExhausted`, `Unavailable`.
        """
        while self._result is None and self._is_readable(timeout_seconds):
            data = os.read(self._output, 65536)
            if not data:
                raise Unavailable("unpacking a layer was interrupted; try again")
            *lines, self._buffer = (self._buffer + data).split(b"\n")
            for line in lines:
                self._take(line)
            timeout_seconds = 0
        return self._result

    def _is_readable(self, timeout_seconds: float) -> bool:
        poller = select.poll()  # not select(): a worker may have more than 1,024 descriptors
        poller.register(self._output, select.POLLIN)
        return bool(poller.poll(timeout_seconds * 1000))

    def _take(self, line: bytes) -> None:
        if line.startswith(OPAQUE):
            _mark_opaque(self._directory, bytes.fromhex(line[len(OPAQUE) :].decode()))
            return
        if not line.startswith(b"{"):
            self.consumed_bytes = int(line)
            return
        said = json.loads(line)
        if "error" in said:
            error = said["error"]
            raise FAMILIES.get(error["family"], EngineError)(error["message"], error["detail"])
        self._result = Unpacked(said["diff_id"], said["bytes"], said["entries"])

    def close(self) -> None:
        """Kill the child if it still runs; when this returns it is gone."""
        with contextlib.suppress(ProcessLookupError):
            signal.pidfd_send_signal(self.pidfd, signal.SIGKILL)
        _wait(self.pidfd)
        for descriptor in (self.pidfd, self._commands, self._output, self._directory):
            os.close(descriptor)

    def __enter__(self) -> Unpacking:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _mark_opaque(root: int, path: bytes) -> None:
    """Let a directory of the layer hide what lower layers have in it. Follows no link, whoever says the path.

    Raises `LayerRefused` for what is no directory of the layer.
    """
    descriptor = os.dup(root)
    try:
        for part in path.strip(b"/").split(b"/"):
            if part == b"..":
                raise LayerRefused("the layer hides something outside of itself")
            flags = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
            below = os.open(part or b".", flags, dir_fd=descriptor)
            os.close(descriptor)
            descriptor = below
        os.setxattr(descriptor, _OPAQUE_XATTR, b"y")
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise ResourceExhausted("the disk is full: remove images or containers and try again") from error
        raise LayerRefused(f"a directory can't be marked as opaque: {error.strerror}") from error
    finally:
        os.close(descriptor)


def _wait(pidfd: int) -> None:
    ended = select.poll()
    ended.register(pidfd, select.POLLIN)
    ended.poll()
