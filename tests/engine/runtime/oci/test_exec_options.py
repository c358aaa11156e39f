"""exec --cgroup, --ignore-paused and --pid-file."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from engine.runtime.oci.groups.tree import Tree
from tests.engine.runtime.oci.bundles import COMMAND, Bundle

pytestmark = pytest.mark.root


def test_exec_enters_a_group_below_the_containers(bundle: Bundle) -> None:
    bundle.args("/bin/sleep", "100").start()
    (bundle.group("pids") / "below").mkdir()
    version_1 = "pids" in Tree.of(bundle.id).v1
    named = "pids:below" if version_1 else "below"
    one = bundle.succeed("exec", "--cgroup", named, bundle.id, "/bin/cat", "/proc/1/cgroup", "/proc/self/cgroup")
    assert one.count("/below") == 1
    every = bundle.succeed("exec", "--cgroup", "below", bundle.id, "/bin/cat", "/proc/self/cgroup")
    assert every.count("/below") >= 1
    for path, reason in (("..", "bad sub cgroup path"), ("a/../..", "bad sub cgroup path"), ("nothere", "nothere"),
                         ("pids:nothere", "nothere" if version_1 else "unknown controller"),
                         ("what:below", "unknown controller")):  # fmt: skip
        done = bundle.call("exec", "--cgroup", path, bundle.id, "/bin/true")
        assert (done.returncode, reason in done.stderr) == (255, True), (path, done.stderr)


def test_exec_enters_a_group_of_version_2_and_no_other(bundle: Bundle) -> None:
    bundle.args("/bin/sleep", "100").start()
    if " cgroup2 " not in Path("/proc/self/mounts").read_text():
        pytest.skip("no version 2 hierarchy is mounted")
    (bundle.group("unified") / "below").mkdir()
    for options, end in (([], ""), (["--cgroup", "below"], "/below")):
        found = bundle.succeed("exec", *options, bundle.id, "/bin/cat", "/proc/self/cgroup").splitlines()
        (line,) = (line for line in found if line.startswith("0::"))
        assert line.endswith(f"{end or '/'}"), line


def test_exec_into_a_paused_container_waits_only_if_told_to(bundle: Bundle) -> None:
    bundle.args("/bin/sleep", "100").start()
    bundle.succeed("pause", bundle.id)
    assert bundle.call("exec", bundle.id, "/bin/true").returncode == 255
    command = [*COMMAND, "--root", str(bundle.root), "exec", "--ignore-paused", bundle.id, "/bin/sh", "-c", "exit 6"]
    with subprocess.Popen(command, stdin=subprocess.DEVNULL) as waiting:
        with pytest.raises(subprocess.TimeoutExpired):
            waiting.wait(0.7)
        bundle.succeed("resume", bundle.id)
        assert waiting.wait(60) == 6


def test_exec_leaves_no_process_whose_pid_file_can_not_be_written(bundle: Bundle) -> None:
    bundle.args("/bin/sleep", "100").start()
    place = str(bundle.directory / "nothere" / "p")
    for options in ((), ("--detach",)):
        done = bundle.call("exec", *options, "--pid-file", place, bundle.id, "/bin/sleep", "77")
        assert done.returncode == 255 and done.stderr.startswith(f"--pid-file: {place}: No such file")
        assert json.loads(bundle.succeed("ps", "--format", "json", bundle.id)) == [bundle.pid()]


@pytest.mark.parametrize(
    ("content", "why"),
    [
        ("{", "is not JSON"),
        ("[]", "must be an object"),
        ('{"args": ["/bin/true"]}', "process.cwd: is missing"),
        ('{"args": [], "cwd": "/"}', "process.args: must name a program"),
    ],
)
def test_what_is_wrong_with_a_process_file_is_told_with_its_name(bundle: Bundle, content: str, why: str) -> None:
    file = bundle.directory / "process.json"
    file.write_text(content)
    bundle.args("/bin/sleep", "100").start()
    done = bundle.call("exec", "--process", str(file), bundle.id)
    assert (done.returncode, done.stderr.startswith(f"{file}: {why}")) == (255, True), done.stderr
