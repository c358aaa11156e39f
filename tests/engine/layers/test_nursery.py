"""The process that forks unpackers may be killed, comes back by itself, and outlives nobody."""

from __future__ import annotations

import gzip
import json
import os
import select
import signal
import socket
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path

import pytest

from engine.layers import confined
from engine.layers import unpack as engine_unpack
from engine.layers.limits import Limits
from engine.layers.unpack import Unpacking
from tests.engine.layers.unpacking import is_gone, parent_of, pid_of
from tests.support.oci_layout import member, tar_of
from tests.support.processes import eventually

pytestmark = pytest.mark.root
ROOT = Path(__file__).parents[3]
BLOB = gzip.compress(tar_of([member("a", b"x" * 10_000)]), 1)


def begun(where: Path) -> Unpacking:
    where.mkdir()
    (where / "blob").write_bytes(BLOB)
    (where / "fs").mkdir()
    return Unpacking(where / "blob", where / "fs")


def test_layers_come_from_one_nursery(tmp_path: Path) -> None:
    engine_unpack.prepare()
    with begun(tmp_path / "1") as one, begun(tmp_path / "2") as two:
        assert parent_of(pid_of(one)) == parent_of(pid_of(two)) != os.getpid()


def test_an_unpacker_can_make_files_and_nothing_else(tmp_path: Path) -> None:
    with begun(tmp_path / "1") as one:
        one.grow(10)

        def facts() -> dict[str, str] | None:
            lines = Path(f"/proc/{pid_of(one)}/status").read_text().splitlines()
            found = dict(line.split(":\t", 1) for line in lines if ":\t" in line)
            return found if found["NoNewPrivs"] == "1" else None  # the last step of its confinement

        found = eventually(facts, what="its confinement")
        mask = sum(1 << number for number in confined.KEPT)
        assert isinstance(found, dict)
        assert {int(found[name], 16) & ~mask for name in ("CapEff", "CapPrm", "CapBnd", "CapInh", "CapAmb")} == {0}
        root = os.readlink(f"/proc/{pid_of(one)}/root")
    assert root == str(tmp_path / "1/fs")


def test_a_killed_helper_takes_no_layer_with_it_and_is_replaced(tmp_path: Path) -> None:
    with begun(tmp_path / "1") as one:
        nursery = parent_of(pid_of(one))
        os.kill(nursery, signal.SIGKILL)
        eventually(lambda: is_gone(nursery), what="the nursery's end")
        with begun(tmp_path / "2") as two:
            assert parent_of(pid_of(two)) not in (nursery, os.getpid())
            for unpacking in (one, two):
                unpacking.grow(len(BLOB), is_complete=True)
                while (result := unpacking.poll(5)) is None:
                    pass
                assert result.entries == 1


def test_a_stopped_unpacker_leaves_the_helper_alone(tmp_path: Path) -> None:
    with begun(tmp_path / "1") as one:
        nursery = parent_of(pid_of(one))
    with begun(tmp_path / "2") as two:
        assert parent_of(pid_of(two)) == nursery


def test_a_helper_ends_with_its_starter_and_so_do_its_unpackers(tmp_path: Path) -> None:
    program = (
        "import sys, time; from pathlib import Path; from tests.engine.layers.test_nursery import *\n"
        "with begun(Path(sys.argv[1])) as one:\n"
        "    print(pid_of(one), parent_of(pid_of(one)), flush=True); time.sleep(600)"
    )
    with subprocess.Popen(
        [sys.executable, "-c", program, str(tmp_path / "1")], cwd=ROOT, stdout=subprocess.PIPE, text=True
    ) as starter:
        assert starter.stdout is not None
        unpacker, nursery = map(int, starter.stdout.readline().split())
        starter.kill()
    eventually(lambda: is_gone(unpacker) and is_gone(nursery), what="the end of both")


def test_a_helper_that_nobody_wants_anything_of_goes(tmp_path: Path) -> None:
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    program = f"from engine.layers import nursery; nursery.REST_SECONDS = 0.1; nursery.main({theirs.fileno()})"
    with ours, theirs:
        rested = subprocess.Popen([sys.executable, "-c", program], cwd=ROOT, pass_fds=(theirs.fileno(),))
        assert rested.wait(120) == 0


def test_a_starter_killed_before_it_read_an_answer_is_no_reason_to_complain(tmp_path: Path) -> None:
    (tmp_path / "blob").write_bytes(BLOB)
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    program = f"from engine.layers import nursery; nursery.REST_SECONDS = 600; nursery.main({theirs.fileno()})"
    with theirs:
        helper = subprocess.Popen(
            [sys.executable, "-c", program], cwd=ROOT, pass_fds=(theirs.fileno(),), stderr=subprocess.PIPE, text=True
        )
    blob, directory = os.open(tmp_path / "blob", os.O_RDONLY), os.open(tmp_path, os.O_RDONLY)
    commands, reports = os.pipe(), os.pipe()
    with ours:
        socket.send_fds(ours, [json.dumps(asdict(Limits())).encode()], [blob, directory, commands[0], reports[1]])
        assert select.select([ours], [], [], 120)[0]  # the answer is there, and nobody takes it
    for descriptor in (blob, directory, *commands, *reports):
        os.close(descriptor)
    assert helper.communicate(timeout=120) == (None, "")
    assert helper.returncode == 0
