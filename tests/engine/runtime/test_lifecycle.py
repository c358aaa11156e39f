"""A container from create to its exit code, on the real kernel."""

from __future__ import annotations

import errno
import os
import signal
import time
from pathlib import Path

import pytest

from engine.cgroups import Resources
from engine.errors import InvalidArgument, NotFound
from engine.runtime import rootfs
from tests.engine.runtime.box import Box, until, waiting_bytes
from tests.engine.runtime.conftest import MakeBox
from tests.engine.runtime.execs import read_until

pytestmark = pytest.mark.root


def test_a_created_container_waits_and_start_makes_it_the_program(box: Box) -> None:
    pid = box.create("/bin/sleep", "100")
    assert box.record()["pid"] == pid
    assert box.runtime.is_alive(box.directory)
    assert os.readlink(f"/proc/{pid}/ns/net") != os.readlink("/proc/self/ns/net")
    box.runtime.start(box.directory)
    until(lambda: b"sleep" in Path(f"/proc/{pid}/cmdline").read_bytes())  # it is empty for a moment


@pytest.mark.parametrize("code", [0, 1, 42, 255])
def test_the_exit_code_of_the_program_is_kept(box: Box, code: int) -> None:
    before = time.time()
    box.run("/bin/sh", "-c", f"exit {code}")
    status = box.wait()
    assert (status.code, status.lost) == (code, False)
    assert before - 1 < status.at < time.time() + 1


def test_a_signal_counts_as_128_and_its_number(make_box: MakeBox) -> None:
    for number, script in (
        (9, "echo up; sleep 100"),
        (15, "trap 'trap - TERM; exit 143' TERM; echo up; sleep 100 & wait"),
    ):
        box = make_box()
        box.run("/bin/sh", "-c", script, collect=False)
        fd = os.open(box.directory / "stdout", os.O_RDONLY | os.O_NONBLOCK)
        read_until(fd, b"up\n")
        os.close(fd)
        box.runtime.signal(box.directory, number)
        assert box.wait().code == 128 + number
        assert not box.runtime.is_alive(box.directory)


def test_a_signal_to_an_ended_container_is_not_found(box: Box) -> None:
    box.result("/bin/sh", "-c", "exit 0")
    with pytest.raises(NotFound):
        box.runtime.signal(box.directory, signal.SIGTERM)


def test_both_outputs_arrive_complete(box: Box) -> None:
    code, out, err = box.result("/bin/sh", "-c", "busybox seq 1 20000; echo problem >&2; exit 3")
    assert code == 3
    assert out == "".join(f"{n}\n" for n in range(1, 20001))
    assert err == "problem\n"


def test_what_was_printed_waits_for_a_reader_that_comes_after_the_end(box: Box) -> None:
    box.run("/bin/sh", "-c", "echo late", collect=False)
    assert box.wait().code == 0
    fd = os.open(box.directory / "stdout", os.O_RDONLY | os.O_NONBLOCK)
    assert waiting_bytes(fd) == 5
    assert os.read(fd, 100) == b"late\n"
    os.close(fd)


@pytest.mark.parametrize(
    ("command", "code", "message"),
    [
        ("foo", 127, 'exec: "foo": executable file not found in $PATH'),
        ("", 127, 'exec: "": executable file not found in $PATH'),
        ("/no/such", 127, 'exec: "/no/such": stat /no/such: no such file or directory'),
        ("/etc/passwd/x", 127, 'exec: "/etc/passwd/x": stat /etc/passwd/x: not a directory'),
        ("/etc/passwd", 126, 'exec: "/etc/passwd": permission denied'),
        ("/etc", 126, 'exec: "/etc": is a directory'),
        ("/proc/self/exe", 126, 'exec: "/proc/self/exe": permission denied'),
    ],
)
def test_a_program_that_cannot_run_is_told_by_code_and_message(box: Box, command: str, code: int, message: str) -> None:
    box.create(command, collect=False)
    with pytest.raises(InvalidArgument) as caught:
        box.runtime.start(box.directory)
    assert caught.value.message == message
    assert caught.value.detail["exit_code"] == code
    assert not box.runtime.is_alive(box.directory)
    assert box.wait().code == code


def test_what_can_not_be_executed_is_passed_over_in_the_path(box: Box) -> None:
    box.sh("mkdir -p /usr/local/bin; echo exit 1 > /usr/local/bin/plain")
    with pytest.raises(InvalidArgument, match=r'exec: "plain": executable file not found in \$PATH'):
        box.run("plain", collect=False)
    box.sh("printf '#!/bin/sh\\nexit 5\\n' > /bin/plain; chmod 755 /bin/plain")
    box.run("plain", collect=False)
    assert box.wait().code == 5


