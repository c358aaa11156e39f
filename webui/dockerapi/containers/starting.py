"""Why a container could not be started, in the words by which Docker's client chooses its exit code.

`docker run` ends with 127 where there is no such program, with 126 where it can't be executed, else with 125.
"""

from __future__ import annotations

from engine.errors import EngineError, InvalidArgument

_PREFIX = "failed to create task for container: "


def told(error: EngineError) -> EngineError:
    """The same with Docker's sentence in it, if it is about the program."""
    reason = error.detail.get("exec") or _guess(error.message)
    if reason is None:
        return error
    return InvalidArgument(f"{_PREFIX}{error.message}: {reason}", error.detail)


def _guess(message: str) -> str | None:
    lower = message.lower()
    if "executable file not found" in lower or "no such file or directory" in lower:
        return "executable file not found in $PATH"
    if "permission denied" in lower and "execute" in lower:
        return "permission denied"
    return None
