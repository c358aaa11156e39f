"""What runc's own tests found (docs/conformance.md, "Judged by others"), told in ours."""

from __future__ import annotations

import json
import os
import subprocess
import threading
from pathlib import Path

import pytest

from engine.oci.runtime_linux import Linux
from engine.runtime import capabilities
from engine.runtime.oci import grantable, namespaces, updating
from engine.runtime.oci.groups.tree import Tree
from tests.engine.runtime.box import until
from tests.engine.runtime.oci.bundles import Bundle
from tests.engine.runtime.test_room import sub_group

pytestmark = pytest.mark.root


def test_exec_reads_its_process_from_a_pipe(bundle: Bundle) -> None:
    """As of a shell's <(…): descriptors that nobody asked to keep are closed, but not before they were read."""
    bundle.args("/bin/sleep", "100").start()
    process = {"args": ["/bin/busybox", "echo", "from a pipe"], "cwd": "/", "env": ["PATH=/bin"]}
    read, write = os.pipe()
    writer = threading.Thread(target=_write, args=(write, json.dumps(process).encode()))
    writer.start()
    out = bundle.succeed("exec", "--process", f"/dev/fd/{read}", bundle.id, pass_fds=[read])
    writer.join()
    os.close(read)
    assert out == "from a pipe\n"


def _write(fd: int, data: bytes) -> None:
    os.write(fd, data)
    os.close(fd)


def test_a_group_that_is_frozen_already_is_refused(bundle: Bundle) -> None:
    """A first process in it would never say that it is there, and create would wait for ever."""
    group = Tree.of(bundle.id)
    directory = Path(group.unified or group.v1["freezer"])
    directory.mkdir()
    try:
        group.freeze(True)
        bundle.write()
        done = bundle.call("create", "--bundle", str(bundle.directory), bundle.id)
        assert done.returncode == 1 and "frozen" in done.stderr, done.stderr
        assert not (bundle.root / bundle.id).exists()
    finally:
        group.freeze(False)
        directory.rmdir()


def test_a_waiting_process_holds_no_control_group(bundle: Bundle) -> None:
    bundle.args("/bin/sleep", "100").create()
    held = f"/proc/{bundle.pid()}/fd"
    assert [name for name in os.listdir(held) if "cgroup" in os.readlink(f"{held}/{name}")] == []


def test_capabilities_that_can_not_be_granted_are_left_out_with_a_warning(bundle: Bundle) -> None:
    sets = bundle.process["capabilities"]
    sets.update({"inheritable": ["CAP_KILL"], "ambient": ["CAP_KILL", "CAP_CHOWN"]})
    sets["bounding"] += ["CAP_UNKNOWN", "UNKNOWN_CAP"]
    done = bundle.run("busybox grep ^Cap /proc/self/status")
    assert done.returncode == 0, done.stderr
    found = dict(line.split(":\t") for line in done.stdout.splitlines())
    assert int(found["CapAmb"], 16) == capabilities.mask(["CAP_KILL"])
    told = done.stderr.splitlines()
    assert [line for line in told if "CAP_UNKNOWN" in line and "UNKNOWN_CAP" not in line]
    assert [line for line in told if "UNKNOWN_CAP" in line]
    assert [line for line in told if "can't raise ambient capability CAP_CHOWN: " in line]
    assert len(told) == 3


def test_what_the_caller_itself_has_not_is_left_out_of_every_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(grantable, "_bounding", lambda: capabilities.mask(["CAP_KILL"]))
    kinds = ("bounding", "effective", "permitted", "inheritable", "ambient")
    process = {"capabilities": {kind: ["CAP_KILL", "CAP_BPF"] for kind in kinds}}
    problems = grantable.sift(process)
    assert process == {"capabilities": {kind: ["CAP_KILL"] for kind in kinds}}
    assert len(problems) == 1 and "CAP_BPF" in problems[0]


@pytest.mark.parametrize("process", [None, 5, {}, {"capabilities": 5}, {"capabilities": {"bounding": [5]}}])
def test_what_is_malformed_is_left_to_be_refused(process: object) -> None:
    before = json.dumps(process)
    assert grantable.sift(process) == []
    assert json.dumps(process) == before


