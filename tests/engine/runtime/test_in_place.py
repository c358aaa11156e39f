"""A process that is born in the memory of its elder, who sleeps and never returns to it, or goes on with it."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from pathlib import Path

import pytest

from engine.runtime import defaults, kernel, midwife, probe
from engine.runtime.ids import Ranges
from engine.runtime.in_place import Bearer, Lender
from tests.engine.runtime.box import until

pytestmark = pytest.mark.skipif(not Bearer().possible, reason="this machine has to fork")


def _bear(last_words: str) -> tuple[list[str], int]:
    """What a born process said, its pid as its elder was told first, and how the elder ended, which was killed then."""
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
        said = words.read().decode().split()  # to the end: the elder has let go of it
    until(lambda: Path(f"/proc/{elder}/stat").read_text().rpartition(")")[2].split()[0] == "S")
    assert {int(name) for name in os.listdir(f"/proc/{elder}/fd")} <= {0, 1, 2}
    os.kill(elder, signal.SIGTERM)
    _, status = os.waitpid(elder, 0)
    return [*said, str(elder)], status


@pytest.mark.parametrize("last_words", ["exec", "exit"])
def test_the_born_goes_on_alone_and_its_elder_sleeps_with_nothing_in_its_hands(last_words: str) -> None:
    (number, own, parent, *rest), status = _bear(last_words)
    assert number == own != parent == rest[-1]
    assert ("executed" in rest) == (last_words == "exec")
    assert os.waitstatus_to_exitcode(status) == -signal.SIGTERM


def test_what_the_kernel_refuses_is_raised_where_it_was_asked_for() -> None:
    with pytest.raises(OSError, match="clone3"):
        Bearer().bear(kernel.CLONE_CLEAR_SIGHAND | 0x800, signal.SIGCHLD, None)  # CLONE_SIGHAND: not with the other


def test_containers_are_born_by_fork_where_it_can_not_be(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    fast = probe.refusal(str(tmp_path / "a"), Ranges(), defaults.mounts(), defaults.SYSCTLS)
    monkeypatch.setattr(midwife._bearer, "possible", False)
    assert probe.refusal(str(tmp_path / "b"), Ranges(), defaults.mounts(), defaults.SYSCTLS) == fast


LENDER = pytest.mark.skipif(not Lender().possible, reason="this machine has to fork")
CLEAR = kernel.CLONE_CLEAR_SIGHAND


def _in_fork(act: Callable[[], str]) -> tuple[str, int]:
    """What `act` says in a process of its own, and how that process ended."""
    read, write = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            os.write(write, act().encode())
        finally:
            os._exit(0)
    os.close(write)
    with open(read, "rb") as words:
        said = words.read().decode()
    return said, os.waitpid(pid, 0)[1]


@LENDER
@pytest.mark.parametrize("last_call", ["execute", "end"])
def test_a_lender_goes_on_with_what_the_borrower_knew(last_call: str) -> None:
    def act() -> str:
        lender, said = Lender(), []
        for code in (7, 8):  # once more with the same memory
            pid = lender.lend(CLEAR, signal.SIGCHLD, None)
            knows = [bytes([number % 256]) * 40 for number in range(5000)]
            descriptor = os.open("/dev/null", os.O_RDONLY)
            said += [os.getpid() == pid, os.path.exists(f"/proc/self/fd/{descriptor}")]
            if last_call == "end":
                lender.end(code)
            else:
                lender.execute(b"/bin/sh", [b"sh", b"-c", b"test $A = 1 && exit $CODE"], [b"A=1", b"CODE=%d" % code])
            said += [os.getpid() != pid, os.path.exists(f"/proc/self/fd/{descriptor}"), len(set(knows))]
            said += [os.waitpid(pid, 0) == (pid, code << 8)]
        return repr(said)

    said, status = _in_fork(act)
    assert said == repr([True, True, True, False, 256, True] * 2)
    assert status == 0


@LENDER
def test_a_borrower_that_can_not_execute_is_still_itself() -> None:
    def act() -> str:
        lender = Lender()
        pid = lender.lend(CLEAR, signal.SIGCHLD, None)
        try:
            lender.execute(b"/nowhere", [b"nowhere"], [])
        except FileNotFoundError:
            was = os.getpid() == pid
        lender.end(3)
        return f"{was} {os.waitpid(pid, 0)[1] >> 8}"

    assert _in_fork(act) == ("True 3", 0)


@LENDER
def test_a_borrower_that_is_killed_takes_the_lender_along() -> None:
    def act() -> str:
        lender = Lender()
        lender.lend(CLEAR, signal.SIGCHLD, None)
        lender.end(0)
        lender.lend(CLEAR, signal.SIGCHLD, None)
        os.kill(os.getpid(), signal.SIGKILL)
        return "never said"

    said, status = _in_fork(act)
    assert (said, os.waitstatus_to_exitcode(status)) == ("", 1)


@LENDER
def test_what_the_kernel_refuses_is_raised_in_the_lender() -> None:
    with pytest.raises(OSError, match="clone3"):
        Lender().lend(CLEAR | 0x800, signal.SIGCHLD, None)
