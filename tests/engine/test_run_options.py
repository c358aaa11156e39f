"""The words of `docker run` on the command line: what they become, and what a real container makes of a few."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from engine.__main__ import main, parser
from engine.containers.spec import ContainerSpec, PortMapping
from engine.errors import InvalidArgument, Unsupported
from engine.facade import Engine
from engine.options import refused, variables
from engine.options.typed import seconds, size
from engine.run_command import specification
from engine.run_options import FLAGS, changes
from tests.support.home import Home
from tests.support.processes import eventually


def spec(*words: str) -> ContainerSpec:
    return specification(parser().parse_args(["run", *words]))


def test_every_flag_becomes_its_field(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "env").write_text("A=file\nB= two \nHERE\nGONE\n")
    (tmp_path / "labels").write_text("x=1\nempty\n")
    (tmp_path / "profile.json").write_text('{"defaultAction": "SCMP_ACT_ALLOW"}')
    monkeypatch.setenv("HERE", "ours")
    monkeypatch.delenv("GONE", raising=False)
    words = (
        f"-it --rm -d --name web -h web.example --domainname d -e A=own -e HERE --env-file {tmp_path}/env -l y=2"
        f" --label-file {tmp_path}/labels --annotation a=1 --entrypoint /entry -p 8080:80/udp -P --expose 90"
        " --restart no -m 64m --memory-reservation 32m --memory-swap -1 --memory-swappiness 5"
        " --oom-kill-disable --oom-score-adj 5 --cpus 0.5 -c 10 --cpuset-cpus 0 --cpuset-mems 0 --pids-limit 9"
        " --cpu-rt-runtime 950 --cpu-rt-period 1000"
        " --blkio-weight 10 --blkio-weight-device /dev/sda:10 --device-read-bps /dev/sda:1mb --device-write-iops"
        " /dev/sda:5 --cap-add NET_RAW --cap-drop ALL --device /dev/fuse --device-cgroup-rule x --group-add 5"
        f" --security-opt seccomp={tmp_path}/profile.json --sysctl net.a=1 --ulimit nofile=1 --tmpfs /run --shm-size 1g"
        " --read-only --privileged --init --userns host --network back:ip=10.1.0.2 --net front --network-alias db"
        " --link shop-db:database --ip 10.1.0.3 --ip6 fd00::3 --mac-address 02:00:00:00:00:01 --pid host"
        " --ipc host --uts host --cgroupns host"
        " --runtime crun --add-host a:1.1.1.1 --dns 9.9.9.9 --dns-option x --dns-search y --platform linux/arm64"
        " --pull never --log-driver local --log-opt max-size=1m --storage-opt size=10G"
        " --stop-signal INT --stop-timeout 3 -u app -w /srv"
        " --health-cmd true --health-interval 1m30s --health-timeout 500ms --health-retries 2 --health-start-period 1s"
        " --health-start-interval 2s image sh -c"
    )
    made = spec(*words.split(), "echo hi")
    expected: dict[str, Any] = {
        "name": "web", "hostname": "web.example", "domainname": "d", "image": "image",
        "command": ("sh", "-c", "echo hi"), "entrypoint": ("/entry",),
        "env": {"A": "own", "B": " two ", "HERE": "ours"}, "labels": {"x": "1", "empty": "", "y": "2"},
        "annotations": {"a": "1"}, "ports": (PortMapping(container=80, host=8080, protocol="udp"),),
        "publish_all": True, "expose": ("90",), "memory_bytes": 64 << 20, "memory_reservation": 32 << 20,
        "memory_swap": -1, "memory_swappiness": 5, "oom_kill_disable": True, "oom_score_adj": 5, "cpus": 0.5,
        "cpu_rt_runtime": 950, "cpu_rt_period": 1000,
        "cpu_shares": 10, "cpuset_cpus": "0", "cpuset_mems": "0", "pids_limit": 9, "blkio_weight": 10,
        "blkio_weight_device": ("/dev/sda:10",), "device_read_bps": ("/dev/sda:1048576",),
        "device_write_iops": ("/dev/sda:5",), "cap_add": ("NET_RAW",), "cap_drop": ("ALL",),
        "devices": ("/dev/fuse",), "device_cgroup_rules": ("x",), "group_add": ("5",),
        "security_opt": ('seccomp={"defaultAction": "SCMP_ACT_ALLOW"}',), "sysctls": {"net.a": "1"},
        "ulimits": ("nofile=1",), "tmpfs": ("/run",), "shm_size": 1 << 30, "read_only": True, "privileged": True,
        "init": True, "userns": "host", "network": "back:ip=10.1.0.2", "networks": ("front",),
        "network_alias": ("db",), "link": ("shop-db:database",),
        "ip": "10.1.0.3", "ip6": "fd00::3", "mac_address": "02:00:00:00:00:01",
        "pid": "host", "ipc": "host", "uts": "host",
        "cgroupns": "host", "runtime": "crun", "extra_hosts": ("a:1.1.1.1",), "dns": ("9.9.9.9",),
        "dns_options": ("x",), "dns_search": ("y",), "platform": "linux/arm64", "pull": "never",
        "log_driver": "local", "log_opt": {"max-size": "1m"}, "storage_opt": {"size": "10G"},
        "stop_signal": "INT", "stop_timeout": 3, "user": "app",
        "workdir": "/srv", "tty": True, "stdin_open": True, "auto_remove": True,
        "healthcheck": {"test": ["CMD-SHELL", "true"], "interval_seconds": 90.0, "timeout_seconds": 0.5,
                        "start_period_seconds": 1.0, "start_interval_seconds": 2.0, "retries": 2},
    }  # fmt: skip
    assert {name: getattr(made, name) for name in expected} == expected


def test_ranges_of_ports_are_what_docker_takes_them_for() -> None:
    made = spec("-p", "8000-8001:80-81/udp", "-p", "[::]:9000-9010:90", "-p", "70-71", "image").ports
    assert made == (
        PortMapping(container=80, host=8000, protocol="udp"),
        PortMapping(container=81, host=8001, protocol="udp"),
        PortMapping(container=90, host=9000, host_last=9010, address="::"),
        PortMapping(container=70),
        PortMapping(container=71),
    )
    for wrong in ("80-", "8000-8001:80-83", "9-8:80", "a-b:80"):
        with pytest.raises(InvalidArgument):
            spec("-p", wrong, "image")


def test_what_is_left_out_is_as_usual() -> None:
    made = spec("--no-healthcheck", "image")
    usual = ContainerSpec(id=made.id, name=made.name, image="image", healthcheck={"test": ["NONE"]})
    assert made == usual
    assert spec("--entrypoint", "", "image").entrypoint == ()


def test_an_update_says_what_changes_and_nothing_else() -> None:
    words = ["update", "--memory", "64m", "--cpus", "2", "--pids-limit", "-1", "--restart", "on-failure:3"]
    words += ["--cpu-rt-runtime", "950", "--device-read-bps", "/dev/sda:1m", "a", "b"]
    options = parser().parse_args(words)
    assert options.names == ["a", "b"]
    assert changes(options) == {
        "memory_bytes": 64 << 20, "cpus": 2.0, "pids_limit": -1, "restart": "on-failure", "restart_limit": 3,
        "cpu_rt_runtime": 950, "device_read_bps": ("/dev/sda:1048576",),
    }  # fmt: skip


@pytest.mark.parametrize("name", sorted(refused.REFUSED))
def test_what_is_not_taken_says_why_and_what_to_do(name: str) -> None:
    flag = f"--{name.replace('_', '-')}"
    with pytest.raises(Unsupported, match=f"{flag}: [A-Z].{{20,}}"):
        spec(flag, "value", "image")


def test_help_names_every_flag_that_is_taken(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        parser().parse_args(["run", "--help"])
    shown = capsys.readouterr().out
    assert all(f"--{flag.name}" in shown for flag in FLAGS)
    assert "--gpus" not in shown


def test_sizes_and_times_are_read_as_docker_reads_them() -> None:
    assert [size(text) for text in ("5", "5b", "1k", "2M", "1gb")] == [5, 5, 1024, 2 << 20, 1 << 30]
    assert [seconds(text) for text in ("30s", "1m30s", "1.5h", "500ms")] == [30, 90, 5400, 0.5]
    for wrong in ("many", "5x", ""):
        with pytest.raises(InvalidArgument):
            size(wrong)
    for wrong in ("5", "s", "5 s"):
        with pytest.raises(InvalidArgument):
            seconds(wrong)


def test_files_of_variables_have_dockers_rules() -> None:
    assert variables.read("\ufeffA=1\n \t#no\n\n  B=x y=z \r\nC\nA=2", {"C": "here"}) == {
        "A": "2", "B": "x y=z ", "C": "here",
    }  # fmt: skip
    assert variables.read("C", {}) == {}
    assert variables.read("C") == {"C": ""}
    for text, line in (("A=1\n=2", 2), ("export A=1", 1)):
        with pytest.raises(InvalidArgument, match=f"line {line}"):
            variables.read(text)


def command(home: Home, *words: str) -> subprocess.Popen[bytes]:
    """It heeds Ctrl-C, also where the tests themselves don't (in a shell's background)."""
    environment = {**os.environ, "PORTSIDE_HOME": str(home.path)}
    return subprocess.Popen(
        [sys.executable, "-m", "engine", *words],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # noqa: PLW1509 - nothing else runs there
    )


@pytest.mark.root
@pytest.mark.registry
def test_its_id_is_written_its_streams_are_chosen_and_signals_are_handed_on(
    home: Home, tiny_image: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PORTSIDE_HOME", str(home.path))
    note = tmp_path / "cid"
    script = "trap 'echo caught; exit 5' INT; echo out; echo err >&2; while :; do sleep 0.05; done"
    running = command(
        home, "run", "--rm", "--cidfile", str(note), "-q", "-a", "stdout", tiny_image, "sh", "-c", script
    )  # fmt: skip
    assert running.stdout is not None
    assert running.stdout.readline() == b"out\n"
    assert len(note.read_text()) == 64
    running.send_signal(signal.SIGINT)
    out, err = running.communicate(timeout=120)
    assert (running.returncode, out, err) == (5, b"caught\n", b"")
    assert main(["run", "--cidfile", str(note), tiny_image, "true"]) == 125
    assert "--cidfile" in capfd.readouterr().err
    left = command(home, "run", "--sig-proxy", "false", "--name", "left", tiny_image, "sh", "-c", script)
    assert left.stdout is not None
    assert left.stdout.readline() == b"out\n"
    left.send_signal(signal.SIGINT)
    assert left.wait(120) == 130
    assert main(["exec", "-d", "-e", "WHAT=there", "left", "sh", "-c", "echo $WHAT >/note"]) == 0

    def noted() -> bool:
        main(["exec", "left", "cat", "/note"])
        return capfd.readouterr().out == "there\n"

    eventually(noted, seconds=60, what="the word of a detached exec")
    assert main(["update", "--pids-limit", "77", "left"]) == 0
    assert Engine(home.config).container_get("left").spec.pids_limit == 77
    assert main(["rm", "-f", "left"]) == 0
