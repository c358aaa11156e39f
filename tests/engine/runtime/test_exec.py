"""A second process in a running container: it is what the first is, field by field, unless it is told otherwise."""

from __future__ import annotations

import contextlib
import os
import signal
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from engine.cgroups import Resources
from engine.errors import Conflict, EngineError, InvalidArgument, NotFound, ResourceExhausted
from engine.runtime import capabilities, record
from engine.runtime.execs import ExecSpec, Stdio
from tests.engine.runtime import execs
from tests.engine.runtime.box import Box, until
from tests.engine.runtime.conftest import MakeBox
from tests.support.home import command_of

pytestmark = pytest.mark.root

KINDS = ("mnt", "pid", "net", "uts", "ipc", "cgroup", "user", "time")
FACTS = "grep -E '^(Cap|NoNewPrivs|Seccomp|Groups|Uid|Gid|Umask)' /proc/self/status"


def status(pid: str, box: Box) -> dict[str, str]:
    lines = execs.result(box, "/bin/cat", f"/proc/{pid}/status")[1].splitlines()
    return dict(line.partition(":\t")[::2] for line in lines)


def test_it_is_in_the_same_namespaces_and_groups(idle: Box) -> None:
    made = execs.start(idle, "/bin/sleep", "100")
    first = idle.record()["pid"]
    for kind in KINDS:
        assert os.readlink(f"/proc/{made.pid}/ns/{kind}") == os.readlink(f"/proc/{first}/ns/{kind}"), kind
    assert Path(f"/proc/{made.pid}/cgroup").read_text() == Path(f"/proc/{first}/cgroup").read_text()
    assert os.stat(f"/proc/{made.pid}/root").st_ino == os.stat(f"/proc/{first}/root").st_ino
    assert made.pid in idle.cgroups.pids(idle.id)
    execs.end(idle, made)


def test_users_of_the_containers_own_are_its_too(box: Box) -> None:
    first = box.run("/bin/sleep", "1000", collect=False)
    if box.record()["ids"] is None:
        pytest.skip("this machine's containers have the host's users")
    outside = box.record()["ids"]["first"]
    read, write = os.pipe()
    made = execs.start(box, "/bin/sleep", "100", user="ann", stdio=Stdio(stdout=write))
    assert os.readlink(f"/proc/{made.pid}/ns/user") == os.readlink(f"/proc/{first}/ns/user")
    assert os.stat(f"/proc/{made.pid}").st_uid == os.fstat(write).st_uid == outside + 1000
    assert execs.sh(box, "id -u; busybox stat -Lc %u:%g /dev/stdout") == "0\n0:0\n"
    assert execs.sh(box, "id -u; echo x > /dev/stdout", user="1000:77") == "1000\nx\n"
    assert not (box.directory / "exec.privileged").exists()
    execs.end(box, made)
    os.close(read)
    os.close(write)


def test_it_has_the_same_rights_and_is_a_leader_of_its_own_session(idle: Box) -> None:
    mine, first = status("self", idle), status("1", idle)
    names = ("Uid", "Gid", "Groups", "CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb", "NoNewPrivs", "Seccomp", "Umask")
    assert {name: mine[name] for name in names} == {name: first[name] for name in names}
    assert mine["Seccomp"] == "2" and mine["NoNewPrivs"] == "1"
    assert (mine["SigIgn"], mine["SigBlk"]) == ("0" * 16, "0" * 16)
    made = execs.start(idle, "/bin/sleep", "100")
    assert os.getsid(made.pid) == os.getpgid(made.pid) == made.pid
    assert os.readlink(f"/proc/{made.pid}/fd/0") == "/dev/null"
    execs.end(idle, made)


def test_the_filter_of_system_calls_holds_for_it(idle: Box) -> None:
    assert "not permitted" in execs.result(idle, "/bin/busybox", "unshare", "-U", "true")[2]


