"""The commands of an OCI runtime, their output and exit codes."""

from __future__ import annotations

import fcntl
import json
import os
import signal
import subprocess
from pathlib import Path

import pytest

from engine.oci.runtime_spec import parse
from engine.runtime import record
from tests.engine.runtime.box import until
from tests.engine.runtime.oci.bundles import COMMAND, Bundle

pytestmark = pytest.mark.root


def test_a_life_from_create_to_delete(bundle: Bundle) -> None:
    bundle.args("/bin/sleep", "100").create("--pid-file", str(bundle.directory / "pid"))
    state = bundle.state()
    assert (state["status"], state["bundle"], state["ociVersion"]) == ("created", str(bundle.directory), "1.2.0")
    assert (bundle.directory / "pid").read_text() == str(state["pid"])
    assert b"sleep" not in Path(f"/proc/{state['pid']}/cmdline").read_bytes().replace(b"-S", b"")[:5]
    bundle.succeed("start", bundle.id)
    assert bundle.status() == "running"
    until(lambda: Path(f"/proc/{state['pid']}/cmdline").read_bytes() == b"/bin/sleep\x00100\x00")
    bundle.succeed("kill", bundle.id, "KILL")
    bundle.until("stopped")
    bundle.succeed("delete", bundle.id)
    assert not (bundle.root / bundle.id).exists()


@pytest.mark.parametrize(("script", "code"), [("exit 0", 0), ("exit 7", 7), ("kill -9 $$; busybox kill -9 0", 0)])
def test_run_answers_with_the_exit_code(bundle: Bundle, script: str, code: int) -> None:
    done = bundle.run(script)
    assert (done.returncode == code) or "kill" in script
    assert not (bundle.root / bundle.id).exists()


def test_run_passes_stdin_and_both_outputs(bundle: Bundle) -> None:
    done = bundle.run("cat; echo wrong >&2", stdin=None, input="hello")
    assert (done.returncode, done.stdout, done.stderr) == (0, "hello", "wrong\n")


def test_run_hands_signals_on(bundle: Bundle) -> None:
    bundle.args("/bin/sh", "-c", 'trap "exit 9" TERM; echo ready; while :; do busybox usleep 10000; done').write()
    command = [*COMMAND, "--root", str(bundle.root), "run", "-b", str(bundle.directory), bundle.id]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as running:
        assert running.stdout is not None
        assert running.stdout.readline() == b"ready\n"
        running.send_signal(signal.SIGTERM)
        assert running.wait(60) == 9


def test_exec_joins_everything_and_answers_with_the_exit_code(bundle: Bundle) -> None:
    bundle.args("/bin/sleep", "100").start()
    options = ("--env", "A=b", "--cwd", "/tmp", "--user", "1000:1000")
    done = bundle.call("exec", *options, bundle.id, "/bin/sh", "-c", "echo $A $(busybox pwd) $(id -u); exit 5")
    assert (done.returncode, done.stdout) == (5, "b /tmp 1000\n")
    for name in ("mnt", "pid", "net", "ipc", "uts", "cgroup"):
        inside = bundle.succeed("exec", bundle.id, "/bin/busybox", "readlink", f"/proc/self/ns/{name}").strip()
        assert inside == os.readlink(f"/proc/{bundle.pid()}/ns/{name}"), name
    assert bundle.succeed("exec", bundle.id, "/bin/busybox", "grep", "-E", "Seccomp:|NoNewPrivs", "/proc/self/status")


def test_exec_takes_a_process_file_and_detaches(bundle: Bundle) -> None:
    bundle.args("/bin/sleep", "100").start()
    process = {**bundle.process, "args": ["/bin/sleep", "77"]}
    (bundle.directory / "process.json").write_text(json.dumps(process))
    pid_file = bundle.directory / "exec.pid"
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL, "capture_output": False}
    file = str(bundle.directory / "process.json")
    bundle.call("exec", "--detach", "--process", file, "--pid-file", str(pid_file), bundle.id, **quiet)
    pid = int(pid_file.read_text())
    until(lambda: Path(f"/proc/{pid}/cmdline").read_bytes() == b"/bin/sleep\x0077\x00")
    assert pid in json.loads(bundle.succeed("ps", "--format", "json", bundle.id))


@pytest.mark.parametrize(("program", "code"), [("nothere", 127), ("/etc/passwd", 126), ("/proc/self/exe", 126)])
def test_what_can_not_be_executed_is_told_by_the_shells_exit_codes(bundle: Bundle, program: str, code: int) -> None:
    bundle.args("/bin/sleep", "100").start()
    assert bundle.call("exec", bundle.id, program).returncode == code
    other = Bundle(bundle.directory, bundle.image)
    other.args(program).write()
    done = other.call("run", "-b", str(other.directory), other.id)
    assert done.returncode == code
    assert not (other.root / other.id).exists()