def test_a_script_without_its_interpreter_and_a_broken_binary_are_told_apart(make_box: MakeBox) -> None:
    for content, code, message in (
        (b"#!/bin/nope\n", 127, "exec /odd: no such file or directory"),
        (b"\x7fELFjunk", 126, "exec /odd: exec format error"),
    ):
        box = make_box()
        odd = box.directory / "upper" / "odd"
        odd.write_bytes(content)
        odd.chmod(0o755)
        box.create("/odd", collect=False)
        with pytest.raises(InvalidArgument) as caught:
            box.runtime.start(box.directory)
        assert (caught.value.message, caught.value.detail["exit_code"]) == (message, code)


def is_at_work(pid: int) -> bool:
    """Whether it has not ended, if it is not buried yet (proc_pid_stat(5))."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except FileNotFoundError:
        return False


def test_an_aborted_container_is_gone_with_its_process(box: Box) -> None:
    pid = box.create("/bin/sleep", "100", collect=False)
    box.runtime.abort(box.directory)
    assert not is_at_work(pid)
    until(lambda: not os.path.exists(f"/proc/{pid}"))  # its monitor tells of the end, and then buries it
    assert not box.runtime.is_alive(box.directory)
    with pytest.raises(NotFound):
        box.runtime.start(box.directory)
    box.runtime.abort(box.directory)


def test_a_container_runs_again_as_a_new_run(box: Box) -> None:
    assert box.sh("echo one > /kept; echo one") == "one\n"
    assert box.sh("cat /kept") == "one\n"
    assert [box.runtime.exit_status(box.directory, run) is not None for run in (1, 2)] == [True, True]


def test_many_layers_with_long_paths_make_one_root(box: Box, tmp_path: os.PathLike[str]) -> None:
    layers = []
    for number in range(60):
        layer = os.path.join(tmp_path, f"{number:03}-" + "x" * 150)
        os.mkdir(layer)
        with open(os.path.join(layer, f"file{number}"), "w") as file:
            file.write(str(number))
        layers.append(layer)
    box.layers = [*layers, *box.layers]
    assert box.sh("cat /file0 /file59") == "059"


def test_an_older_kernel_gets_its_layers_by_the_classic_way(tmp_path: Path) -> None:
    names = [f"{number:064}" for number in range(40)]
    for name in names:
        (tmp_path / "layers" / name / "fs").mkdir(parents=True)
        (tmp_path / "layers" / name / "fs" / name).touch()
    for name in ("upper", "work"):
        (tmp_path / name).mkdir()
    layers = {
        "lowerdirs": [str(tmp_path / "layers" / name / "fs") for name in names],
        "upperdir": str(tmp_path / "upper"),
        "workdir": str(tmp_path / "work"),
    }
    reader, writer = os.pipe()
    pid = os.fork()  # a process of its own: it changes its namespaces and its working directory
    if pid == 0:
        try:
            tree = rootfs.classic_overlay(layers)
            mounted = str(tmp_path) in Path("/proc/self/mounts").read_text()
            seen = sorted(os.listdir(os.open(".", os.O_RDONLY, dir_fd=tree)))
            os.write(writer, f"{mounted} {seen == names}".encode())
        finally:
            os._exit(0)
    os.close(writer)
    os.waitpid(pid, 0)
    assert os.read(reader, 100) == b"False True"
    os.close(reader)


def test_an_older_kernel_gets_layers_to_be_read_alone(tmp_path: Path) -> None:
    for name in ("empty", "one"):
        (tmp_path / name / "fs").mkdir(parents=True)
    (tmp_path / "one" / "fs" / "file").touch()
    reader, writer = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            tree = rootfs.classic_overlay({"lowerdirs": [str(tmp_path / name / "fs") for name in ("empty", "one")]})
            found = os.listdir(os.open(".", os.O_RDONLY, dir_fd=tree))
            try:
                os.mkdir("more", dir_fd=tree)
            except OSError as error:
                os.write(writer, f"{found} {errno.errorcode[error.errno]}".encode())
        finally:
            os._exit(0)
    os.close(writer)
    os.waitpid(pid, 0)
    assert os.read(reader, 100) == b"['file'] EROFS"
    os.close(reader)
    assert os.listdir(tmp_path / "empty" / "fs") == []


def test_the_default_resources_are_set_and_gone_after_removal(box: Box) -> None:
    pid = box.run("/bin/sleep", "100", resources=Resources(memory_bytes=32 << 20, pids_limit=7), collect=False)
    assert pid in box.cgroups.pids(box.id)
    assert box.id in box.cgroups.list()
    box.remove()
    assert box.id not in box.cgroups.list()
    assert box.id not in Path("/proc/mounts").read_text()


def test_the_exit_of_a_removed_container_is_not_found(box: Box) -> None:
    with pytest.raises(NotFound, match="removed"):
        box.runtime._settle(box.directory / "removed", 1)


@pytest.mark.parametrize("seconds", [1e9, 1e300, float("inf")])
def test_a_wait_may_be_longer_than_the_kernel_can_count(box: Box, seconds: float) -> None:
    box.run("/bin/sh", "-c", "sleep 0.2; exit 3")
    status = box.runtime.wait(box.directory, 1, seconds)
    assert status is not None and status.code == 3
