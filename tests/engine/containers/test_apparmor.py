"""`portside-default` around containers, on a kernel that has AppArmor: it holds where nothing else does."""

from __future__ import annotations

import os
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest

from engine.containers.record import ContainerRecord
from engine.errors import Unsupported
from engine.runtime.apparmor import host as machine
from engine.runtime.apparmor import loading
from engine.runtime.apparmor.profile import NAME
from engine.runtime.execs import ExecSpec, Stdio
from tests.engine.runtime.execs import read_all
from tests.support.apparmor import needs_apparmor
from tests.support.engine import Host

pytestmark = [pytest.mark.root, pytest.mark.registry, needs_apparmor]

CONFINED, FREE = f"{NAME} (enforce)", "unconfined"
LOOSE: dict[str, Any] = {"cap_add": ("ALL",), "userns": "host"}
NO_WALLS = ("seccomp=unconfined", "systempaths=unconfined", "no-new-privileges=false")
"""Nothing but the profile is left then."""


def label(pid: int | None) -> str:
    return Path(f"/proc/{pid}/attr/current").read_text().strip()


def exec_label(host: Host, container_id: str, **options: Any) -> str:
    read, write = os.pipe()
    spec = ExecSpec(args=("cat", "/proc/self/attr/current"), **options)
    host.engine.container_exec(container_id, spec, Stdio(stdout=write))
    os.close(write)
    return read_all(read).decode().strip()


def output(host: Host, script: str, **options: Any) -> str:
    record = host.run("sh", "-c", f"exec 2>&1; {script}", **options)
    host.ended(record.id)
    return host.log(record.id).decode()


@pytest.mark.parametrize(
    "options", [{}, {"userns": "host"}, {"user": "1000"}, {"init": True}, {"cap_add": ("ALL",)},
                {"security_opt": ("no-new-privileges=false",)}, {"tty": True}, {"read_only": True}]
)  # fmt: skip
def test_containers_and_what_is_executed_in_them_are_confined_unasked(tidy_host: Host, options: dict[str, Any]) -> None:
    record = tidy_host.run("sleep", "100", **options)
    assert label(record.pid) == CONFINED
    assert record.apparmor_profile == record.as_state()["apparmor_profile"] == NAME
    assert exec_label(tidy_host, record.id) == CONFINED
    assert exec_label(tidy_host, record.id, user="1000") == CONFINED
    assert exec_label(tidy_host, record.id, privileged=True) == CONFINED, "as with Docker"
    facts = tidy_host.engine.host_facts()
    assert (facts["apparmor_profile"], facts["apparmor_problem"]) == (NAME, "")


@pytest.mark.parametrize("options", [{"privileged": True}, {"security_opt": ("apparmor=unconfined",)}])
def test_who_asks_for_it_is_not(tidy_host: Host, options: dict[str, Any]) -> None:
    record = tidy_host.run("sleep", "100", **options)
    assert (label(record.pid), record.apparmor_profile) == (FREE, FREE)
    assert exec_label(tidy_host, record.id) == exec_label(tidy_host, record.id, privileged=True) == FREE


ATTACKS = {
    "mount": "mount -t tmpfs none /mnt && echo DONE",
    "bind": "mount --bind /etc /mnt && echo DONE",
    "remount": "mount -o remount,ro /dev/shm && echo DONE",
    "umount": "umount /dev/shm && echo DONE",
    "a setting of the kernel": ": >>/proc/sys/kernel/core_pattern && echo DONE",
    "a setting of memory": ": >>/proc/sys/vm/overcommit_memory && echo DONE",
    "sysrq": ": >>/proc/sysrq-trigger && echo DONE",
    "interrupts": ": >>/proc/irq/default_smp_affinity && echo DONE",
    "kcore": "head -c 1 /proc/kcore >/dev/null && echo DONE",
    "sysfs": ": >>/sys/kernel/mm/transparent_hugepage/enabled && echo DONE",
    "uevent_helper": ": >>/sys/module/nf_tables/uevent && echo DONE",
}  # fmt: skip


def test_it_stands_where_all_other_walls_are_taken_away(tidy_host: Host) -> None:
    """Each succeeds without the profile, and only so: none of it changes anything."""
    script = "mkdir -p /mnt; mount -o remount,rw /sys 2>/dev/null;"
    script += ";".join(f"echo '{name}:' $({attack})" for name, attack in ATTACKS.items())
    loose = output(tidy_host, script, **LOOSE, security_opt=(*NO_WALLS, "apparmor=unconfined"))
    tight = output(tidy_host, script, **LOOSE, security_opt=NO_WALLS)
    done = [line.partition(":")[0] for line in loose.splitlines() if line.endswith(": DONE")]
    assert set(done) == set(ATTACKS), loose
    assert "DONE" not in tight, tight