def test_exec_with_a_capability_raises_it_where_there_are_inheritable_ones(bundle: Bundle) -> None:
    bundle.process["capabilities"]["inheritable"] = ["CAP_SYSLOG"]
    bundle.process["capabilities"]["bounding"].append("CAP_SYSLOG")
    bundle.args("/bin/sleep", "100").start()
    out = bundle.succeed(
        "exec", "--cap", "CAP_SYSLOG", bundle.id, "/bin/busybox", "grep", "CapAmb", "/proc/self/status"
    )
    assert int(out.split()[1], 16) == capabilities.mask(["CAP_SYSLOG"])


@pytest.mark.skipif(len(os.sched_getaffinity(0)) < 2, reason="needs two processors")
def test_a_callers_own_processors_do_not_bind_a_container(bundle: Bundle) -> None:
    mine = os.sched_getaffinity(0)
    show = "busybox grep Cpus_allowed_list: /proc/self/status"
    try:
        os.sched_setaffinity(0, {min(mine)})
        bound = subprocess.run(show.split(), capture_output=True, text=True, check=True).stdout
        assert bundle.sh(show) != bound
        bundle.args("/bin/sleep", "100").start()
        assert bundle.succeed("exec", bundle.id, "/bin/sh", "-c", show) != bound
    finally:
        os.sched_setaffinity(0, mine)


def test_a_failing_hook_says_why_and_one_that_does_well_is_heard(bundle: Bundle) -> None:
    says = {"path": "/bin/sh", "args": ["sh", "-c", "echo all is well >&2"]}
    fails = {"path": "/bin/sh", "args": ["sh", "-c", "echo no such luck >&2; exit 3"]}
    bundle.config["hooks"] = {"createRuntime": [says, fails]}
    why = bundle.args("/bin/sleep", "100").refusal()
    assert why.splitlines() == [
        "all is well", "hooks.createRuntime[1]: /bin/sh ended with exit code 3: no such luck"
    ]  # fmt: skip


def test_hooks_in_the_container_have_its_root_and_its_home(bundle: Bundle, tmp_path: Path) -> None:
    said = tmp_path / "said"
    bundle.config["hooks"] = {
        "createContainer": [{"path": "/bin/sh", "args": ["sh", "-c", f"pwd > {said}; ls >> {said}"]}],
        "startContainer": [{"path": "/bin/sh", "args": ["sh", "-c", "echo home $HOME >&2"]}],
    }
    done = bundle.run("true")
    assert done.returncode == 0, done.stderr
    assert done.stderr == "home /root\n"
    assert "busybox" not in said.read_text() and "bin" in said.read_text().split()


@pytest.mark.parametrize("given", [[], ["HOME="], ["HOME=/other", "HOME="]])
def test_an_empty_home_is_none(bundle: Bundle, given: list[str]) -> None:
    bundle.process["env"] += given
    assert bundle.sh("echo $HOME") == "/root\n"


def test_what_a_terminal_shows_has_plain_line_ends_in_a_pipe(bundle: Bundle) -> None:
    bundle.process["terminal"] = True
    done = bundle.run("echo one; echo two", text=False)
    assert done.stdout == b"one\ntwo\n"
    bundle.args("/bin/sleep", "100")
    bundle.process["terminal"] = False
    bundle.start()
    out = bundle.call("exec", "--tty", bundle.id, "/bin/sh", "-c", "echo three", text=False).stdout
    assert out == b"three\n"


def test_with_debug_it_tells_what_it_does(bundle: Bundle) -> None:
    done = bundle.call("--debug", "list")
    assert "level=debug" in done.stderr and "list" in done.stderr
    assert "level=debug" not in bundle.call("list").stderr


def test_exec_is_held_by_the_limit_of_processes(bundle: Bundle) -> None:
    bundle.linux["resources"] = {"pids": {"limit": 1}}
    bundle.args("/bin/sleep", "100").start()
    done = bundle.call("exec", bundle.id, "/bin/busybox", "true")
    assert done.returncode == 255, done.stderr
    assert "limit of processes" in done.stderr or "Resource temporarily unavailable" in done.stderr


