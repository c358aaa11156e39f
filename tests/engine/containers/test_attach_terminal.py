"""A container with a terminal: those who attach share it, and whatever dies, it and its output stay."""

from __future__ import annotations

import time

import pytest

from engine.containers.keeper_link import KeeperLink
from engine.errors import EngineError
from tests.engine.containers.test_attach import say
from tests.support.engine import Host
from tests.support.processes import eventually

pytestmark = [pytest.mark.root, pytest.mark.registry]


def test_a_shell_has_a_terminal_with_a_size_and_control_characters(host: Host) -> None:
    record = host.run("sh", tty=True, stdin_open=True)
    attached = host.engine.container_attach(record.id)
    attached.resize(33, 111)
    say(attached, b"stty size; test -t 0 -a -t 1 -a -t 2 && echo is-$((6*7))-terminal; echo $TERM\n")
    host.says(record.id, b"33 111\r\nis-42-terminal\r\nxterm\r\n")
    # What comes before the program runs is the shell's own to read, and interrupts nothing.
    say(attached, b"sh -c 'echo up-$((1+1)); exec sleep 100'\n")
    host.says(record.id, b"up-2\r\n")
    say(attached, b"\x03")
    say(attached, b"echo code-$?\n")
    host.says(record.id, b"code-130\r\n")
    say(attached, b"exit 7\n")
    assert host.ended(record.id).exit_code == 7
    attached.close()


def lines(count: int) -> bytes:
    return b"".join(b"line %d\r\n" % number for number in range(1, count + 1))


COUNT_TO = "i=0; while [ $i -lt %d ]; do i=$((i+1)); echo line $i; done"


def test_no_byte_is_lost_when_the_keeper_is_killed_again_and_again(host: Host) -> None:
    record = host.run("sh", "-c", COUNT_TO % 60_000, tty=True)
    for _ in range(5):
        time.sleep(0.15)
        host.kill_hard(host.keeper_pid())
        host.engine.ensure_helpers()
    assert host.ended(record.id).exit_code == 0
    assert host.log(record.id) == lines(60_000)


def test_last_words_wait_in_the_terminal_for_a_keeper(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    host.run("sleep", "1000")  # with something to do, the keeper stays
    monkeypatch.setattr(KeeperLink, "_spawn", lambda _: None)
    record = host.run("sh", "-c", "read go; seq 1 300; exit 5", tty=True, stdin_open=True)
    attached = host.engine.container_attach(record.id)
    host.kill_hard(host.keeper_pid())
    say(attached, b"go\n")
    attached.close()
    directory = host.home.config.containers / record.id
    eventually((directory / f"exit.{record.run}").exists, what="its end on record")
    monkeypatch.undo()
    host.engine.ensure_helpers()
    assert host.ended(record.id).exit_code == 5
    said = b"go\r\n" + b"".join(b"%d\r\n" % number for number in range(1, 301))
    eventually(lambda: host.log(record.id) == said, what="all of its words")


def test_two_share_one_terminal_and_a_restart_makes_a_new_one(host: Host) -> None:
    record = host.run("sh", tty=True, stdin_open=True)
    first, second = host.engine.container_attach(record.id), host.engine.container_attach(record.id)
    say(first, b"a=4")
    say(second, b"2; echo =$a\n")
    host.says(record.id, b"\r\n=42\r\n")
    first.close()
    host.engine.container_restart(record.id, 0)
    say(second, b"echo nobody\n")  # in a terminal that nobody has open
    second.close()
    third = host.engine.container_attach(record.id)
    say(third, b"echo again-$((1+1))\n")
    host.says(record.id, b"again-2\r\n")
    assert b"nobody" not in host.log(record.id)
    third.close()


def test_a_user_of_its_own_has_the_terminal_on_a_read_only_root(host: Host) -> None:
    script = "echo to-tty > /dev/tty; echo by-name > /dev/stdout; tty; stat -c '%u %G' $(tty)"
    record = host.run("sh", "-c", script, tty=True, user="1000", read_only=True)
    assert host.ended(record.id).exit_code == 0
    assert host.log(record.id).startswith(b"to-tty\r\nby-name\r\n/dev/pts/0\r\n1000 ")


def test_what_cannot_start_says_so_and_leaves_nobody_waiting(host: Host) -> None:
    for changes in ({"user": "nobody-of-this-name"}, {"workdir": "/etc/passwd"}):
        spec = host.spec("sh", tty=True, stdin_open=True, **changes)
        host.engine.container_create(spec)
        with pytest.raises(EngineError):
            host.engine.container_start(spec.id)
        host.engine.container_remove(spec.id)
        assert host.is_clean(spec.id)


def test_who_has_no_input_can_set_the_size_alone(host: Host) -> None:
    record = host.run("sh", "-c", "trap 'stty size' WINCH; echo ready; while :; do sleep 0.1; done", tty=True)
    attached = host.engine.container_attach(record.id)
    assert attached.stdin is None
    host.says(record.id, b"ready\r\n")
    attached.resize(7, 77)
    host.says(record.id, b"7 77\r\n")
    attached.close()