def test_what_containers_do_all_day_goes_on(tidy_host: Host) -> None:
    script = """set -e
    echo x >/tmp/x; ln -s x /tmp/y; cat /tmp/y; mkfifo /tmp/f; chmod 4755 /tmp/x; chown 1:1 /tmp/x
    echo 7 >/proc/self/oom_score_adj; echo name >/proc/self/comm
    nc -l -p 4000 127.0.0.1 >/tmp/got & sleep 1; echo over | nc 127.0.0.1 4000; wait; cat /tmp/got
    sleep 50 & kill $!; wait $! || echo killed
    cp /bin/busybox /tmp/echo; /tmp/echo executed
    cat /proc/meminfo /proc/1/status /sys/fs/cgroup/*.max >/dev/null 2>&1 || true; ls /sys/class/net"""
    text = output(tidy_host, script)
    assert {"x", "over", "killed", "executed", "lo"} <= set(text.splitlines()), text


def test_signals_come_from_the_host_and_from_beside(tidy_host: Host) -> None:
    script = "trap 'echo got; exit 5' TERM; echo ready; while :; do sleep 0.1; done"
    stopped = tidy_host.run("sh", "-c", script)
    tidy_host.says(stopped.id, b"ready")
    began = time.monotonic()
    assert tidy_host.engine.container_stop(stopped.id, 300).exit_code == 5
    assert time.monotonic() - began < 200
    execed = tidy_host.run("sh", "-c", script)
    tidy_host.says(execed.id, b"ready")
    made = tidy_host.engine.container_exec(execed.id, ExecSpec(args=("sh", "-c", "kill -TERM 1")))
    status = tidy_host.engine.container_exec_wait(execed.id, made.id, 300)
    assert status is not None and status.code in (0, 137)
    assert tidy_host.ended(execed.id).exit_code == 5
    killed = tidy_host.run("sleep", "100")
    tidy_host.engine.container_kill(killed.id)
    assert tidy_host.ended(killed.id).exit_code == 137


def unload() -> None:
    parser = machine.parser()
    assert parser is not None
    words = [parser, "--remove"]
    subprocess.run(words, input=f"profile {NAME} {{ }}".encode(), check=True, capture_output=True)
    assert NAME not in (machine.loaded() or ())


def test_one_that_was_unloaded_is_there_again_at_the_next_start(tidy_host: Host) -> None:
    first = tidy_host.run("sleep", "100")
    unload()
    again = tidy_host.engine.container_restart(first.id, 1)
    assert (label(again.pid), again.apparmor_profile) == (CONFINED, NAME)
    unload()
    assert label(tidy_host.run("sleep", "100").pid) == CONFINED


def test_without_a_parser_containers_start_and_it_is_said_that_they_are_free(
    tidy_host: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert label(tidy_host.run("sleep", "100").pid) == CONFINED
    named = tidy_host.run("sleep", "100", security_opt=(f"apparmor={NAME}",))
    assert (label(named.pid), exec_label(tidy_host, named.id)) == (CONFINED, CONFINED)
    unload()
    monkeypatch.setattr(machine, "PARSERS", ())
    record: ContainerRecord = tidy_host.run("sleep", "100")
    assert (label(record.pid), record.apparmor_profile) == (FREE, FREE)
    assert exec_label(tidy_host, record.id) == FREE
    with pytest.raises(Unsupported, match="there is no apparmor_parser"):
        tidy_host.engine.container_exec(named.id, ExecSpec(args=("true",)))
    with pytest.raises(Unsupported, match="there is no apparmor_parser"):
        tidy_host.engine.container_restart(named.id, 1)
    facts = tidy_host.engine.host_facts()
    assert facts["apparmor_profile"] == ""
    assert facts["apparmor_problem"].startswith("there is no apparmor_parser on this host")
    monkeypatch.undo()
    monkeypatch.setattr(loading, "AGAIN_SECONDS", -1.0)
    assert label(tidy_host.engine.container_restart(record.id, 1).pid) == CONFINED


def test_another_profile_is_taken_where_it_is_loaded_and_refused_elsewhere(tidy_host: Host) -> None:
    parser, name = machine.parser(), "portside-test-other"
    assert parser is not None
    text = f"profile {name} flags=(attach_disconnected,mediate_deleted) {{ file, capability, network, signal, unix, }}"
    subprocess.run([parser, "--skip-cache", "--replace"], input=text.encode(), check=True, capture_output=True)
    try:
        record = tidy_host.run("sleep", "100", security_opt=(f"apparmor={name}",))
        assert (label(record.pid), record.apparmor_profile) == (f"{name} (enforce)", name)
        assert exec_label(tidy_host, record.id) == f"{name} (enforce)"
        with pytest.raises(Unsupported, match="this host has no such profile; load it with apparmor_parser") as caught:
            tidy_host.engine.container_create(tidy_host.spec("true", security_opt=("apparmor=nobody-loaded-it",)))
        assert caught.value.detail["field"] == "security_opt"
        tidy_host.engine.container_remove(record.id, force=True)
    finally:
        subprocess.run([parser, "--remove"], input=text.encode(), check=True, capture_output=True)
