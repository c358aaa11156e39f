"""A terminal for an exec: of the container's own devpts, the caller holds its master. And what pipes do instead."""

from __future__ import annotations

import os
import re
import socket
import threading

import pytest

from engine.runtime import terminal
from engine.runtime.execs import Stdio
from tests.engine.runtime import execs
from tests.engine.runtime.box import Box

pytestmark = pytest.mark.root


def test_it_is_the_controlling_terminal_of_the_containers_own(idle: Box) -> None:
    made = execs.start(idle, "/bin/sh", "-c", "busybox tty; busybox stty size; echo $TERM", tty=True, size=(33, 99))
    assert made.master is not None
    assert re.fullmatch(rb"/dev/pts/\d\r\n33 99\r\nxterm\r\n", execs.read_all(made.master))
    assert execs.ended(idle, made).code == 0


def test_it_belongs_to_the_user(idle: Box) -> None:
    made = execs.start(idle, "/bin/sh", "-c", "busybox stat -c %u:%g $(busybox tty); echo x > /dev/tty",
                       tty=True, user="1000:77")  # fmt: skip
    assert made.master is not None
    assert execs.read_all(made.master) == b"1000:77\r\nx\r\n"
    execs.ended(idle, made)


def test_its_size_can_change_and_the_program_hears_of_it(idle: Box) -> None:
    script = "trap 'busybox stty size; exit 4' WINCH; echo up; while :; do busybox sleep 0.02; done"
    made = execs.start(idle, "/bin/sh", "-c", script, tty=True)
    assert made.master is not None
    execs.read_until(made.master, b"up\r\n")
    terminal.resize(made.master, 50, 120)
    assert execs.read_all(made.master) == b"50 120\r\n"
    assert execs.ended(idle, made).code == 4


def test_control_c_interrupts_and_the_shell_goes_on(idle: Box) -> None:
    made = execs.start(idle, "/bin/sh", tty=True, env=["PS1=$ "])
    assert made.master is not None
    execs.read_until(made.master, b"$ ")
    os.write(made.master, b"busybox sh -c 'echo up; exec busybox sleep 100'\n")
    execs.read_until(made.master, b"up\r\n")
    os.write(made.master, b"\x03")
    execs.read_until(made.master, b"$ ")
    os.write(made.master, b"exit 5\n")
    execs.read_all(made.master)
    assert execs.ended(idle, made).code == 5


def test_a_master_that_is_closed_hangs_up(idle: Box) -> None:
    made = execs.start(idle, "/bin/sleep", "100", tty=True)
    assert made.master is not None
    os.close(made.master)
    assert execs.ended(idle, made).code == 129


def test_the_end_of_stdin_reaches_it_while_it_still_writes(idle: Box) -> None:
    ours, theirs = socket.socketpair()
    made = execs.start(idle, "/bin/sh", "-c", "busybox cat; echo end", stdio=Stdio(theirs.fileno(), theirs.fileno()))
    theirs.close()
    ours.sendall(b"one\n")
    assert ours.recv(4) == b"one\n"
    ours.shutdown(socket.SHUT_WR)
    assert ours.makefile("rb").read() == b"end\n"
    assert execs.ended(idle, made).code == 0
    ours.close()


def test_a_megabyte_goes_through_and_comes_back(idle: Box) -> None:
    data = os.urandom(1 << 20)
    (inner, given), (taken, outer) = os.pipe(), os.pipe()
    made = execs.start(idle, "/bin/cat", stdio=Stdio(inner, outer))
    os.close(inner)
    os.close(outer)

    def feed() -> None:
        with os.fdopen(given, "wb") as pipe:
            pipe.write(data)

    thread = threading.Thread(target=feed)
    thread.start()
    assert execs.read_all(taken) == data
    thread.join()
    assert execs.ended(idle, made).code == 0


def test_a_user_without_rights_can_open_its_pipes_anew(idle: Box) -> None:
    assert execs.sh(idle, "echo x > /dev/stdout", user="ann") == "x\n"


def test_what_was_not_given_is_the_containers_null(idle: Box) -> None:
    read, write = os.pipe()
    made = execs.start(
        idle, "/bin/sh", "-c", "busybox wc -c; busybox stat -Lc %t:%T /proc/self/fd/0", stdio=Stdio(stdout=write)
    )
    os.close(write)
    assert execs.read_all(read) == b"0\n1:3\n"
    assert execs.ended(idle, made).code == 0
