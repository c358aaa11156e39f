"""A process of its own that answers questions about logs: reading and judging a million lines takes a processor for
seconds, and somebody's regular expression may take one for ever. Neither may hold up a worker.

`python -m engine.logs.clerk` reads a request a line from its standard input, `[directory, kind, parameters]`, and
writes an answer a line, `{"ok": …}` or `{"error": [family, message]}`. It ends with its input, or when it is idle.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import select
import subprocess
import sys
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import engine.errors
from engine.errors import FAMILIES, EngineError, InvalidArgument, Unavailable

log = logging.getLogger(__name__)

ANSWER_SECONDS = 10.0
IDLE_SECONDS = 120.0
_NICENESS = 5


class LogClerk:
    """Starts the process when it is needed, and kills it when an answer takes too long. Safe for threads."""

    def __init__(self, answer_seconds: float = ANSWER_SECONDS) -> None:
        self._answer_seconds = answer_seconds
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None

    def ask(self, directory: Path, kind: str, parameters: Mapping[str, Any]) -> dict[str, Any]:
        """See `answers.Answers`. Raises its errors, and Unavailable."""
        request = json.dumps([str(directory), kind, dict(parameters)]).encode() + b"\n"
        with self._lock:
            answer = self._exchange(request, kind)
            if answer is None:  # it had just gone, for want of work
                answer = self._exchange(request, kind)
        if answer is None:
            raise Unavailable(
                "the process that reads logs ended before it answered: try again, or see the worker's log"
            )
        if "error" in answer:
            family, message, detail = answer["error"]
            raise FAMILIES.get(family, EngineError)(message, detail)
        return dict(answer["ok"])

    def close(self) -> None:
        with self._lock:
            self._end()

    def _exchange(self, request: bytes, kind: str) -> dict[str, Any] | None:
        process = self._process or self._start()
        assert process.stdin and process.stdout
        try:
            process.stdin.write(request)
            process.stdin.flush()
            line = self._line(process, kind)
        except BrokenPipeError:
            line = b""
        if not line.endswith(b"\n"):
            self._end()
            return None
        return dict(json.loads(line))

    def _line(self, process: subprocess.Popen[bytes], kind: str) -> bytes:
        assert process.stdout
        poll = select.poll()
        poll.register(process.stdout, select.POLLIN)
        if not poll.poll(self._answer_seconds * 1000):
            self._end()
            if kind != "search":
                raise Unavailable("this host is too busy to read the log now: try again in a moment")
            raise InvalidArgument(
                f"the search took more than {self._answer_seconds:.0f} seconds for a few lines: give a simpler "
                "expression, without repeats inside repeats"
            )
        return process.stdout.readline()

    def _start(self) -> subprocess.Popen[bytes]:
        root = str(Path(engine.errors.__file__).resolve().parents[1])
        inherited = os.environ.get("PYTHONPATH")
        environment = {**os.environ, "PYTHONPATH": f"{root}{os.pathsep}{inherited}" if inherited else root}
        self._process = subprocess.Popen(
            [sys.executable, "-m", "engine.logs.clerk"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            cwd="/",
            env=environment,
            start_new_session=True,
        )
        return self._process

    def _end(self) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        process.kill()
        process.wait()
        for pipe in (process.stdin, process.stdout):
            with contextlib.suppress(OSError):
                pipe.close()  # type: ignore[union-attr]


def main() -> None:
    from engine.logs.answers import Answers

    os.nice(_NICENESS)
    answers = Answers()
    requests = sys.stdin.buffer
    poll = select.poll()
    poll.register(requests, select.POLLIN)
    while poll.poll(IDLE_SECONDS * 1000):
        line = requests.readline()
        if not line:
            return
        directory, kind, parameters = json.loads(line)
        try:
            answer: dict[str, Any] = {"ok": answers.answer(Path(directory), kind, parameters)}
        except EngineError as error:
            answer = {"error": [error.family, error.message, error.detail]}
        except Exception as error:  # whatever it is, the next question is another one
            log.exception("the question %s about %s failed", kind, directory)
            answer = {"error": ["unavailable", f"the log can't be read: {error!r}", {}]}
        sys.stdout.buffer.write(json.dumps(answer, separators=(",", ":")).encode() + b"\n")
        sys.stdout.buffer.flush()


if __name__ == "__main__":
    main()
