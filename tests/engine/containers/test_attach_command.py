"""`python -m engine run -it` and `attach`: a person's terminal on a container's, and the keys that leave it."""

from __future__ import annotations

import os
import pty
import subprocess
import sys

import pytest

from engine.errors import InvalidArgument
from engine.options.detach_keys import DetachKeys
from tests.engine.runtime.execs import read_until
from tests.support.engine import Host


def environment(host: Host) -> dict[str, str]:
    return {**os.environ, "PORTSIDE_HOME": str(host.home.path)}


@pytest.mark.root
@pytest.mark.registry
def test_a_pipeline_goes_through_a_container(host: Host) -> None:
    words = [sys.executable, "-m", "engine", "run", "-i", "--rm", host.image, "sh", "-c", "wc -c; echo err >&2; exit 9"]
    done = subprocess.run(
        words, input=b"x" * 300_000, capture_output=True, env=environment(host), check=False, timeout=60
    )
    assert (done.returncode, done.stdout.strip(), done.stderr) == (9, b"300000", b"err\n")
    assert host.engine.container_list() == []


@pytest.mark.root
@pytest.mark.registry
def test_a_person_leaves_by_keys_and_comes_back(host: Host) -> None:
    ours, theirs = pty.openpty()

    def start(*words: str) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            [sys.executable, "-m", "engine", *words],
            stdin=theirs, stdout=theirs, stderr=theirs, env=environment(host), start_new_session=True,
        )  # fmt: skip

    program = start("run", "-it", "--rm", "--name", "shell", host.image, "sh")
    read_until(ours, b"# ", 60)
    os.write(ours, b"n=41\r")
    read_until(ours, b"n=41\r\n")
    os.write(ours, b"\x10\x11")
    assert program.wait(60) == 0
    assert host.engine.container_get("shell").status == "running"
    program = start("attach", "--detach-keys", "a,b", "shell")
    os.write(ours, b"echo $((n+1))=\r")
    read_until(ours, b"\r\n42=\r\n", 60)
    os.write(ours, b"exit 6\r")
    assert program.wait(60) == 6
    os.close(ours)
    os.close(theirs)


def test_keys_are_found_in_whatever_pieces_they_come() -> None:
    keys = DetachKeys("ctrl-p,ctrl-q")
    assert keys.take(b"ls\x10") == b"ls"
    assert keys.take(b"x\x10\x10") == b"\x10x\x10"
    assert not keys.are_typed
    assert keys.take(b"\x11lost") == b""
    assert keys.are_typed
    assert DetachKeys("").take(b"\x10\x11") == b"\x10\x11"
    with pytest.raises(InvalidArgument, match="ctrl-LETTER"):
        DetachKeys("ctrl-p,up")