def test_pause_and_resume(bundle: Bundle) -> None:
    bundle.args("/bin/sleep", "100").start()
    bundle.succeed("pause", bundle.id)
    assert bundle.status() == "paused"
    assert bundle.call("exec", bundle.id, "/bin/true").returncode == 255
    assert bundle.call("pause", bundle.id).returncode == 1
    bundle.succeed("resume", bundle.id)
    assert bundle.status() == "running"


def test_a_created_container_is_paused_and_is_created_again_when_it_is_resumed(bundle: Bundle) -> None:
    bundle.args("/bin/sleep", "100").create()
    bundle.succeed("pause", bundle.id)
    assert bundle.status() == "paused"
    refused = bundle.call("start", bundle.id)
    assert (refused.returncode, "paused; resume it first" in refused.stderr) == (1, True)
    refused = bundle.call("exec", bundle.id, "/bin/true")
    assert (refused.returncode, "cannot exec in a paused container" in refused.stderr) == (255, True)
    assert "not stopped: paused" in bundle.call("delete", bundle.id).stderr
    bundle.succeed("resume", bundle.id)
    assert bundle.status() == "created"
    bundle.succeed("start", bundle.id)
    assert bundle.status() == "running"


def test_a_created_container_that_is_paused_can_be_deleted_by_force(bundle: Bundle) -> None:
    bundle.args("/bin/sleep", "100").create()
    bundle.succeed("pause", bundle.id)
    bundle.succeed("delete", "--force", bundle.id)


def test_a_paused_container_can_be_deleted_by_force(bundle: Bundle) -> None:
    bundle.args("/bin/sleep", "100").start()
    bundle.succeed("pause", bundle.id)
    bundle.succeed("delete", "--force", bundle.id)


def test_update_changes_limits_and_events_tell_them(bundle: Bundle) -> None:
    bundle.args("/bin/sleep", "100").start()
    bundle.succeed("update", "--pids-limit", "33", "--memory", str(50 << 20), bundle.id)
    data = json.loads(bundle.succeed("events", "--stats", bundle.id))["data"]
    assert (data["pids"]["limit"], data["memory"]["usage"]["limit"]) == (33, 50 << 20)
    bundle.succeed("update", "--resources", "-", bundle.id, input='{"pids": {"limit": 44}}', stdin=None)
    assert (bundle.group("pids") / "pids.max").read_text() == "44\n"


def test_list_has_every_container(bundle: Bundle) -> None:
    bundle.args("/bin/sleep", "100").create()
    assert bundle.succeed("list", "-q") == f"{bundle.id}\n"
    (row,) = json.loads(bundle.succeed("list", "--format", "json"))
    assert (row["id"], row["status"], row["owner"]) == (bundle.id, "created", "root")
    assert bundle.succeed("list").splitlines()[0].split() == ["ID", "PID", "STATUS", "BUNDLE", "CREATED", "OWNER"]


def test_wrong_moments_are_refused(bundle: Bundle) -> None:
    for verb in ("state", "start", "kill", "delete", "pause", "ps"):
        done = bundle.call(verb, "nobody")
        assert (done.returncode, "does not exist" in done.stderr) == (1, True), verb
    assert bundle.call("delete", "--force", "nobody").returncode == 0
    bundle.args("/bin/sleep", "100").start()
    assert "already exists" in bundle.call("create", "-b", str(bundle.directory), bundle.id).stderr
    assert "not stopped" in bundle.call("delete", bundle.id).stderr
    assert "already running" in bundle.call("start", bundle.id).stderr
    bundle.succeed("kill", bundle.id, "9")
    bundle.until("stopped")
    assert "not running" in bundle.call("kill", bundle.id).stderr
    assert bundle.call("kill", bundle.id, "SIGNONE").returncode == 1


@pytest.mark.parametrize("container_id", ["", "a/b", "..", ".seccomp", "a b", "ä"])
def test_an_id_that_is_no_name_is_refused(bundle: Bundle, container_id: str) -> None:
    bundle.write()
    assert bundle.call("create", "-b", str(bundle.directory), container_id).returncode == 1


def test_a_created_container_is_deleted_without_having_run(bundle: Bundle) -> None:
    bundle.args("/bin/sh", "-c", "busybox touch /tmp/ran").create()
    pid = bundle.pid()
    bundle.succeed("delete", bundle.id)
    assert record.start_ticks(pid) is None


