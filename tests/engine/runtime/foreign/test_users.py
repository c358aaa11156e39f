"""Root of another runtime's container is nobody outside, and what is on the disk belongs to whom it always did."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import pytest

from engine.runtime import capabilities
from engine.runtime.execs import ExecSpec, Stdio
from engine.snapshots.service import Snapshots
from tests.engine.runtime.foreign.conftest import ForeignHost

pytestmark = [pytest.mark.root, pytest.mark.registry]
any_runtime = pytest.mark.parametrize("foreign_host", ["crun", "runc", "own"], indirect=True)


def owner(path: Path) -> tuple[int, int]:
    found = path.lstat()
    return found.st_uid, found.st_gid


def first_id(foreign: ForeignHost, container_id: str) -> int:
    run = json.loads((foreign.home.config.containers / container_id / "run.json").read_bytes())
    assert run["ids"]["count"] == 65536
    return int(run["ids"]["first"])


@any_runtime
def test_root_inside_is_a_user_of_a_range_of_its_own_outside(foreign: ForeignHost) -> None:
    records = [foreign.run("sleep", "100") for _ in range(2)]
    firsts = [first_id(foreign, record.id) for record in records]
    assert len(set(firsts)) == 2
    for record, first in zip(records, firsts, strict=True):
        assert (record.userns, record.userns_problem) == ("auto", "")
        assert Path(f"/proc/{record.pid}/uid_map").read_text().split() == ["0", str(first), "65536"]
        assert os.stat(f"/proc/{record.pid}").st_uid == first


@any_runtime
def test_files_keep_their_owners_on_the_disk_and_between_runs(foreign: ForeignHost) -> None:
    script = (
        "echo a >>/made; echo b >>/etc/passwd; echo c >>/etc/hosts; mkdir -p /kept; touch /kept/mine; "
        "chown 1000:1000 /made; stat -c %u:%g /made /kept/mine /bin /etc/hosts; exit 3"
    )
    record = foreign.run("sh", "-c", script, restart="on-failure", restart_limit=1)
    ended = foreign.ended(record.id)
    assert (ended.exit_code, ended.run) == (3, 2), foreign.log(record.id)
    assert foreign.log(record.id).split() == [b"1000:1000", b"0:0", b"0:0", b"0:0"] * 2
    upper = Path(Snapshots(foreign.home.config, foreign.engine.store).overlay(record.id).upperdir)
    assert [owner(upper / name) for name in ("made", "kept/mine", "etc/passwd")] == [(1000, 1000), (0, 0), (0, 0)]


@any_runtime
def test_its_user_may_reopen_its_streams_and_use_its_devices(foreign: ForeignHost) -> None:
    script = (
        "echo out >/dev/stdout; echo err >/dev/stderr; cat /dev/stdin; echo x >/dev/null; head -c 1 /dev/zero | wc -c; "
        "echo x >/dev/void; ls -ln /dev/void | cut -d' ' -f1; touch /home/app/mine; id -u"
    )
    record = foreign.run("sh", "-ec", script, user="app", devices=("/dev/null:/dev/void",))
    assert foreign.ended(record.id).exit_code == 0, foreign.log(record.id)
    out = foreign.log(record.id, "stdout").split()
    assert (out[0], out[1], out[2][:4], out[3]) == (b"out", b"1", b"crw-", b"1000")
    assert foreign.log(record.id, "stderr") == b"err\n"


def test_an_exec_is_a_user_of_the_same_range(foreign: ForeignHost) -> None:
    record = foreign.run("sleep", "100")
    read, write = os.pipe()
    script = "cat /proc/self/uid_map; touch /by-exec; stat -c %u /by-exec"
    made = foreign.engine.container_exec(record.id, ExecSpec(args=("sh", "-c", script)), Stdio(stdout=write))
    os.close(write)
    with os.fdopen(read) as output:
        assert output.read().split() == ["0", str(first_id(foreign, record.id)), "65536", "0"]
    status = foreign.engine.container_exec_wait(record.id, made.id, 60)
    assert status is not None and status.code == 0


def test_who_asks_for_the_hosts_users_has_them(foreign: ForeignHost) -> None:
    for options in ({"userns": "host"}, {"privileged": True}):
        record = foreign.run("cat", "/proc/self/uid_map", **options)
        ended = foreign.ended(record.id)
        assert ended.exit_code == 0 and (ended.userns, ended.userns_problem) == ("host", "")
        assert foreign.log(record.id).split() == [b"0", b"0", b"4294967295"]


@any_runtime
def test_limits_and_the_oom_score_are_as_asked_for(foreign: ForeignHost) -> None:
    script = "ulimit -Hc; ulimit -n; cat /proc/self/oom_score_adj"
    record = foreign.run("sh", "-c", script, ulimits=("core=-1:-1", "nofile=77:88"), oom_score_adj=300)
    assert foreign.ended(record.id).exit_code == 0, foreign.log(record.id)
    assert foreign.log(record.id).split() == [b"unlimited", b"77", b"300"]


@pytest.mark.skipif(not capabilities.held() >> 24 & 1, reason="CAP_SYS_RESOURCE is missing")
@any_runtime
def test_limits_that_a_user_namespace_may_not_raise_are_raised(foreign: ForeignHost) -> None:
    script = "ulimit -Hl; cat /proc/self/oom_score_adj"
    record = foreign.run("sh", "-c", script, ulimits=("memlock=-1:-1",), oom_score_adj=-300)
    assert foreign.ended(record.id).exit_code == 0, foreign.log(record.id)
    assert foreign.log(record.id).split() == [b"unlimited", b"-300"]


@pytest.mark.skipif(shutil.which("runsc") is None, reason="runsc is not installed")
@pytest.mark.parametrize("foreign_host", ["runsc"], indirect=True)
def test_a_sandbox_lives_among_the_hosts_users_and_says_why(foreign: ForeignHost) -> None:
    record = foreign.run("true")
    assert (record.userns, record.userns_problem) == ("host", "runsc keeps its sandbox among the host's users")
    assert foreign.ended(record.id).exit_code == 0