def test_environment_user_and_working_directory_can_be_had_otherwise(box: Box) -> None:
    box.run("/bin/sleep", "1000", collect=False, env=["A=1", "B=2"], user="ann", cwd="/tmp")
    assert execs.sh(box, "id -u; busybox pwd; echo $A$B$HOME") == "1000\n/tmp\n12/home/ann\n"
    out = execs.sh(box, "id -u; id -g; busybox pwd; echo $A$B$HOME", user="0:2", cwd="/etc", env=["B=3", "HOME=/x"])
    assert out == "0\n2\n/etc\n13/x\n"
    assert execs.sh(box, "id -G", user="ann") == "1000 2 77\n"
    assert execs.sh(box, "id -u; id -G", user="ann:") == "1000\n1000 2 77\n"
    assert execs.sh(box, "id -u; id -G", user=":bin") == "0\n2\n"
    assert execs.sh(box, "id -u; id -g; echo $HOME", user="4711") == "4711\n0\n/\n"


def test_groups_that_the_container_was_given_are_its_too(box: Box) -> None:
    box.run("/bin/sleep", "1000", collect=False, user="ann", groups=["late", "4000"])
    assert execs.sh(box, "id -G") == "1000 2 77 4000\n"
    assert execs.sh(box, "id -G", user="4711:9") == "9 77 4000\n"


def test_what_belongs_to_the_user_is_written_as_the_user(idle: Box) -> None:
    execs.sh(idle, "echo x > /tmp/mine", user="1000:77")
    found = (idle.directory / "upper" / "tmp" / "mine").stat()
    assert (found.st_uid, found.st_gid, found.st_mode & 0o777) == (1000, 77, 0o644)


def test_variables_of_the_containers_can_be_taken_away(box: Box) -> None:
    box.run("/bin/sleep", "1000", collect=False, env=["A=1", "B=2", "PATH=/bin"])
    seen = "echo ${A-none} ${B-none} ${C-none}; echo $HOME"
    assert execs.sh(box, seen, unset=["A", "C", "HOME"]) == "none 2 none\n/root\n", "a home is always given"
    assert execs.sh(box, seen, unset=["A"], env=["A=3", "HOME=/x"]) == "3 2 none\n/x\n"
    assert execs.sh(box, seen) == "1 2 none\n/root\n"


def test_limits_of_resources_and_the_oom_score_are_the_containers(box: Box) -> None:
    limits = {"RLIMIT_NOFILE": (100, 200), "RLIMIT_CORE": ((1 << 64) - 1, (1 << 64) - 1)}
    box.run("/bin/sleep", "1000", collect=False, rlimits=limits, oom_score_adj=300)
    out = execs.sh(box, "ulimit -Sn; ulimit -Hn; ulimit -Hc; busybox cat /proc/self/oom_score_adj")
    assert out.split() == ["100", "200", "unlimited", "300"]


@pytest.mark.parametrize("how", [{}, {"user_namespace": False}, execs.TRACED], ids=["lent", "forked", "guarded"])
@pytest.mark.parametrize("limits", [(0, 0), (4, 63), (10, 4096)])
def test_a_program_may_have_hardly_any_files(box: Box, limits: tuple[int, int], how: dict[str, Any]) -> None:
    told = [str(one) for one in limits]
    assert box.sh("ulimit -Sn; ulimit -Hn", rlimits={"RLIMIT_NOFILE": limits}, **how).split() == told
    box.run("/bin/sleep", "1000", collect=False, rlimits={"RLIMIT_NOFILE": limits}, **how)
    assert execs.sh(box, "ulimit -Sn; ulimit -Hn").split() == told


def test_a_privileged_one_has_every_capability(idle: Box) -> None:
    facts = execs.sh(
        idle,
        f"busybox {FACTS}; busybox mount -t tmpfs none /sys/fs/cgroup && busybox umount /sys/fs/cgroup && echo mounted",
        privileged=True,
    )
    everything = f"{capabilities.held():016x}"
    assert f"CapBnd:\t{everything}" in facts and "NoNewPrivs:\t0" in facts and "mounted" in facts
    assert everything not in execs.sh(idle, f"busybox {FACTS}")


