"""What processes of a container learn from one that joins it, and can do with it, before it is the program."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from engine.runtime import capabilities
from tests.engine.runtime.box import make_image
from tests.engine.runtime.oci import bundles
from tests.engine.runtime.oci.bundles import Bundle

pytestmark = pytest.mark.root

# Reads what it can of every process but 1 and itself, as often as it can.
SPY = r"""
busybox mkdir -p /tmp/seen
while [ ! -e /tmp/over ]; do
  for p in /proc/[0-9]*; do
    [ $p = /proc/1 ] && continue
    [ $p = /proc/$$ ] && continue
    busybox cat $p/environ $p/status 2>/dev/null >> /tmp/seen/${p#/proc/}
    for l in $p/exe $p/fd/*; do
      t=$(busybox readlink $l 2>/dev/null) && echo "${l#$p/} $t" >> /tmp/seen/${p#/proc/}
    done
  done
done
"""
TRACES = "CAP_SYS_PTRACE"
SECRET = "of-the-host-alone"
UNGUARDED = "from engine.runtime.oci import guarded; guarded.is_watched = lambda *_: False; "


@pytest.fixture
def own_image(bundle: Bundle) -> Path:
    made = make_image(bundle.directory / "rootfs")
    bundle.config["root"] = {"path": "rootfs", "readonly": False}
    return made


def may_trace(bundle: Bundle) -> None:
    for kind in ("bounding", "effective", "permitted"):
        bundle.process["capabilities"][kind].append(TRACES)


def seen(image: Path) -> str:
    return "".join(path.read_bytes().decode(errors="replace") for path in (image / "tmp").glob("seen/*"))


def spied_out(bundle: Bundle, image: Path) -> set[str]:
    """What is the host's of all that the spy saw: a secret, a file (outside of every mount its name is "/"), rights."""
    text = seen(image)
    own = capabilities.mask(bundle.process["capabilities"]["bounding"])
    found = {"secret"} if SECRET in text else set()
    for line in text.splitlines():
        if line.startswith("CapPrm:") and int(line.split()[1], 16) & ~own:
            found.add("rights")
        if line.startswith("fd/") and "/sys/fs/cgroup" in line:
            found.add("files")
        if line == "exe /":
            found.add("exe")
    return found


def exec_under_watch(bundle: Bundle) -> None:
    environment = {**os.environ, "HOST_SECRET": SECRET}
    bundle.succeed("exec", bundle.id, "/bin/busybox", "true", env=environment)


def end(bundle: Bundle, image: Path) -> None:
    (image / "tmp" / "over").touch()
    bundle.until("stopped")


def test_who_may_trace_meets_a_process_that_has_nothing_but_the_containers(bundle: Bundle, own_image: Path) -> None:
    """CVE-2016-9962, with CAP_SYS_PTRACE in the container. Its program file can be seen then, and not be written to."""
    may_trace(bundle)
    bundle.args("/bin/sh", "-c", SPY).start()
    for _ in range(5):
        exec_under_watch(bundle)
    end(bundle, own_image)
    assert seen(own_image)
    assert spied_out(bundle, own_image) <= {"exe"}


def test_without_the_guard_it_would_meet_one_with_the_hosts_rights_and_secrets(
    bundle: Bundle, own_image: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The loose twin: the spy is one."""
    may_trace(bundle)
    bundle.args("/bin/sh", "-c", SPY).start()
    loose = bundles.CODE.replace("from engine", f"{UNGUARDED}from engine", 1)
    monkeypatch.setattr(bundles, "COMMAND", [*bundles.COMMAND[:-1], loose])
    for _ in range(100):
        exec_under_watch(bundle)
        if {"secret", "rights"} <= spied_out(bundle, own_image):
            break
    end(bundle, own_image)
    assert {"secret", "rights"} <= spied_out(bundle, own_image)


def test_who_may_not_trace_sees_nothing_of_it(bundle: Bundle, own_image: Path) -> None:
    bundle.args("/bin/sh", "-c", SPY).start()
    for _ in range(5):
        exec_under_watch(bundle)
    end(bundle, own_image)
    assert seen(own_image)
    assert spied_out(bundle, own_image) <= {"rights"}  # which everybody may know, and nobody here can use


def test_a_guarded_exec_is_as_any_other(bundle: Bundle) -> None:
    may_trace(bundle)
    bundle.linux["seccomp"] = {"defaultAction": "SCMP_ACT_ALLOW", "syscalls": []}
    bundle.process["rlimits"] = [{"type": "RLIMIT_NOFILE", "soft": 77, "hard": 88}]
    bundle.args("/bin/sleep", "100").start()
    script = "busybox id -u; busybox id -G; ulimit -n; busybox pwd"
    script += "; busybox awk '/^(NoNew|Seccomp:)/ {print $2}' /proc/self/status"
    out = bundle.succeed(
        "exec", "--user", "5:6", "--additional-gids", "7", "--cwd", "/tmp", bundle.id, "sh", "-c", script
    )
    assert out.split() == ["5", "6", "7", "77", "/tmp", "1", "2"]
    assert bundle.call("exec", bundle.id, "no-such").returncode == 127
    assert bundle.call("exec", bundle.id, "/etc/passwd").returncode == 126
    assert bundle.call("exec", bundle.id, "sh", "-c", "exit 9").returncode == 9
    terminal = bundle.succeed(
        "exec", "--tty", bundle.id, "sh", "-c", "busybox tty; busybox awk '{print ($5 == $1)}' /proc/self/stat"
    )
    assert terminal.split()[0].startswith("/dev/pts/")
    loose = {
        **bundle.process,
        "args": ["sh", "-c", "busybox grep NoNewPrivs /proc/self/status"],
        "noNewPrivileges": False,
    }
    (bundle.directory / "process.json").write_text(json.dumps(loose))
    out = bundle.succeed("exec", "--process", str(bundle.directory / "process.json"), bundle.id)
    assert out.split() == ["NoNewPrivs:", "0"]


def test_one_who_was_let_in_with_that_right_is_minded_afterwards(bundle: Bundle) -> None:
    """An exec may have more rights than its container, and may live longer than its caller."""
    bundle.args("/bin/sleep", "100").start()
    mark = bundle.root / bundle.id / "exec-may-trace"
    bundle.succeed("exec", bundle.id, "/bin/busybox", "true")
    assert not mark.exists()
    bundle.succeed("exec", "--cap", TRACES, bundle.id, "/bin/busybox", "true")
    assert mark.exists()


@pytest.mark.parametrize("policy", ["SCHED_DEADLINE", "SCHED_OTHER"])
def test_a_schedule_that_no_child_inherits_is_refused(bundle: Bundle, policy: str) -> None:
    may_trace(bundle)
    bundle.args("/bin/sleep", "100").start()
    scheduler = {"policy": policy, "flags": ["SCHED_FLAG_RESET_ON_FORK"]}
    if policy == "SCHED_DEADLINE":
        scheduler.update({"runtime": 1000000, "deadline": 2000000, "period": 2000000})
    (bundle.directory / "process.json").write_text(
        json.dumps({**bundle.process, "args": ["true"], "scheduler": scheduler})
    )
    done = bundle.call("exec", "--process", str(bundle.directory / "process.json"), bundle.id)
    assert done.returncode == 255 and "process.scheduler" in done.stderr and TRACES in done.stderr
