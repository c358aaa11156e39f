"""Attaching to what a container runs: input by a pipe that outlives those who attach."""

from __future__ import annotations

import os
import time

import pytest

from engine.containers.attaching import Attachment
from engine.errors import Conflict
from tests.support.engine import Host
from tests.support.processes import eventually

pytestmark = [pytest.mark.root, pytest.mark.registry]


def say(attachment: Attachment, text: bytes) -> None:
    assert attachment.stdin is not None
    while text:
        try:
            text = text[os.write(attachment.stdin, text) :]
        except BlockingIOError:
            time.sleep(0.01)


def test_what_is_said_comes_back_and_the_end_of_input_ends_a_container_that_asks_for_once(host: Host) -> None:
    record = host.run("cat", stdin_open=True, stdin_once=True)
    attached = host.engine.container_attach(record.id)
    say(attached, b"hello\n")
    host.says(record.id, b"hello\n")
    attached.close_stdin()
    assert host.ended(record.id).exit_code == 0
    assert host.log(record.id) == b"hello\n"


def test_those_who_leave_end_nothing_and_several_speak_to_the_same_process(host: Host) -> None:
    record = host.run("cat", stdin_open=True)
    first, second = host.engine.container_attach(record.id), host.engine.container_attach(record.name)
    say(first, b"one\n")
    host.says(record.id, b"one\n")
    say(second, b"two\n")
    host.says(record.id, b"two\n")
    first.close_stdin()
    first.close()
    second.close()
    time.sleep(0.2)
    third = host.engine.container_attach(record.id)
    assert third.cursor == len(b"one\ntwo\n")
    say(third, b"three\n")
    host.says(record.id, b"one\ntwo\nthree\n")
    third.close()


def test_input_and_output_survive_the_death_of_every_helper(host: Host) -> None:
    record = host.run("cat", stdin_open=True, stdin_once=True)
    attached = host.engine.container_attach(record.id)
    text = b"".join(b"line %06d of many\n" % number for number in range(20_000))
    say(attached, text[:100_000])
    host.kill_hard(host.keeper_pid())
    host.engine.stop_launcher()
    say(attached, text[100_000:130_000])
    attached.close()
    host.engine.reconcile()
    attached = host.engine.container_attach(record.id)
    say(attached, text[130_000:])
    attached.close_stdin()
    assert host.ended(record.id).exit_code == 0
    assert host.log(record.id) == text


def test_a_container_without_input_has_none_and_one_that_rests_takes_nobody(host: Host) -> None:
    record = host.run("sleep", "100")
    attached = host.engine.container_attach(record.id)
    assert attached.stdin is None
    attached.resize(10, 10)
    attached.close()
    host.engine.container_kill(record.id)
    with pytest.raises(Conflict, match="start it first"):
        host.engine.container_attach(record.id)


def test_a_user_of_its_own_reads_its_input_also_by_name(host: Host) -> None:
    record = host.run("sh", "-c", "cat /dev/stdin", stdin_open=True, stdin_once=True, user="1000")
    attached = host.engine.container_attach(record.id)
    say(attached, b"by name\n")
    host.says(record.id, b"by name\n")
    attached.close_stdin()
    assert host.ended(record.id).exit_code == 0


def test_a_restart_has_an_input_again(host: Host) -> None:
    record = host.run("cat", stdin_open=True, stdin_once=True)
    for _ in range(2):
        attached = host.engine.container_attach(record.id)
        attached.close_stdin()
        assert host.ended(record.id).exit_code == 0
        host.engine.container_start(record.id)
    eventually(lambda: host.engine.container_get(record.id).status == "running", what="it runs")