def test_exec_joins_process_1_where_its_group_hands_controllers_down(bundle: Bundle) -> None:
    bundle.args("/bin/sleep", "100").start()
    unified = Tree.of(bundle.id).unified
    if unified is None:
        pytest.skip("this machine has no control groups of version 2")
    below = sub_group(Path(unified), bundle.pid())
    out = bundle.succeed("exec", bundle.id, "/bin/busybox", "grep", "^0::", "/proc/self/cgroup")
    assert out.rstrip().endswith("/init.scope")
    assert (below / "cgroup.procs").read_text().split() == [str(bundle.pid())]


@pytest.mark.parametrize(
    ("text", "value"),
    [("50M", 50 << 20), ("1gb", 1 << 30), ("2KiB", 2048), ("7b", 7), ("-1", -1), ("7", 7)],
)
def test_sizes_may_have_a_suffix(text: str, value: int) -> None:
    assert updating._number(text, in_bytes=True) == value


@pytest.mark.parametrize("text", ["", "M", "x", "5X", "5MM"])
def test_what_is_no_size_is_none(text: str) -> None:
    with pytest.raises(ValueError):
        updating._number(text, in_bytes=True)


def test_an_option_behind_the_name_is_not_passed_over(bundle: Bundle) -> None:
    bundle.args("/bin/sleep", "100").start()
    bundle.succeed("update", bundle.id, "--pids-limit", "33", "--memory", "50M")
    assert (bundle.group("pids") / "pids.max").read_text() == "33\n"
    done = bundle.call("update", bundle.id, "--nothing-of-that-name", "33")
    assert done.returncode == 1 and "--nothing-of-that-name" in done.stderr
    assert bundle.succeed("exec", bundle.id, "/bin/busybox", "echo", "--cwd", "/") == "--cwd /\n"


def test_a_path_that_is_masked_twice_is_masked_once(bundle: Bundle) -> None:
    bundle.linux["maskedPaths"] = ["/proc/uptime", "/proc/uptime"]
    assert bundle.sh("busybox grep -c ' /proc/uptime ' /proc/self/mountinfo") == "1\n"


def test_what_outlives_the_first_process_can_be_killed(bundle: Bundle) -> None:
    """Without a process namespace of their own nobody ends the others."""
    bundle.linux["namespaces"] = [each for each in bundle.linux["namespaces"] if each["type"] != "pid"]
    bundle.config["mounts"] = [each for each in bundle.config["mounts"] if each["type"] != "proc"]
    bundle.args("/bin/sh", "-c", "busybox sleep 1000 & exit 0").start()
    bundle.until("stopped")
    left = Tree.of(bundle.id).pids()
    assert len(left) == 1
    bundle.succeed("kill", bundle.id, "KILL")
    until(lambda: Tree.of(bundle.id).pids() == [])
    assert bundle.call("kill", bundle.id, "KILL").returncode == 1


@pytest.mark.parametrize("kind", ["network", "user"])
def test_a_namespace_is_joined_where_it_was_bound(bundle: Bundle, tmp_path: Path, kind: str) -> None:
    """As `ip netns` and podman keep them in /run/netns; such a file's name doesn't tell what it is."""
    name = {"network": "net", "user": "user"}[kind]
    place = tmp_path / "kept"
    place.touch()
    holder = subprocess.Popen(["unshare", f"--{name}", "sleep", "1000"])
    try:
        until(lambda: os.readlink(f"/proc/{holder.pid}/ns/{name}") != os.readlink(f"/proc/self/ns/{name}"))
        wanted = os.readlink(f"/proc/{holder.pid}/ns/{name}")
        subprocess.run(["mount", "--bind", f"/proc/{holder.pid}/ns/{name}", place], check=True)
    finally:
        holder.kill()
        holder.wait()
    try:
        found = namespaces.open_paths(Linux.read({"namespaces": [{"type": kind, "path": str(place)}]}, "linux"))
        assert [(each, os.stat(fd).st_ino) for each, fd in found] == [(kind, int(wanted.split("[")[1][:-1]))]
        os.close(found[0][1])
        if kind == "network":
            others = [each for each in bundle.linux["namespaces"] if each["type"] != "network"]
            bundle.linux["namespaces"] = [*others, {"type": "network", "path": str(place)}]
            assert bundle.sh("busybox readlink /proc/self/ns/net") == f"{wanted}\n"
            bundle.linux["namespaces"] = [*others, {"type": "network", "path": str(tmp_path)}]
            assert "is not a network namespace" in bundle.refusal()
    finally:
        subprocess.run(["umount", place], check=True)