@pytest.mark.parametrize("how", [{}, {"user_namespace": False}, execs.TRACED], ids=["lent", "forked", "guarded"])
def test_without_no_new_privileges_the_filter_holds_too(box: Box, how: dict[str, Any]) -> None:
    box.run("/bin/sleep", "1000", collect=False, no_new_privileges=False, **how)
    found = status("self", box)
    assert (found["Seccomp"], found["NoNewPrivs"]) == ("2", "0")
    assert execs.sh(box, "id -u; echo x > /dev/stdout", user="1000:77") == "1000\nx\n"
    assert "not permitted" in execs.result(box, "/bin/busybox", "unshare", "-U", "true")[2]


@pytest.mark.parametrize(
    ("script", "code"), [("exit 0", 0), ("exit 7", 7), ("kill -TERM $$", 143), ("kill -9 $$", 137)]
)
def test_exit_codes_are_a_shells(idle: Box, script: str, code: int) -> None:
    assert execs.result(idle, "/bin/sh", "-c", script)[0] == code


def test_its_end_is_known_to_everybody_until_it_is_removed(idle: Box) -> None:
    made = execs.start(idle, "/bin/sh", "-c", "exit 3")
    waited = idle.runtime.exec_wait(idle.directory, made.id, 60)
    again = type(idle.runtime)(idle.config, idle.cgroups, pool=0).exec_status(idle.directory, made.id)
    assert waited == again and waited is not None and waited.code == 3
    assert idle.runtime.execs(idle.directory) == [made.id]
    idle.runtime.exec_remove(idle.directory, made.id)
    idle.runtime.exec_remove(idle.directory, made.id)
    assert idle.runtime.execs(idle.directory) == []
    with pytest.raises(NotFound):
        idle.runtime.exec_status(idle.directory, made.id)


