"""A stream of a container's files, from the caller's side: one child process (`child.py`), and how it ended."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import select
import subprocess
import sys
import threading
from collections.abc import Callable
from dataclasses import replace
from types import TracebackType
from typing import Any

from engine.archives.request import DIFFERENCE, EXPORT, PACK, UNPACK, PathStat, Request
from engine.errors import FAMILIES, Cancelled, EngineError, Unavailable

PIPE_BYTES = 1 << 20
_OUT = frozenset({PACK, EXPORT, DIFFERENCE})
_LOOK_MILLISECONDS = 200


class Transfer:
    """Made by `begin`. Not safe for threads.

    `stream`: the descriptor to read the tar from, or to write it to; its end is the tar's. None where there is none.
    `stat`: what was found. `held`: given up by `close`, for example the container's lock.
    """

    def __init__(self, request: Request, held: contextlib.ExitStack) -> None:
        self.stat: PathStat | None = None
        self.stream: int | None = None
        self._held = held
        self._lines = b""
        reader, writer = os.pipe()
        passed = [fd for fd in (request.root, request.mounts, request.target, writer) if fd is not None]
        theirs = -1
        if request.action in _OUT:
            self.stream, theirs = os.pipe()
            request = replace(request, out=theirs)
        elif request.action == UNPACK:
            theirs, self.stream = os.pipe()
            request = replace(request, into=theirs)
        if self.stream is not None:
            passed.append(theirs)
            with contextlib.suppress(OSError):  # a user may have few pages for pipes
                fcntl.fcntl(self.stream, fcntl.F_SETPIPE_SZ, PIPE_BYTES)
        self._report = reader
        try:
            self._child = subprocess.Popen(
                [sys.executable, "-S", "-E", "-c", _program(), replace(request, report=writer).as_json()],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                pass_fds=passed,
                env={"LC_ALL": "C.UTF-8"},
                cwd="/",
            )
        except BaseException:
            os.close(reader)
            self.close_stream()
            raise
        finally:
            for descriptor in (writer, theirs):
                if descriptor >= 0:
                    os.close(descriptor)

    @property
    def pid(self) -> int:
        return self._child.pid

    def close_stream(self) -> None:
        """No more bytes of ours, or none are wanted."""
        if self.stream is not None:
            os.close(self.stream)
            self.stream = None

    def first(self) -> None:
        """Wait until the child has found what it is about. Raises what it ran into instead."""
        said = self._line()
        if "stat" in said:
            self.stat = PathStat(**said["stat"])

    def wait(
        self, progress: Callable[[int, int], None] | None = None, cancel: threading.Event | None = None
    ) -> dict[str, Any]:
        """Wait for the end, which comes once the stream has been read or closed. Raises what the child ran into.

        `progress` hears of entries and bytes now and then; `cancel` kills the child: Cancelled.
        """
        poll = select.poll()
        poll.register(self._report, select.POLLIN)
        while True:
            while cancel is not None:
                if cancel.is_set():
                    self.close()
                    raise Cancelled("Cancelled before all files were copied.")
                if b"\n" in self._lines or poll.poll(_LOOK_MILLISECONDS):
                    break
            said = self._line()
            if "progress" not in said:
                return said
            if progress is not None:
                progress(*said["progress"])

    def close(self) -> None:
        """Kill the child if it still works, and let go of everything; what was copied in stays."""
        self.close_stream()
        if self._child.returncode is None:
            self._child.kill()
            self._child.wait()
        if self._report >= 0:
            os.close(self._report)
            self._report = -1
        self._held.close()

    def _line(self) -> dict[str, Any]:
        while b"\n" not in self._lines:
            data = os.read(self._report, 65536)
            if not data:
                raise Unavailable("copying was interrupted: its process was killed; try again")
            self._lines += data
        line, self._lines = self._lines.split(b"\n", 1)
        said: dict[str, Any] = json.loads(line)
        if "error" in said:
            error = said["error"]
            raise FAMILIES.get(error["family"], EngineError)(error["message"], error["detail"])
        return said

    def __enter__(self) -> Transfer:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def begin(request: Request, held: contextlib.ExitStack | None = None) -> Transfer:
    """Start the child, and wait until it has found what it is about. Raises the engine's errors.

    `held` is closed with the transfer, or here when there is none.
    """
    held = held or contextlib.ExitStack()
    try:
        transfer = Transfer(request, held)
    except BaseException:
        held.close()
        raise
    try:
        transfer.first()
    except BaseException:
        transfer.close()
        raise
    return transfer


def _program() -> str:
    """A start without site-packages' hooks takes a third of the time; the child gets our own search path."""
    path = [os.path.abspath(entry) for entry in sys.path]
    return f"import sys; sys.path[:] = {path!r}; from engine.archives.child import main; main()"