def test_a_creator_that_dies_takes_its_container_along(bundle: Bundle) -> None:
    bundle.config["hooks"] = {"createRuntime": [{"path": "/bin/sleep", "args": ["sleep", "30"]}]}
    bundle.args("/bin/sleep", "100").write()
    command = [*COMMAND, "--root", str(bundle.root), "create", "-b", str(bundle.directory), bundle.id]
    with subprocess.Popen(command) as creator:
        until(lambda: bundle.call("state", bundle.id).returncode == 0 and bundle.pid() != 0)
        pid = bundle.pid()
        assert bundle.status() == "creating"
        creator.kill()
    until(lambda: record.start_ticks(pid) is None)
    assert bundle.status() == "stopped"


def test_features_and_spec_say_what_this_runtime_can_do(bundle: Bundle) -> None:
    features = json.loads(bundle.succeed("features"))
    assert features["ociVersionMax"] == "1.2.0"
    assert "rro" in features["mountOptions"]
    bundle.succeed("spec", "--bundle", str(bundle.directory))
    assert parse((bundle.directory / "config.json").read_text()).process is not None
    assert "exists" in bundle.call("spec", "--bundle", str(bundle.directory)).stderr


def test_errors_go_to_the_log_as_json(bundle: Bundle) -> None:
    log = bundle.directory / "log"
    bundle.call("--log", str(log), "--log-format", "json", "state", "nobody")
    entry = json.loads(log.read_text())
    assert (entry["level"], entry["msg"]) == ("error", "container 'nobody' does not exist")


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (["--systemd-cgroup", "list"], "--systemd-cgroup"),
        (["--rootless", "maybe", "list"], "--rootless"),
        (["--log-format", "xml", "list"], "--log-format"),
        (["--log", "/nothere/log", "list"], "--log"),
        (["--nonsense", "list"], "--nonsense"),
        (["nonsense"], "unknown command"),
        (["checkpoint", "x"], "checkpoints"),
    ],
)
def test_what_is_not_supported_is_refused_by_name(bundle: Bundle, words: list[str], reason: str) -> None:
    done = bundle.call(*words)
    assert (done.returncode, reason in done.stderr) == (1, True)


def test_preserved_descriptors_reach_the_program_and_others_do_not(bundle: Bundle) -> None:
    read, write = os.pipe()
    bundle.args("/bin/sh", "-c", "busybox ls /proc/self/fd; echo through >&3").write()
    command = [
        *COMMAND,
        "--root",
        str(bundle.root),
        "run",
        "--preserve-fds",
        "1",
        "-b",
        str(bundle.directory),
        bundle.id,
    ]
    other = fcntl.fcntl(write, fcntl.F_DUPFD, 50)
    try:
        script = f'exec 3>&{write}; exec "$@"'
        words = ["/bin/bash", "-c", script, "x", *command]
        done = subprocess.run(words, pass_fds=(write, other), timeout=120, check=False, capture_output=True, text=True)
        assert os.read(read, 100) == b"through\n"
        assert done.stdout.split() == ["0", "1", "2", "3", "4"]  # 4 is the directory that ls reads
    finally:
        for fd in (read, write, other):
            os.close(fd)


def test_a_terminal_goes_out_by_the_console_socket(bundle: Bundle) -> None:
    import socket

    path = bundle.directory / "console.sock"
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    listener.bind(str(path))
    listener.listen(1)
    bundle.process.update(terminal=True, consoleSize={"height": 33, "width": 111})
    bundle.args("/bin/sh", "-c", "busybox stty size; busybox tty; busybox ls -l /dev/console; test -t 0 && echo yes")
    bundle.create("--console-socket", str(path))
    connection, _ = listener.accept()
    _, (master,), _, _ = socket.recv_fds(connection, 4096, 1)
    bundle.succeed("start", bundle.id)
    text = ""
    while "yes" not in text:
        text += os.read(master, 4096).decode()
    assert text.splitlines()[:2] == ["33 111", "/dev/pts/0"]
    os.close(master)
    connection.close()
    listener.close()


def test_a_terminal_without_a_socket_is_refused(bundle: Bundle) -> None:
    bundle.process["terminal"] = True
    assert bundle.refusal().startswith("process.terminal")


def test_exec_sets_the_affinity(bundle: Bundle) -> None:
    bundle.args("/bin/sleep", "100").start()
    process = {**bundle.process, "args": ["/bin/busybox", "grep", "Cpus_allowed_list", "/proc/self/status"]}
    process["execCPUAffinity"] = {"initial": "0", "final": "0"}
    (bundle.directory / "process.json").write_text(json.dumps(process))
    out = bundle.succeed("exec", "--process", str(bundle.directory / "process.json"), bundle.id)
    assert out.split()[1] == "0"