def test_its_end_is_known_to_whoever_started_it_without_looking_again(
    idle: Box, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("engine.runtime.record.await_end", lambda *_: pytest.fail("it was looked for"))
    read, write = os.pipe()
    made = execs.start(idle, "/bin/sh", "-c", "read x; exit 4", stdio=Stdio(stdin=read))
    assert idle.runtime.exec_wait(idle.directory, made.id, 0.01) is None
    os.write(write, b"go\n")
    assert execs.ended(idle, made).code == 4
    for descriptor in (read, write):
        os.close(descriptor)


def test_a_signal_reaches_it_and_nobody_else(idle: Box) -> None:
    read, write = os.pipe()
    script = "trap 'echo got; exit 9' USR1; echo up; while :; do busybox sleep 0.02; done"
    made = execs.start(idle, "/bin/sh", "-c", script, stdio=Stdio(stdout=write))
    os.close(write)
    execs.read_until(read, b"up\n")
    assert idle.runtime.exec_status(idle.directory, made.id) is None
    with pytest.raises(Conflict, match="still runs"):
        idle.runtime.exec_remove(idle.directory, made.id)
    idle.runtime.exec_signal(idle.directory, made.id, signal.SIGUSR1)
    assert execs.read_all(read) == b"got\n"
    assert idle.runtime.exec_wait(idle.directory, made.id, 60) is not None
    with pytest.raises(NotFound, match="has ended"):
        idle.runtime.exec_signal(idle.directory, made.id, signal.SIGTERM)
    assert execs.ended(idle, made).code == 9
    assert idle.runtime.is_alive(idle.directory)


def test_a_long_one_gets_the_small_monitor_that_holds_nothing_of_it(idle: Box) -> None:
    read, write = os.pipe()
    made = execs.start(idle, "/bin/sleep", "100", stdio=Stdio(read, write, write))
    watcher = record.read_run(str(idle.directory / record.EXECS / made.id))["monitor_pid"]  # type: ignore[index]
    until(lambda: "monitor-" in os.readlink(f"/proc/{watcher}/exe"))

    def held() -> list[str]:
        found = []
        for name in os.listdir(f"/proc/{watcher}/fd"):
            with contextlib.suppress(FileNotFoundError):  # it has just closed it
                found.append(os.readlink(f"/proc/{watcher}/fd/{name}").partition(":")[0])
        return sorted(found)

    # Its directory, and the way to tell whoever has started it that it has ended.
    until(
        lambda: held() == [str(idle.directory / record.EXECS / made.id), "socket"], what=lambda: f"{held()} to be two"
    )
    assert os.readlink(f"/proc/{watcher}/ns/mnt") == os.readlink("/proc/self/ns/mnt")
    idle.runtime.exec_signal(idle.directory, made.id, signal.SIGKILL)
    assert execs.ended(idle, made).code == 137
    until(lambda: not Path(f"/proc/{watcher}").exists())
    os.close(read)
    os.close(write)


@pytest.mark.parametrize(
    ("args", "fields", "code", "says"),
    [
        (["nosuch"], {}, 127, r"not found in \$PATH"),
        ([""], {}, 127, r'^exec: "": executable file not found in \$PATH'),
        (["/bin/nosuch"], {}, 127, "no such file"),
        (["/etc/passwd"], {}, 126, "permission denied"),
        (["/tmp"], {}, 126, "is a directory"),
        (["/proc/1/exe"], {}, 126, "permission denied"),
        (["/bin/sh"], {"cwd": "/nosuch"}, 126, "working directory /nosuch does not exist"),
        (["/bin/sh"], {"cwd": "/etc/passwd"}, 126, "not a directory"),
        (["/bin/sh"], {"user": "nobody-here"}, 126, "unable to find user"),
        (["/tmp/garbage"], {}, 126, "exec format error"),
        (["/bin/sh", "x" * (200 << 10)], {}, 126, "too long"),
    ],
)
def test_what_cannot_run_is_refused_with_its_code(
    idle: Box, args: list[str], fields: dict[str, str], code: int, says: str
) -> None:
    garbage = idle.directory / "upper" / "tmp" / "garbage"
    execs.sh(idle, "busybox dd if=/dev/zero of=/tmp/garbage bs=100 count=1 2>/dev/null; busybox chmod 755 /tmp/garbage")
    assert garbage.exists()
    with pytest.raises(InvalidArgument, match=says) as caught:
        execs.start(idle, *args, **fields)
    assert caught.value.detail["exit_code"] == code
    assert idle.runtime.execs(idle.directory) == []
    until(lambda: len(idle.cgroups.pids(idle.id)) == 1)


@pytest.mark.parametrize(("user", "says"), [("99999", "all ids of user 99999"), ("0:99999", "with the groups 99999")])
def test_ids_that_only_the_hosts_users_have_are_named(idle: Box, user: str, says: str) -> None:
    if not idle.runtime.pool_size:  # it has the host's
        execs.sh(idle, "exit 0", user=user)
        return
    with pytest.raises(InvalidArgument, match=says) as caught:
        execs.start(idle, "/bin/sh", user=user)
    assert caught.value.detail["exit_code"] == 126
    assert idle.runtime.execs(idle.directory) == []


@pytest.mark.parametrize(
    "fields",
    [
        {"env": ["=x"]},
        {"unset": [""]},
        {"unset": ["A=1"]},
        {"unset": ["A\0"]},
        {"cwd": "relative"},
        {"args": []},
        {"args": ["a\0b"]},
        {"size": (1, 1 << 16)},
    ],
)
def test_a_senseless_wish_is_refused_with_its_field(box: Box, fields: dict[str, object]) -> None:
    with pytest.raises(InvalidArgument) as caught:
        box.runtime.exec(box.directory, ExecSpec(**{"args": ["true"], **fields}))  # type: ignore[arg-type]
    assert "field" in caught.value.detail


def test_nothing_can_be_run_where_nothing_runs(box: Box) -> None:
    with pytest.raises(Conflict, match="not running"):
        execs.start(box, "/bin/sh")
    box.create("/bin/sleep", "100", collect=False)
    with pytest.raises(Conflict, match="not running"):
        execs.start(box, "/bin/sh")
    box.runtime.start(box.directory)
    assert execs.result(box, "/bin/sh", "-c", "exit 2")[0] == 2
    box.runtime.signal(box.directory, signal.SIGKILL)
    box.wait()
    with pytest.raises(Conflict, match="not running"):
        execs.start(box, "/bin/sh")
    assert box.runtime.execs(box.directory) == []


def test_it_ends_with_its_container_and_its_code_is_kept(box: Box) -> None:
    box.run("/bin/sleep", "1000", collect=False)
    made = execs.start(box, "/bin/sleep", "100")
    box.runtime.signal(box.directory, signal.SIGKILL)
    assert execs.ended(box, made).code == 137


def test_a_container_that_ends_meanwhile_is_said_to_have_ended(make_box: MakeBox) -> None:
    for pause in (0.0, 0.003, 0.006, 0.012):
        box = make_box()
        box.run("/bin/sleep", "1000", collect=False)
        with ThreadPoolExecutor(4) as threads:
            started = [threads.submit(execs.start, box, "/bin/sleep", "100") for _ in range(4)]
            time.sleep(pause)
            box.runtime.signal(box.directory, signal.SIGKILL)
            for one in started:
                try:
                    assert execs.ended(box, one.result()).code == 137
                except Conflict as error:
                    assert "ended" in error.message or "not running" in error.message
        assert box.runtime.execs(box.directory) == []


def test_the_limit_of_processes_counts_for_it(box: Box) -> None:
    box.run("/bin/sleep", "1000", collect=False, resources=Resources(pids_limit=1))
    try:
        refusal = execs.result(box, "/bin/sh", "-c", "id; true")[2]
    except ResourceExhausted as error:
        refusal = error.message
    assert "limit of processes" in refusal or "can't fork" in refusal
    assert box.runtime.execs(box.directory) == []


def test_fifty_at_once_run_and_leave_nothing(idle: Box) -> None:
    def one(number: int) -> tuple[int, str]:
        code, out, _ = execs.result(idle, "/bin/sh", "-c", f"echo {number}; exit {number}")
        return code, out

    with ThreadPoolExecutor(50) as threads:
        assert list(threads.map(one, range(50))) == [(number, f"{number}\n") for number in range(50)]
    assert idle.runtime.execs(idle.directory) == []
    until(lambda: len(idle.cgroups.pids(idle.id)) == 1)
    launcher = idle.runtime.ensure_launcher()

    def watchers() -> list[str]:
        children = Path(f"/proc/{launcher}/task/{launcher}/children").read_text().split()
        return [pid for pid in children if " exec " in command_of(int(pid))]

    until(lambda: watchers() == [])


def test_old_ends_are_swept_and_young_ones_kept(idle: Box, monkeypatch: pytest.MonkeyPatch) -> None:
    running = execs.start(idle, "/bin/sleep", "100")
    over = execs.start(idle, "/bin/sh", "-c", "exit 0")
    assert idle.runtime.exec_wait(idle.directory, over.id, 60) is not None
    unborn = idle.directory / record.EXECS / ("0" * 64)
    unborn.mkdir()
    assert idle.runtime.exec_sweep(idle.directory) == []
    monkeypatch.setattr("engine.runtime.execs.KEEP_SECONDS", -1)
    monkeypatch.setattr("engine.runtime.execs.UNBORN_SECONDS", -1)
    assert idle.runtime.exec_sweep(idle.directory) == sorted([over.id, unborn.name])
    assert idle.runtime.execs(idle.directory) == [running.id]
    execs.end(idle, running)


def test_an_error_leaves_the_callers_descriptors_alone(idle: Box) -> None:
    read, write = os.pipe()
    with pytest.raises(EngineError):
        execs.start(idle, "/bin/nosuch", stdio=Stdio(stdout=write))
    made = execs.start(idle, "/bin/echo", "x", stdio=Stdio(stdout=write))
    os.close(write)
    assert execs.read_all(read) == b"x\n"
    execs.ended(idle, made)
