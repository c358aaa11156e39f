"""Why a program could not be started: the words by which docker's client chooses its exit code, and no others."""

import pytest

from engine.errors import InvalidArgument
from webui.dockerapi.containers.starting import sentence


@pytest.mark.parametrize(
    ("message", "code", "said"),
    [
        ('exec: "x": executable file not found in $PATH', 127, ""),
        ('exec: "/x": stat /x: no such file or directory', 127, ""),
        ("exec /x: no such file or directory", 127, ""),
        ('exec: "/bin/sh/x": stat /bin/sh/x: not a directory', 127, ""),
        ("no command was given", 127, ": executable file not found in $PATH"),
        ('exec: "/x": permission denied', 126, ""),
        ('exec: "/x": is a directory', 126, ": permission denied"),
        ("exec /x: exec format error", 126, ": permission denied"),
        ("the host is away", None, ""),
    ],
)
def test_only_what_has_no_word_for_clients_gets_one(message: str, code: int | None, said: str) -> None:
    error = InvalidArgument(message, {} if code is None else {"exit_code": code})
    assert sentence(error) == message + said
