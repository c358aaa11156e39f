"""What is left to a process that reads packets."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from engine.network.dns import confinement
from tests.support.portside import ROOT


@pytest.mark.root
def test_nothing_is_left_but_sockets(tmp_path: Path) -> None:
    """In a process of its own, which tells what it could still do."""
    command = [sys.executable, "-m", "tests.engine.network.dns.test_confinement", str(tmp_path)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.stdout.split() == ["done"], done.stdout + done.stderr


def try_all(root: str) -> None:
    here = os.open(__file__, os.O_RDONLY)
    tries: dict[str, Callable[[], object]] = {
        "open": lambda: os.open("/", os.O_RDONLY),
        "make": lambda: os.mkdir("/d"),
        "fork": os.fork,
        "execute": lambda: os.execve(here, ["x"], {}),
        "kill": lambda: os.kill(os.getppid(), 0),
        "root": lambda: os.setresuid(0, 0, 0),
        "other-sockets": lambda: socket.socket(socket.AF_UNIX),
        "netlink": lambda: socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 0),
        "raw-sockets": lambda: socket.socket(socket.AF_INET, socket.SOCK_RAW, 1),
        "look-around": lambda: os.listdir(here),
    }
    confinement.lock_down(root, 65534)
    for name, action in tries.items():
        try:
            action()
        except OSError:
            continue
        os.write(1, f"{name} ".encode())
    for family in (socket.AF_INET, socket.AF_INET6):
        socket.socket(family, socket.SOCK_DGRAM).close()
    os.write(1, b"done")
    os._exit(0)


@pytest.mark.parametrize("machine", ["x86_64", "aarch64"])
def test_every_jump_of_the_filter_ends_in_it(machine: str) -> None:
    code = confinement.program(machine)
    count = len(code) // 8
    assert count < 100
    for at in range(count):
        then, otherwise = code[at * 8 + 2], code[at * 8 + 3]
        assert at + 1 + max(then, otherwise) < count or code[at * 8] == 0x06
    numbers = confinement._MACHINES[machine][2]
    assert list(numbers) == sorted(set(numbers))


def test_a_machine_that_is_not_known_has_no_filter() -> None:
    assert confinement.program("riscv64") == b""
    assert sys.byteorder == "little", "the offsets of arguments are those of little endian"


if __name__ == "__main__":
    try_all(sys.argv[1])
