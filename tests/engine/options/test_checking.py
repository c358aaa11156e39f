"""Options in words: what is taken, and which field is blamed for what can't work."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from engine.containers.spec import ContainerSpec
from engine.errors import InvalidArgument
from engine.options import capabilities, checking, devices, loosening, seccomp, security, values
from engine.runtime import capabilities as runtime_capabilities
from worker.contract.commands import CreateContainer

MIB = 1 << 20


def spec(**changes: Any) -> ContainerSpec:
    return ContainerSpec(id="0" * 64, name="web", image="alpine", **changes)


def test_engine_and_contract_have_the_same_options() -> None:
    engine = {field.name: field.default for field in dataclasses.fields(ContainerSpec)}
    contract = {field.name: field.default for field in dataclasses.fields(CreateContainer)}
    admission = {"signed_by", "allowed_images"}  # what the policy says, which nobody asks for
    assert set(engine) - {"id"} == set(contract) - {"container_id", "start", *admission}
    assert all(engine[name] == contract[name] for name in set(engine) & set(contract))
    assert tuple(f"CAP_{name}" for name in capabilities.DEFAULT) == runtime_capabilities.DEFAULT


def test_an_ordinary_request_has_no_problem_and_loosens_nothing() -> None:
    assert list(checking.problems(spec())) == []
    assert (loosening.loosened(spec()), loosening.tightened(spec())) == ([], [])
    assert loosening.needing_a_right(spec()) == []


@pytest.mark.parametrize(
    ("field", "options"),
    [
        ("cap_add", {"cap_add": ("NET_ADMINISTRATOR",)}),
        ("security_opt", {"security_opt": ("no-new-privileges=perhaps",)}),
        ("security_opt", {"security_opt": ("seccomp=profile.json",)}),
        ("security_opt", {"security_opt": ('seccomp={"defaultAction": "SCMP_ACT_SING"}',)}),
        ("security_opt", {"security_opt": ("seccomp={}",)}),
        ("security_opt", {"security_opt": ('seccomp={"defaultAction": "SCMP_ACT_NOTIFY"}',)}),
        ("security_opt", {"security_opt": ("mask=etc",)}),
        ("security_opt", {"security_opt": ("spectre=off",)}),
        ("userns", {"userns": "somebody"}),
        ("runtime", {"runtime": "/usr/bin/runc"}),
        ("devices", {"devices": ("/dev/fuse:/etc/fuse",)}),
        ("devices", {"devices": ("/dev/fuse:/dev/fuse:x",)}),
        ("device_cgroup_rules", {"device_cgroup_rules": ("c 10:229",)}),
        ("group_add", {"group_add": ("a b",)}),
        ("memory_swap", {"memory_swap": 64 * MIB}),
        ("memory_swap", {"memory_bytes": 64 * MIB, "memory_swap": 32 * MIB}),
        ("memory_reservation", {"memory_bytes": 32 * MIB, "memory_reservation": 64 * MIB}),
        ("oom_kill_disable", {"oom_kill_disable": True}),
        ("oom_score_adj", {"oom_score_adj": 2000}),
        ("cpus", {"cpus": 1.0, "cpu_quota": 50_000}),
        ("cpu_period", {"cpu_period": 10}),
        ("cpu_rt_period", {"cpu_rt_period": 10}),
        ("cpu_rt_runtime", {"cpu_rt_runtime": 1_000_001}),
        ("cpu_rt_runtime", {"cpu_rt_runtime": 2001, "cpu_rt_period": 2000}),
        ("cpuset_cpus", {"cpuset_cpus": "3-1"}),
        ("blkio_weight", {"blkio_weight": 5}),
        ("device_write_bps", {"device_write_bps": ("/dev/sda:fast",)}),
        ("ulimits", {"ulimits": ("nofile=10:5",)}),
        ("ulimits", {"ulimits": ("nofile=1", "nofile=2")}),
        ("sysctls", {"sysctls": {"kernel.panic": "1"}}),
        ("sysctls", {"sysctls": {"net.core.somaxconn": "1\n2"}}),
        ("tmpfs", {"tmpfs": ("/proc/x",)}),
        ("tmpfs", {"tmpfs": ("/run:size=lots",)}),
        ("shm_size", {"shm_size": 1}),
        ("stop_signal", {"stop_signal": "PLEASE STOP"}),
        ("stop_signal", {"stop_signal": "SIGNOPE"}),
        ("stop_signal", {"stop_signal": "99"}),
        ("stop_timeout", {"stop_timeout": -2}),
        ("stdin_once", {"stdin_once": True}),
        ("auto_remove", {"auto_remove": True, "restart": "always"}),
        ("domainname", {"domainname": "-"}),
        ("extra_hosts", {"extra_hosts": ("db",)}),
        ("dns", {"dns": ("resolver",)}),
        ("dns_search", {"dns_search": ("a b",)}),
        ("dns_options", {"dns_options": ("",)}),
        ("storage_opt", {"storage_opt": {"size": "10x"}}),
        ("storage_opt", {"storage_opt": {"dm.basesize": "10G"}}),
    ],
)
def test_what_can_not_work_is_refused_by_its_field(field: str, options: dict[str, Any]) -> None:
    assert [name for name, _ in checking.problems(spec(**options))] == [field]


@pytest.mark.parametrize(
    ("read", "text", "meaning"),
    [
        (devices.device, "/dev/fuse", devices.Device("/dev/fuse", "/dev/fuse", "rwm")),
        (devices.device, "/dev/fuse:r", devices.Device("/dev/fuse", "/dev/fuse", "r")),
        (devices.device, "/dev/sda:/dev/xvda", devices.Device("/dev/sda", "/dev/xvda", "rwm")),
        (devices.device, "/dev/sda:/dev/xvda:rw", devices.Device("/dev/sda", "/dev/xvda", "rw")),
        (devices.rule, "b 8:* r", devices.Rule("b", 8, None, "r")),
        (values.ulimit, "nofile=1024:4096", values.Ulimit("RLIMIT_NOFILE", 1024, 4096)),
        (values.ulimit, "memlock=-1", values.Ulimit("RLIMIT_MEMLOCK", values.UNLIMITED, values.UNLIMITED)),
        (values.tmpfs, "/run:size=64m,exec", values.Tmpfs("/run", ("size=64m", "exec"))),
        (values.extra_host, "db:10.0.0.2", ("db", "10.0.0.2")),
        (values.extra_host, "six:fd00::1", ("six", "fd00::1")),
        (values.sysctl, "net/core/somaxconn", "net.core.somaxconn"),
    ],
)
def test_words_are_read_as_docker_reads_them(read: Any, text: str, meaning: object) -> None:
    assert read(text) == meaning


def test_security_options_take_both_signs_and_the_last_counts() -> None:
    found = security.parse(
        ("no-new-privileges", "no-new-privileges:false", "unmask=/proc/a:/proc/b", "seccomp:unconfined")
    )
    assert found == security.Security(no_new_privileges=False, seccomp="unconfined", unmask=("/proc/a", "/proc/b"))
    assert security.keeps_privileges(security.parse(()), privileged=False)
    assert not security.keeps_privileges(security.parse(()), privileged=True)


def test_a_docker_profile_becomes_one_of_the_specification() -> None:
    profile = {
        "defaultAction": "SCMP_ACT_ERRNO",
        "archMap": [{"architecture": "SCMP_ARCH_X86_64", "subArchitectures": ["SCMP_ARCH_X86"]}],
        "syscalls": [
            {"names": ["a"], "action": "SCMP_ACT_ALLOW", "includes": {"caps": ["CAP_BPF"]}},
            {"names": ["b"], "action": "SCMP_ACT_ALLOW", "excludes": {"caps": ["CAP_BPF"]}, "args": []},
            {"names": ["c"], "action": "SCMP_ACT_ALLOW", "includes": {"arches": ["arm64"]}},
            {"names": ["d"], "action": "SCMP_ACT_ALLOW", "includes": {"minKernel": "4.8"}},
            {"name": "e", "action": "SCMP_ACT_ALLOW", "comment": "old"},
        ],
    }

    def names(**here: Any) -> list[str]:
        made = seccomp.for_container(
            profile, **{"capabilities": (), "machine": "x86_64", "kernel": "6.1.0-13-amd64", **here}
        )
        assert made["architectures"] == ["SCMP_ARCH_X86_64", "SCMP_ARCH_X86"]
        assert all(set(rule) <= {"names", "action", "args"} for rule in made["syscalls"])
        return [name for rule in made["syscalls"] for name in rule["names"]]

    assert names() == ["b", "d", "e"]
    assert names(capabilities=("CAP_BPF",)) == ["a", "d", "e"]
    assert names(machine="aarch64", kernel="4.4.0") == ["b", "c", "e"]
    with pytest.raises(InvalidArgument, match=r"syscalls\[0\].includes"):
        seccomp.for_container(
            {"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [{"names": ["a"], "includes": {"moon": "full"}}]},
            capabilities=(), machine="x86_64", kernel="6.1",
        )  # fmt: skip


def test_what_is_loosened_and_tightened_is_said_in_short_words() -> None:
    loose = spec(
        cap_add=("NET_ADMIN",), cap_drop=("CHOWN",), security_opt=("seccomp=unconfined", "no-new-privileges=false"),
        userns="host", runtime="crun", devices=("/dev/fuse",), pids_limit=-1, read_only=True,
    )  # fmt: skip
    assert loosening.loosened(loose) == [
        "user namespace of the host", "seccomp off", "+NET_ADMIN", "device /dev/fuse", "new privileges allowed",
        "processes unlimited", "runtime crun",
    ]  # fmt: skip
    assert loosening.tightened(loose) == ["read-only root", "\N{MINUS SIGN}CHOWN"]
    assert loosening.loosened(spec(privileged=True, userns="host", devices=("/dev/fuse",))) == ["privileged"]
    assert loosening.loosened(spec(cap_add=("ALL",))) == ["+ALL"]
    assert loosening.tightened(spec(cap_drop=("ALL",))) == ["no capabilities"]


@pytest.mark.parametrize(
    ("field", "options"),
    [
        ("privileged", {"privileged": True}),
        ("userns", {"userns": "host"}),
        ("cap_add", {"cap_add": ("SYS_PTRACE",)}),
        ("devices", {"devices": ("/dev/fuse",)}),
        ("device_cgroup_rules", {"device_cgroup_rules": ("a *:* rwm",)}),
        ("security_opt", {"security_opt": ("seccomp=unconfined",)}),
        ("security_opt", {"security_opt": ("systempaths=unconfined",)}),
        ("security_opt", {"security_opt": ("apparmor=unconfined",)}),
        ("security_opt", {"security_opt": ("apparmor=flatpak",)}),
        ("security_opt", {"security_opt": ("apparmor=docker-default",)}),
        ("oom_score_adj", {"oom_score_adj": -1}),
    ],
)
def test_what_reaches_beyond_dockers_defaults_needs_a_right(field: str, options: dict[str, Any]) -> None:
    assert [name for name, _ in loosening.needing_a_right(spec(**options))][:1] == [field]


def test_what_docker_gives_to_everybody_needs_none() -> None:
    ordinary = spec(cap_add=("NET_RAW", "mknod"), security_opt=("no-new-privileges=false",), read_only=True, init=True)
    assert loosening.needing_a_right(ordinary) == []
    assert loosening.needing_a_right(spec(security_opt=("apparmor=portside-default",))) == []


@pytest.mark.parametrize(
    ("privileged", "profile", "loosened", "tightened"),
    [
        (False, "portside-default", [], []),
        (False, "unconfined", ["AppArmor off"], []),
        (False, "flatpak", ["AppArmor profile flatpak"], []),
        (True, "portside-default", ["privileged"], ["AppArmor portside-default"]),
        (True, "unconfined", ["privileged"], []),
        (True, "flatpak", ["privileged"], []),
    ],
)
def test_of_profiles_of_apparmor_ours_alone_is_known_to_confine(
    privileged: bool, profile: str, loosened: list[str], tightened: list[str]
) -> None:
    """Distributions load some that confine nothing."""
    asked = spec(privileged=privileged, security_opt=(f"apparmor={profile}",))
    assert (loosening.loosened(asked), loosening.tightened(asked)) == (loosened, tightened)
