"""The parent's side of unpacking: one child process per layer (`child.py`)."""

from __future__ import annotations

import json
import os
import select
import subprocess
import sys
from dataclasses import asdict, dataclass
from pathlib import Path
from types import TracebackType

from engine.errors import FAMILIES, EngineError, Unavailable
from engine.layers.limits import Limits


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
        arguments = {"blob": source, "directory": directory, "limits": asdict(limits or Limits())}
        try:
            self._process = subprocess.Popen(
                [sys.executable, "-S", "-E", "-c", _program(), json.dumps(arguments)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                pass_fds=(source, directory),
                env={"LC_ALL": "C.UTF-8"},
                cwd="/",
                bufsize=0,
            )
        finally:
            os.close(source)
            os.close(directory)
        assert self._process.stdout is not None
        self._output = self._process.stdout.fileno()
        self._buffer = b""
        self._result: Unpacked | None = None
        self.consumed_bytes = 0

    def grow(self, available: int, is_complete: bool = False) -> None:
        """Say that the first `available` bytes of the blob are there, and whether that is all."""
        assert self._process.stdin is not None
        try:
            os.write(self._process.stdin.fileno(), b"%d %d\n" % (available, is_complete))
        except BrokenPipeError:
            self.poll(1)  # says why

    def poll(self, timeout_seconds: float = 0) -> Unpacked | None:
        """Take in what the child says, waiting up to `timeout_seconds`; `consumed_bytes` is up to date then.

        Raises what the child ran into: `LayerRefused` (as `DataCorrupt`), `ResourceExhausted`, `Unavailable`.
        """
        while self._result is None and self._is_readable(timeout_seconds):
            data = os.read(self._output, 65536)
            if not data:
                code = self._process.wait()
                raise Unavailable(f"unpacking a layer was interrupted (code {code}); try again")
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
        if not line.startswith(b"{"):
            self.consumed_bytes = int(line)
            return
        said = json.loads(line)
        if "error" in said:
            error = said["error"]
            raise FAMILIES.get(error["family"], EngineError)(error["message"], error["detail"])
        self._result = Unpacked(said["diff_id"], said["bytes"], said["entries"])

    def close(self) -> None:
        """Kill the child if it still runs."""
        self._process.kill()
        self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            assert pipe is not None
            pipe.close()

    def __enter__(self) -> Unpacking:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _program() -> str:
    """A start without site-packages' hooks takes a third of the time; the child gets our own search path."""
    path = [os.path.abspath(entry) for entry in sys.path]
    return f"import sys; sys.path[:] = {path!r}; from engine.layers.child import main; main()"
