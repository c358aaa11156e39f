"""A process that is born in the memory of its elder, who ends without having returned to it."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from engine.runtime import defaults, kernel, midwife, probe
from engine.runtime.ids import Ranges
from engine.runtime.in_place import Bearer

pytestmark = pytest.mark.skipif(not Bearer().possible, reason="this machine has to fork")


def _bear(last_words: str) -> tuple[list[str], int]:
    """What a born process said, its pid as its elder was told first, and how the elder ended."""
    read, write = os.pipe()
    elder = os.fork()
    if elder == 0:
        number = Bearer().bear(kernel.CLONE_CLEAR_SIGHAND, signal.SIGCHLD, None)
        os.write(write, f"{number} {os.getpid()} {os.getppid()}".encode())
        for _ in range(3):
            [bytearray(size) for size in range(2000)]  # on the elder's stack and in its memory
        if last_words == "exec":
            os.set_inheritable(write, True)
            os.execv("/bin/sh", ["sh", "-c", f"printf ' executed' >/proc/self/fd/{write}"])
        os._exit(0)
    os.close(write)
    with open(read, "rb") as words:
        said = words.read().decode().split()
    _, status = os.waitpid(elder, 0)
    return [*said, str(elder)], status


@pytest.mark.parametrize("last_words", ["exec", "exit"])
def test_the_born_goes_on_alone_and_its_elder_ends_well(last_words: str) -> None:
    (number, own, parent, *rest), status = _bear(last_words)
    assert number == own != parent == rest[-1]
    assert ("executed" in rest) == (last_words == "exec")
    assert status == 0


def test_what_the_kernel_refuses_is_raised_where_it_was_asked_for() -> None:
    with pytest.raises(OSError, match="clone3"):
        Bearer().bear(kernel.CLONE_CLEAR_SIGHAND | 0x800, signal.SIGCHLD, None)  # CLONE_SIGHAND: not with the other


def test_containers_are_born_by_fork_where_it_can_not_be(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    fast = probe.refusal(str(tmp_path / "a"), Ranges(), defaults.mounts(), defaults.SYSCTLS)
    monkeypatch.setattr(midwife._bearer, "possible", False)
    assert probe.refusal(str(tmp_path / "b"), Ranges(), defaults.mounts(), defaults.SYSCTLS) == fast
