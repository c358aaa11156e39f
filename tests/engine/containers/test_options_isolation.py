"""Options that loosen or tighten a container's walls, seen from inside of it."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from engine.errors import EngineError, InvalidArgument, Unsupported
from engine.options.capabilities import DEFAULT
from engine.runtime.capabilities import NAMES
from engine.runtime.seccomp.profile import default_profile
from tests.support.engine import Host

pytestmark = [pytest.mark.root, pytest.mark.registry]

OURS = int(next(line for line in Path("/proc/self/status").read_text().splitlines() if "CapPrm" in line)[7:], 16)
"""Nobody can have more than who starts it."""
STATUS = "grep -E '^(CapEff|CapBnd|NoNewPrivs|Seccomp):' /proc/self/status"


def outputs(host: Host, *wanted: tuple[str, dict[str, Any]]) -> list[str]:
    """What each shell script says with its options; they run side by side."""
    records = [host.run("sh", "-c", f"exec 2>&1; {script}", **options) for script, options in wanted]
    texts = []
    for record in records:
        host.ended(record.id)
        texts.append(host.log(record.id).decode())
    return texts


def status(text: str) -> dict[str, str]:
    return {key: value.strip() for key, _, value in (line.partition(":") for line in text.splitlines())}


def bits(*names: str) -> int:
    return sum(1 << NAMES.index(name) for name in names)


def test_capabilities_are_added_and_dropped_as_docker_takes_their_names(host: Host) -> None:
    texts = outputs(
        host,
        (STATUS, {}),
        (STATUS, {"cap_add": ("net_admin", "CAP_SYS_TIME"), "cap_drop": ("Chown",)}),
        (STATUS, {"cap_drop": ("ALL",), "cap_add": ("cap_kill",)}),
        (STATUS, {"cap_add": ("all",), "cap_drop": ("MKNOD",)}),
        (STATUS, {"cap_drop": ("ALL",)}),
    )
    everything = OURS
    expected = [
        bits(*DEFAULT),
        bits(*DEFAULT, "NET_ADMIN", "SYS_TIME") & ~bits("CHOWN"),
        bits("KILL"),
        everything & ~bits("MKNOD"),
        0,
    ]
    assert [int(status(text)["CapEff"], 16) for text in texts] == expected
    assert [int(status(text)["CapBnd"], 16) for text in texts] == expected


def test_no_new_privileges_and_seccomp_are_on_until_they_are_switched_off(host: Host) -> None:
    texts = outputs(
        host,
        (STATUS, {}),
        (STATUS, {"security_opt": ("no-new-privileges=false",)}),
        (STATUS, {"security_opt": ("no-new-privileges:true", "seccomp=unconfined")}),
    )
    found = [(status(text)["NoNewPrivs"], status(text)["Seccomp"]) for text in texts]
    assert found == [("1", "2"), ("0", "2"), ("1", "0")]


def test_a_seccomp_profile_counts_in_the_specifications_form_and_in_dockers(host: Host) -> None:
    own = default_profile([f"CAP_{name}" for name in DEFAULT])
    rules = [rule for rule in own["syscalls"] if "mkdir" not in rule["names"]]  # type: ignore[attr-defined,index]
    allowed = next(rule for rule in own["syscalls"] if "mkdir" in rule["names"])  # type: ignore[attr-defined,index]
    without = sorted(set(allowed["names"]) - {"mkdir", "mkdirat"})
    oci = {**own, "syscalls": [*rules, {"names": without, "action": "SCMP_ACT_ALLOW"}]}
    conditional = [
        {"names": ["mkdir", "mkdirat"], "action": "SCMP_ACT_ALLOW", "includes": {"caps": ["CAP_NET_ADMIN"]}},
        {"names": ["reboot"], "action": "SCMP_ACT_ALLOW", "includes": {"minKernel": "99.0"}, "comment": "never"},
    ]
    docker = {key: value for key, value in oci.items() if key != "architectures"} | {
        "archMap": [{"architecture": "SCMP_ARCH_X86_64", "subArchitectures": ["SCMP_ARCH_X86", "SCMP_ARCH_X32"]},
                    {"architecture": "SCMP_ARCH_AARCH64", "subArchitectures": ["SCMP_ARCH_ARM"]}],
        "syscalls": [*oci["syscalls"], *conditional],  # type: ignore[misc]
    }  # fmt: skip
    make = "mkdir /tmp/x && echo made"
    texts = outputs(
        host,
        (make, {"security_opt": (f"seccomp={json.dumps(oci)}",)}),
        (make, {"security_opt": (f"seccomp={json.dumps(docker)}",)}),
        (make, {"security_opt": (f"seccomp={json.dumps(docker)}",), "cap_add": ("NET_ADMIN",)}),
    )
    assert ["made" in text for text in texts] == [False, False, True]
    assert "not implemented" in texts[0]


def test_privileged_has_all_capabilities_devices_and_a_writable_kernel(host: Host) -> None:
    script = f"""{STATUS}; ls /dev/null /dev/kmsg >/dev/null && echo kmsg; head -c 1 /dev/zero | wc -c
    mkdir $(ls -d /sys/fs/cgroup/pids /sys/fs/cgroup 2>/dev/null | tail -1)/probe && echo groups
    mount -t tmpfs none /tmp && echo mounted; cat /proc/1/uid_map; wc -c </proc/keys
    awk '$2 == "/proc/sys" || $2 == "/proc/kcore"' /proc/mounts"""
    (text,) = outputs(host, (script, {"privileged": True}))
    found = status(text)
    assert int(found["CapEff"], 16) == OURS
    assert (found["NoNewPrivs"], found["Seccomp"]) == ("0", "0")
    assert {"kmsg", "groups", "mounted"} <= set(text.splitlines())
    assert "0          0 4294967295" in text
    assert "/proc/sys" not in text and "/proc/kcore" not in text


def test_a_read_only_root_keeps_its_tmpfs_writable(host: Host) -> None:
    script = "touch /x; touch /run/y && echo run; touch /tmp/z && echo tmp; grep ' /run ' /proc/mounts"
    script += "; touch /etc/hosts /etc/hostname /etc/resolv.conf"
    (text,) = outputs(host, (script, {"read_only": True, "tmpfs": ("/run:size=64k,mode=755",)}))
    for path in ("/x", "/tmp/z", "/etc/hosts", "/etc/hostname", "/etc/resolv.conf"):
        assert f"{path}: Read-only file system" in text
    assert "run" in text.splitlines() and "tmp" not in text.splitlines()
    mount = next(line for line in text.splitlines() if line.startswith("tmpfs /run"))
    assert {"size=64k", "mode=755", "nosuid", "nodev", "noexec"} <= set(mount.split()[3].split(","))


def test_paths_are_masked_and_unmasked_as_podman_does(host: Host) -> None:
    script = "wc -c </proc/timer_list; [ -w /proc/sysrq-trigger ] && echo w; wc -l </etc/hosts; ls /opt | wc -l"
    touched = "touch /proc/sys/kernel/domainname 2>/dev/null && echo sys"
    normal, unmasked, pattern, masked = outputs(
        host,
        (f"{script}; {touched}", {}),
        (f"{script}; {touched}", {"security_opt": ("systempaths=unconfined", "apparmor=unconfined"), "userns": "host"}),
        (
            f"{script}; {touched}",
            {"security_opt": ("unmask=/proc/timer*:/proc/sys", "apparmor=unconfined"), "userns": "host"},
        ),
        (f"{script}; {touched}", {"security_opt": ("mask=/etc/hosts",)}),
    )
    assert normal.splitlines()[0] == "0" and "sys" not in normal
    assert "sys" in unmasked.splitlines() and "sys" in pattern.splitlines()
    assert masked.splitlines()[1] == "0" and normal.splitlines()[1] != "0"


def a_device() -> tuple[str, str]:
    """Some device that no container has by itself: its path, and `major minor`."""
    path = next(name for name in ("/dev/fuse", "/dev/loop-control", "/dev/kvm", "/dev/tty0") if Path(name).exists())
    numbers = Path(path).stat().st_rdev
    return path, f"{os.major(numbers)} {os.minor(numbers)}"


def test_a_device_is_there_with_the_permissions_it_was_given(host: Host) -> None:
    path, _ = a_device()
    look = "[ -c /dev/own/it ] && echo there; : </dev/own/it && echo read; : >/dev/own/it && echo written"
    given, read_only, without = outputs(
        host,
        (look, {"devices": (f"{path}:/dev/own/it",)}),
        (look, {"devices": (f"{path}:/dev/own/it:r",)}),
        (f"[ -e {path} ] || echo none", {}),
    )
    assert given.split() == ["there", "read", "written"]
    assert read_only.splitlines()[:2] == ["there", "read"] and "written" not in read_only.splitlines()
    assert without == "none\n"


def test_device_rules_allow_what_mknod_makes(host: Host) -> None:
    numbers = a_device()[1]
    rules = (f"c {numbers.replace(' ', ':')} rwm",)
    make = f"mknod /dev/own c {numbers} && : </dev/own && echo open"
    allowed, refused = outputs(
        host,
        (make, {"cap_add": ("MKNOD",), "userns": "host", "device_cgroup_rules": rules}),
        (make, {"cap_add": ("MKNOD",), "userns": "host"}),
    )
    assert "open" in allowed.split() and "open" not in refused.split()


def test_what_this_host_can_not_do_is_refused_by_its_field(host: Host) -> None:
    cases: list[tuple[str, dict[str, Any]]] = [
        ("devices", {"devices": ("/etc/passwd:/dev/passwd",)}),
        ("devices", {"devices": ("/dev/there-is-none",)}),
        ("security_opt", {"security_opt": ("label=type:container_t",)}),
        ("device_read_bps", {"device_read_bps": ("/dev/null:100",)}),
    ]
    enabled = Path("/sys/module/apparmor/parameters/enabled")
    if not enabled.exists() or enabled.read_text().strip() != "Y":
        cases.append(("security_opt", {"security_opt": ("apparmor=docker-default",)}))
    missing = [name for number, name in enumerate(NAMES) if not OURS >> number & 1]
    cases += [("cap_add", {"cap_add": (name,)}) for name in missing[:1]]
    for field, options in cases:
        with pytest.raises(EngineError, match=field) as caught:
            host.engine.container_create(host.spec("true", **options))
        assert isinstance(caught.value, InvalidArgument | Unsupported)
        assert caught.value.detail["field"] == field
    assert host.engine.container_list() == []
