"""Why a program could not be started, in the words by which Docker's client chooses its exit code.

`docker run` ends with 127 where there is no such program, with 126 where it can't be executed, else with 125.
"""

from __future__ import annotations

from engine.errors import EngineError, InvalidArgument

NOT_FOUND, NOT_EXECUTABLE = 127, 126
_WORDS = {
    NOT_FOUND: ("executable file not found in $PATH", "no such file or directory", "not a directory"),
    NOT_EXECUTABLE: ("permission denied",),
}
"""The first is added to a message that has none of them. Clients look for the first two, and for that of the others;
what is "not a directory" ends them with 125, as by dockerd.
"""


def told(error: EngineError) -> EngineError:
    """The same with Docker's sentence about it, if it is about the program."""
    code = code_of(error)
    if code is None:
        return error
    beginning = "failed to create task for container: failed to create shim task: OCI runtime create failed"
    return InvalidArgument(f"{beginning}: unable to start container process: {sentence(error)}", error.detail)


def code_of(error: EngineError) -> int | None:
    """127 or 126; None for what has other reasons."""
    code = error.detail.get("exit_code")
    return code if code in _WORDS else None


def sentence(error: EngineError) -> str:
    """The error's own, with the words that clients look for."""
    words = _WORDS.get(code_of(error) or 0, ("",))
    return error.message if any(one in error.message for one in words) else f"{error.message}: {words[0]}"
