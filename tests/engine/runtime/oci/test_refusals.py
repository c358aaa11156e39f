"""What can't be had here is refused by the field's name, before anything is created."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Any

import pytest

from tests.engine.runtime.oci.bundles import Bundle

pytestmark = pytest.mark.root

NOTIFY = {"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [{"names": ["mount"], "action": "SCMP_ACT_NOTIFY"}]}


def put(document: dict[str, Any], path: str, value: object) -> None:
    *above, last = path.split(".")
    for key in above:
        document = document[key]
    document[last] = value


@pytest.mark.parametrize(
    ("path", "value", "field"),
    [
        ("process.apparmorProfile", "docker-default", "process.apparmorProfile"),
        ("process.selinuxLabel", "a:b:c:d", "process.selinuxLabel"),
        ("linux.mountLabel", "a:b:c:d", "linux.mountLabel"),
        ("linux.intelRdt", {"closID": "x"}, "linux.intelRdt"),
        ("linux.memoryPolicy", {"mode": "MPOL_BIND", "nodes": "0"}, "linux.memoryPolicy"),
        ("mounts", [{"destination": "/.", "type": "tmpfs"}], "mounts[0].destination"),
        ("linux.resources.memory", {"kernel": 50593792}, "linux.resources.memory.kernel"),
        ("linux.seccomp", NOTIFY, "linux.seccomp.syscalls[0].action"),
        ("linux.seccomp", {"defaultAction": "SCMP_ACT_NOTIFY"}, "linux.seccomp.defaultAction"),
        ("linux.seccomp", {"defaultAction": "SCMP_ACT_ALLOW", "listenerPath": "/x"}, "linux.seccomp.listenerPath"),
        ("linux.sysctl", {"kernel.core_pattern": "x"}, "linux.sysctl['kernel.core_pattern']"),
        ("linux.sysctl", {"vm.swappiness": "1"}, "linux.sysctl['vm.swappiness']"),
        ("linux.sysctl", {"net.core.nothere": "1"}, "linux.sysctl['net.core.nothere']"),
        ("linux.sysctl", {"kernel.hostname": "x"}, "linux.sysctl['kernel.hostname']"),
        ("linux.namespaces", [{"type": "pid"}], "hostname"),
        ("linux.namespaces", [{"type": "uts"}], "linux.namespaces"),
        ("linux.namespaces", [{"type": "uts"}, {"type": "mount"}, {"type": "pid", "path": "/nothere"}],
         "linux.namespaces[2].path"),
        ("linux.namespaces", [{"type": "uts"}, {"type": "mount"}, {"type": "pid", "path": "/proc/self/ns/net"}],
         "linux.namespaces[2].path"),
        ("process.rlimits", [{"type": "RLIMIT_NOFILE", "soft": 1, "hard": 1 << 60}], "process.rlimits[0]"),
        ("process.capabilities.bounding", ["CAP_KILL", 5], "process.capabilities.bounding[1]"),
        ("process.cwd", "/etc/passwd", "process.cwd"),
        ("root.path", "nothere", "root.path"),
        ("root.path", "config.json", "root.path"),
        ("mounts", [{"destination": "/tmp", "type": "bind", "source": "nothere"}], "mounts[0].source"),
        ("mounts", [{"destination": "/tmp", "type": "nofs"}], "mounts[0]"),
        ("mounts", [{"destination": "/tmp", "type": "tmpfs", "options": ["nothere"]}], "mounts[0]"),
        ("mounts", [{"destination": "/tmp", "type": "tmpfs", "options": ["remount"]}], "mounts[0].options[0]"),
        ("mounts", [{"destination": "/tmp", "type": "bind", "source": "/", "options": ["size=5"]}],
         "mounts[0].options[0]"),
        ("linux.netDevices", {"nothere0": {}}, "linux.netDevices['nothere0']"),
        ("linux.devices", [{"type": "c", "path": "/etc/passwd", "major": 1, "minor": 3}], "linux.devices[0]"),
        ("ociVersion", "3.0.0", "ociVersion"),
    ],
)  # fmt: skip
def test_it_is_refused_by_its_field_and_nothing_is_left(bundle: Bundle, path: str, value: object, field: str) -> None:
    bundle.args("/bin/true")
    put(bundle.config, path, value)
    assert bundle.refusal().startswith(field)


def test_a_domain_name_may_be_said_twice_but_not_differ(bundle: Bundle) -> None:
    bundle.config["domainname"] = "one"
    bundle.linux["sysctl"] = {"kernel.domainname": "two"}
    assert bundle.args("/bin/true").refusal().startswith("linux.sysctl['kernel.domainname']")
    bundle.linux["sysctl"] = {"kernel.domainname": "one"}
    assert bundle.sh("cat /proc/sys/kernel/domainname") == "one\n"


def test_nothing_is_mounted_over_the_kernels_files(bundle: Bundle) -> None:
    (bundle.directory / "data").write_text("x")
    bundle.config["mounts"].append(
        {"destination": "/proc/version", "type": "bind", "source": "data", "options": ["bind"]}
    )
    assert "leads into /proc" in bundle.args("/bin/true").refusal()


def test_what_lxcfs_covers_may_be_covered(bundle: Bundle) -> None:
    (bundle.directory / "data").write_text("x")
    bundle.config["mounts"].append(
        {"destination": "/proc/meminfo", "type": "bind", "source": "data", "options": ["bind"]}
    )
    assert bundle.sh("cat /proc/meminfo") == "x"


def own(setting: str) -> str:
    """What the host has already: were it set after all, nothing would change."""
    return Path("/proc/sys", setting.replace(".", "/")).read_text().strip()


@pytest.mark.parametrize(
    ("kind", "file", "path", "value", "field"),
    [
        ("network", "net", "linux.sysctl", {"net.ipv4.ip_forward": own("net.ipv4.ip_forward")},
         "linux.sysctl['net.ipv4.ip_forward']"),
        ("ipc", "ipc", "linux.sysctl", {"kernel.shmmni": own("kernel.shmmni")}, "linux.sysctl['kernel.shmmni']"),
        ("uts", "uts", "linux.sysctl", {"kernel.domainname": own("kernel.domainname")},
         "linux.sysctl['kernel.domainname']"),
        ("uts", "uts", "hostname", os.uname().nodename, "hostname"),
        ("uts", "uts", "domainname", own("kernel.domainname"), "domainname"),
        ("network", "net", "linux.netDevices", {"nothere0": {}}, "linux.netDevices"),
    ],
)  # fmt: skip
def test_what_would_change_the_hosts_namespace_is_refused(
    bundle: Bundle, kind: str, file: str, path: str, value: object, field: str
) -> None:
    bundle.config["hostname"] = ""
    for namespace in bundle.linux["namespaces"]:
        if namespace["type"] == kind:
            namespace["path"] = f"/proc/self/ns/{file}"
    put(bundle.config, path, value)
    assert bundle.args("/bin/true").refusal().startswith(f"{field}: the {kind} namespace in linux.namespaces is the ho")


def test_a_tmpfs_that_is_too_small_for_a_copy_of_the_image_is_refused(bundle: Bundle, tmp_path: Path) -> None:
    root = tmp_path / "rootfs"
    shutil.copytree(bundle.image, root, symlinks=True)
    (root / "data").mkdir()
    (root / "data" / "large").write_bytes(b"x" * 300_000)
    bundle.config["root"]["path"] = str(root)
    mount = {"destination": "/data", "type": "tmpfs", "options": ["tmpcopyup", "size=128k"]}
    bundle.config["mounts"].append(mount)
    field = f"mounts[{len(bundle.config['mounts']) - 1}].options: tmpcopyup"
    assert bundle.args("/bin/true").refusal().startswith(field)
    mount["options"] = ["tmpcopyup", "size=512k"]
    assert bundle.sh("busybox wc -c </data/large").strip() == "300000"


def test_a_fifo_is_no_namespace_and_nobody_waits_for_its_writer(bundle: Bundle) -> None:
    os.mkfifo(bundle.directory / "fifo")
    bundle.linux["namespaces"].append({"type": "time", "path": str(bundle.directory / "fifo")})
    last = len(bundle.linux["namespaces"]) - 1
    assert bundle.args("/bin/true").refusal() == (
        f"linux.namespaces[{last}].path: {bundle.directory}/fifo is not a time namespace"
    )
