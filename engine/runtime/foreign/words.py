"""What other runtimes say: their log of JSON lines (logrus' form, which all of them write), and what it means."""

from __future__ import annotations

import json

NOT_FOUND, NOT_EXECUTABLE = 127, 126


def last_error(log: str) -> str:
    """The message of the last error in a log; of the last line if none is marked as one. Empty without any."""
    found, marked = "", False
    for line in log.splitlines():
        try:
            entry = json.loads(line)
            message, level = str(entry["msg"]), entry.get("level")
        except (ValueError, KeyError, TypeError, AttributeError):
            message, level = line.strip(), None
        is_error = level in ("error", "fatal", "panic")
        if message and (is_error or not marked):
            found, marked = message, marked or is_error
    return found


def exit_code_of(message: str) -> int | None:
    """126 or 127 where a message tells of a command that can't be executed, as Docker reads it; None otherwise.

    (moby daemon/start.go, `translateContainerdStartErr`.)
    """
    text = message.lower()
    if "exec" not in text and "failed to load" not in text:
        return None
    if any(words in text for words in ("executable file not found", "no such file or directory", "not found in $path")):
        return NOT_FOUND
    if any(words in text for words in ("permission denied", "is a directory", "exec format error")):
        return NOT_EXECUTABLE
    return None
