"""What a program begins with: descriptors, streams, environment; and a filter that allows only what it needs itself."""

from __future__ import annotations

import json
import os
import subprocess

import pytest

from tests.engine.runtime.oci.bundles import COMMAND, Bundle

pytestmark = pytest.mark.root

NEEDED = (
    "access", "arch_prctl", "brk", "capset", "close", "close_range", "dup2", "execve", "exit", "exit_group", "fcntl",
    "fstat", "getdents64", "getpid", "getppid", "getuid", "ioctl", "mmap", "mprotect", "munmap", "newfstatat", "open",
    "prctl", "pread64", "prlimit64", "read", "readlink", "rt_sigaction", "rt_sigprocmask", "set_robust_list",
    "set_tid_address", "setgroups", "setresgid", "setresuid", "stat", "umask", "uname", "write", "rseq", "lseek",
)  # fmt: skip
"""As a profile of the years before openat2: a shell's own, and what changes a user."""


@pytest.mark.parametrize("no_new_privileges", [True, False])
def test_a_filter_need_not_allow_what_only_the_runtime_calls(bundle: Bundle, no_new_privileges: bool) -> None:
    bundle.process["noNewPrivileges"] = no_new_privileges
    bundle.process["user"] = {"uid": 1000, "gid": 1000}
    bundle.linux["seccomp"] = {
        "defaultAction": "SCMP_ACT_ERRNO",
        "syscalls": [{"names": list(NEEDED), "action": "SCMP_ACT_ALLOW"}],
    }
    assert bundle.sh("echo $HOME") == "/home/ann\n"


def fds(bundle: Bundle, count: str, env: dict[str, str] | None = None) -> list[str]:
    """The descriptors of a program that was started with 3 open; then LISTEN_FDS and LISTEN_PID."""
    bundle.args("/bin/sh", "-c", "busybox ls /proc/$$/fd; echo $LISTEN_FDS $LISTEN_PID").write()
    words = [*COMMAND, "--root", str(bundle.root), "run", *(["--preserve-fds", count] if count else [])]
    script = 'exec 3</dev/null 4>&- 5>&-; exec "$@"'
    done = subprocess.run(
        ["/bin/bash", "-c", script, "x", *words, "-b", str(bundle.directory), bundle.id], check=True, timeout=120,
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True, env={**os.environ, **(env or {})},
    )  # fmt: skip
    return done.stdout.split()


def test_listening_sockets_are_preserved_and_told_to_the_program(bundle: Bundle) -> None:
    found = fds(bundle, "", {"LISTEN_FDS": "1"})
    assert found[-2:] == ["1", "1"]
    assert "3" in found


@pytest.mark.parametrize("count", ["x", "-1", "100000", "9" * 5000])
def test_a_senseless_number_of_descriptors_is_refused(bundle: Bundle, count: str) -> None:
    bundle.args("/bin/sleep", "100").start()
    for verb, rest in (("run", ["-b", str(bundle.directory), "another"]), ("exec", [bundle.id, "/bin/true"])):
        done = bundle.call(verb, f"--preserve-fds={count}", *rest)
        assert done.returncode in (1, 255)
        assert done.stderr.startswith("--preserve-fds")


def test_streams_belong_to_the_programs_user(bundle: Bundle) -> None:
    bundle.process["user"] = {"uid": 1000, "gid": 1001}
    out = bundle.directory / "out"
    with out.open("w") as file:
        bundle.run("echo again >/dev/stderr", capture_output=False, stdout=file, stderr=file)
    assert out.read_text() == "again\n"
    assert (out.stat().st_uid, out.stat().st_gid) == (1000, 1001)
    assert os.stat("/dev/null").st_uid == 0


def test_a_container_without_proc_runs(bundle: Bundle) -> None:
    bundle.config["mounts"] = [mount for mount in bundle.config["mounts"] if mount["type"] not in ("proc", "sysfs")]
    bundle.linux["maskedPaths"] = bundle.linux["readonlyPaths"] = []
    assert bundle.sh("echo fine $HOME").startswith("fine /")


def test_a_working_directory_that_can_not_be_made_is_told_by_its_field(bundle: Bundle) -> None:
    bundle.args("/bin/sleep", "100").start()
    done = bundle.call("exec", "--cwd", "/not/here", bundle.id, "/bin/true")
    assert done.returncode == 255
    assert done.stderr.startswith("process.cwd: chdir to /not/here: No such file or directory")


def test_a_tmpfs_has_the_mode_of_what_it_covers_unless_it_brings_one(bundle: Bundle) -> None:
    for name in ("covered", "own"):
        (bundle.image / name).mkdir(exist_ok=True)
        (bundle.image / name).chmod(0o712)
    bundle.config["mounts"] += [
        {"destination": "/covered", "type": "tmpfs", "options": ["ro"]},
        {"destination": "/own", "type": "tmpfs", "options": ["mode=701"]},
    ]
    assert bundle.sh("busybox stat -c %a /covered /own").split() == ["712", "701"]


def test_changes_of_the_bundle_do_not_reach_a_container_that_is_created(bundle: Bundle) -> None:
    note = bundle.directory / "note"
    hook = {"path": "/bin/sh", "args": ["sh", "-c", f"echo stopped > {note}"], "env": ["PATH=/bin"]}
    bundle.config["hooks"] = {"poststop": [hook]}
    bundle.process["env"].append("A=before")
    bundle.args("/bin/sleep", "100").create()
    kept = bundle.root / bundle.id / "config.json"
    assert kept.stat().st_mode & 0o777 == 0o600
    assert json.loads(kept.read_text()) == bundle.config
    (bundle.directory / "config.json").write_text("{}")
    bundle.succeed("start", bundle.id)
    assert bundle.succeed("exec", bundle.id, "/bin/sh", "-c", "echo $A") == "before\n"
    bundle.succeed("delete", "--force", bundle.id)
    assert note.read_text() == "stopped\n"


def test_another_file_than_config_json_can_be_named(bundle: Bundle) -> None:
    bundle.args("/bin/sh", "-c", "exit 4").write()
    (bundle.directory / "config.json").rename(bundle.directory / "other.json")
    assert bundle.call("run", "--config", "other.json", "-b", str(bundle.directory), bundle.id).returncode == 4


@pytest.mark.parametrize("verb", ["create", "run"])
def test_another_config_may_come_by_a_pipe(bundle: Bundle, verb: str) -> None:
    bundle.args("/bin/sh", "-c", "exit 4")
    read, write = os.pipe()
    os.write(write, json.dumps(bundle.config).encode())
    os.close(write)
    words = (verb, "--config", f"/dev/fd/{read}", "-b", str(bundle.directory), bundle.id)
    streams = {"capture_output": False, "stdout": subprocess.DEVNULL}  # of which a created container has copies
    assert bundle.call(*words, pass_fds=[read], **streams).returncode == {"create": 0, "run": 4}[verb]
    os.close(read)
