"""Each field of config.json, seen from inside a container."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from engine.runtime import capabilities
from tests.engine.runtime.oci.bundles import Bundle

pytestmark = pytest.mark.root


def status_of(bundle: Bundle, *names: str) -> list[str]:
    lines = dict(line.split(":\t", 1) for line in bundle.sh("cat /proc/self/status").splitlines() if ":\t" in line)
    return [lines[name] for name in names]


def test_user_group_umask_and_supplementary_groups(bundle: Bundle) -> None:
    bundle.process["user"] = {"uid": 1000, "gid": 5, "umask": 0o077, "additionalGids": [77]}
    assert bundle.sh("id -u; id -g; id -G; umask").split() == ["1000", "5", "5", "77", "0077"]


def test_environment_and_working_directory(bundle: Bundle) -> None:
    bundle.process.update(env=["PATH=/bin", "A=1", "A=2"], cwd="/tmp")
    assert bundle.sh("echo $A $HOME; busybox pwd").split() == ["2", "/root", "/tmp"]


def test_the_five_capability_sets(bundle: Bundle) -> None:
    bundle.process["capabilities"] = {
        "bounding": ["CAP_CHOWN", "CAP_KILL", "CAP_SETUID"], "permitted": ["CAP_CHOWN", "CAP_KILL"],
        "effective": ["CAP_KILL"], "inheritable": ["CAP_CHOWN"], "ambient": ["CAP_CHOWN"],
    }  # fmt: skip
    bundle.process.update(user={"uid": 1000, "gid": 1000}, noNewPrivileges=False)

    def mask(*names: str) -> str:
        return f"{capabilities.mask(names):016x}"

    found = status_of(bundle, "CapBnd", "CapPrm", "CapEff", "CapInh", "CapAmb")
    chown = mask("CAP_CHOWN")
    assert found == [mask("CAP_CHOWN", "CAP_KILL", "CAP_SETUID"), chown, chown, chown, chown]


def test_rlimits(bundle: Bundle) -> None:
    bundle.process["rlimits"] = [{"type": "RLIMIT_NOFILE", "soft": 64, "hard": 65},
                                 {"type": "RLIMIT_CORE", "soft": 0, "hard": 0}]  # fmt: skip
    assert bundle.sh("ulimit -Sn; ulimit -Hn; ulimit -c").split() == ["64", "65", "0"]


@pytest.mark.parametrize(("wanted", "found"), [(True, "1"), (False, "0")])
def test_no_new_privileges(bundle: Bundle, wanted: bool, found: str) -> None:
    bundle.process["noNewPrivileges"] = wanted
    assert status_of(bundle, "NoNewPrivs") == [found]


def test_the_oom_score(bundle: Bundle) -> None:
    bundle.process["oomScoreAdj"] = 567
    assert bundle.sh("cat /proc/self/oom_score_adj") == "567\n"


def test_scheduler_and_io_priority(bundle: Bundle) -> None:
    bundle.process.update(scheduler={"policy": "SCHED_BATCH", "nice": 7},
                          ioPriority={"class": "IOPRIO_CLASS_BE", "priority": 6})  # fmt: skip
    fields = bundle.sh("cat /proc/self/stat; busybox ionice -p 1").split()
    assert fields[18] == "7"
    assert fields[40] == "3"
    assert "best-effort: prio 6" in " ".join(fields)


def test_the_personality(bundle: Bundle) -> None:
    bundle.linux["personality"] = {"domain": "LINUX32"}
    assert bundle.sh("busybox uname -m") == ("i686\n" if os.uname().machine == "x86_64" else "armv8l\n")


def test_host_and_domain_name(bundle: Bundle) -> None:
    bundle.config.update(hostname="inside", domainname="example.org")
    assert bundle.sh("busybox hostname; cat /proc/sys/kernel/domainname").split() == ["inside", "example.org"]


def test_namespaces_are_new_or_the_hosts(bundle: Bundle) -> None:
    bundle.linux["namespaces"] = [{"type": "mount"}, {"type": "pid"}]
    bundle.config["hostname"] = ""
    names = ("mnt", "pid", "net", "uts", "ipc", "cgroup")
    found = bundle.sh("; ".join(f"busybox readlink /proc/self/ns/{name}" for name in names)).split()
    own = [os.readlink(f"/proc/self/ns/{name}") for name in names]
    assert [a == b for a, b in zip(found, own, strict=True)] == [False, False, True, True, True, True]


def test_namespaces_are_joined_by_path(bundle: Bundle, tmp_path: Path) -> None:
    other = Bundle(bundle.directory / "other", bundle.image)
    other.directory.mkdir()
    other.args("/bin/sleep", "100").start()
    try:
        pid = other.pid()
        kinds = {"network": "net", "pid": "pid", "ipc": "ipc", "uts": "uts"}
        bundle.linux["namespaces"] = [
            {"type": "mount"}, *({"type": kind, "path": f"/proc/{pid}/ns/{file}"} for kind, file in kinds.items())
        ]  # fmt: skip
        bundle.config["hostname"] = ""
        found = bundle.sh("; ".join(f"busybox readlink /proc/self/ns/{file}" for file in kinds.values())).split()
        assert found == [os.readlink(f"/proc/{pid}/ns/{file}") for file in kinds.values()]
    finally:
        other.remove()


def test_a_time_namespace_with_offsets(bundle: Bundle) -> None:
    bundle.linux["namespaces"].append({"type": "time"})
    bundle.linux["timeOffsets"] = {"boottime": {"secs": 1_000_000}, "monotonic": {"secs": 1000, "nanosecs": 5}}
    host = float(Path("/proc/uptime").read_text().split()[0])
    assert float(bundle.sh("cat /proc/uptime").split()[0]) > host + 999_999
    assert os.readlink("/proc/self/ns/time_for_children") == os.readlink("/proc/self/ns/time")


def test_devices_are_made_with_mode_and_owner_and_allowed_by_resources(bundle: Bundle) -> None:
    bundle.linux["devices"] = [{"type": "c", "path": "/dev/my/zero", "major": 1, "minor": 5, "fileMode": 0o640,
                                "uid": 7, "gid": 8}, {"type": "p", "path": "/dev/fifo"}]  # fmt: skip
    out = bundle.sh("busybox stat -c '%F %a %u %g %t,%T' /dev/my/zero /dev/fifo; busybox head -c 3 /dev/my/zero | wc -c"
                    .replace("| wc", "| busybox wc"))  # fmt: skip
    assert out.splitlines() == ["character special file 640 7 8 1,5", "fifo 666 0 0 0,0", "3"]


def test_devices_outside_of_the_list_can_not_be_opened(bundle: Bundle) -> None:
    bundle.linux["devices"] = [{"type": "c", "path": "/dev/kmsg", "major": 1, "minor": 11}]
    for names in bundle.process["capabilities"].values():
        names.append("CAP_SYSLOG")  # or the kernel's log itself refuses
    assert bundle.run("busybox head -c 1 /dev/kmsg").returncode != 0
    bundle.linux["resources"]["devices"] = [{"allow": True, "type": "c", "major": 1, "minor": 11, "access": "r"}]
    assert bundle.run("exec 3</dev/kmsg").returncode == 0
    assert bundle.run("exec 3>/dev/kmsg").returncode != 0


def test_a_bind_mount_with_its_flags(bundle: Bundle) -> None:
    data = bundle.directory / "data"
    (data / "below").mkdir(parents=True)
    options = ["rbind", "ro", "nosuid", "noexec", "noatime", "nosymfollow"]
    bundle.config["mounts"].append({"destination": "/tmp/data", "type": "bind", "source": "data", "options": options})
    line = bundle.sh("busybox grep ' /tmp/data ' /proc/self/mountinfo").split()
    assert set(line[5].split(",")) >= {"ro", "nosuid", "noexec", "noatime", "nosymfollow"}


@pytest.mark.parametrize(("option", "below"), [("ro", "rw"), ("rro", "ro")])
def test_recursive_flags_hold_below_others_do_not(bundle: Bundle, option: str, below: str) -> None:
    data = bundle.directory / "data"
    (data / "inner").mkdir(parents=True)
    subprocess.run(["mount", "-t", "tmpfs", "none", str(data / "inner")], check=True)
    try:
        bundle.config["mounts"].append(
            {"destination": "/tmp/data", "type": "bind", "source": str(data), "options": ["rbind", option]}
        )
        line = bundle.sh("busybox grep ' /tmp/data/inner ' /proc/self/mountinfo").split()
        assert line[5].split(",")[0] == below
    finally:
        subprocess.run(["umount", str(data / "inner")], check=True)


@pytest.mark.parametrize(("option", "word"), [("rshared", "shared:"), ("private", "-"), ("runbindable", "unbindable")])
def test_the_propagation_of_a_mount(bundle: Bundle, option: str, word: str) -> None:
    (bundle.directory / "data").mkdir()
    bundle.config["mounts"].append(
        {"destination": "/tmp/data", "type": "bind", "source": "data", "options": ["rbind", option]}
    )
    assert bundle.sh("busybox grep ' /tmp/data ' /proc/self/mountinfo").split()[6].startswith(word)


def test_a_tmpfs_with_options_and_what_the_image_has_there(bundle: Bundle) -> None:
    bundle.config["mounts"].append({"destination": "/etc", "type": "tmpfs", "source": "tmpfs",
                                    "options": ["tmpcopyup", "size=64k", "mode=1750", "nodev"]})  # fmt: skip
    assert "root:x:0:0" in bundle.sh("cat /etc/passwd; echo new >/etc/new")
    assert not (bundle.image / "etc" / "new").exists()


def test_an_idmapped_mount_shows_other_owners(bundle: Bundle) -> None:
    data = bundle.directory / "data"
    data.mkdir()
    (data / "file").touch()
    os.chown(data / "file", 5, 6)
    mapping = [{"containerID": 0, "hostID": 1000, "size": 100}]
    mount = {"destination": "/tmp/data", "type": "bind", "source": "data", "options": ["bind", "idmap"]}
    bundle.config["mounts"].append({**mount, "uidMappings": mapping, "gidMappings": mapping})
    assert bundle.sh("busybox stat -c '%u %g' /tmp/data/file").split() == ["1005", "1006"]


@pytest.mark.parametrize(("wanted", "word"), [("shared", "shared:"), ("private", "-"), ("unbindable", "unbindable")])
def test_the_propagation_of_the_root(bundle: Bundle, wanted: str, word: str) -> None:
    bundle.linux["rootfsPropagation"] = wanted
    assert bundle.sh("busybox grep ' / / \\| / rw\\| / ro' /proc/self/mountinfo").split()[6].startswith(word)


@pytest.mark.parametrize(("read_only", "code"), [(True, 1), (False, 0)])
def test_a_read_only_root(bundle: Bundle, read_only: bool, code: int) -> None:
    bundle.config["root"]["readonly"] = read_only
    assert bundle.run("echo x >/written").returncode == code
    (bundle.image / "written").unlink(missing_ok=True)


def test_masked_and_read_only_paths(bundle: Bundle) -> None:
    bundle.linux.update(maskedPaths=["/proc/version", "/etc", "/nothere"], readonlyPaths=["/tmp", "/nothere"])
    bundle.config["root"]["readonly"] = False
    assert bundle.sh("cat /proc/version; busybox ls /etc; ! echo x >/tmp/x") == ""


def test_sysctls(bundle: Bundle) -> None:
    bundle.linux["sysctl"] = {"net.ipv4.ip_unprivileged_port_start": "77", "kernel.shmmni": "99"}
    assert bundle.sh("cat /proc/sys/net/ipv4/ip_unprivileged_port_start /proc/sys/kernel/shmmni").split() == [
        "77",
        "99",
    ]


def test_seccomp_with_conditions_errno_and_flags(bundle: Bundle) -> None:
    bundle.linux["seccomp"] = {
        "defaultAction": "SCMP_ACT_ALLOW", "architectures": ["SCMP_ARCH_X86_64", "SCMP_ARCH_X86"],
        "flags": ["SECCOMP_FILTER_FLAG_LOG", "SECCOMP_FILTER_FLAG_SPEC_ALLOW"],
        "syscalls": [
            {"names": ["mkdir", "mkdirat"], "action": "SCMP_ACT_ERRNO", "errnoRet": 38},
            {"names": ["kill"], "action": "SCMP_ACT_ERRNO", "errnoRet": 1,
             "args": [{"index": 1, "value": 10, "op": "SCMP_CMP_EQ"}]},
        ],
    }  # fmt: skip
    out = bundle.sh("busybox mkdir /tmp/x 2>&1 || true; kill -12 $$ 2>&1 || true; kill -10 $$ 2>&1 || true"
                    .replace("kill -12 $$ 2>&1 || true; ", ""))  # fmt: skip
    assert "not implemented" in out
    assert "not permitted" in out


def test_the_root_is_found_relative_to_the_bundle_and_links_are_followed(bundle: Bundle) -> None:
    (bundle.directory / "rootfs").symlink_to(bundle.image)
    bundle.config["root"]["path"] = "rootfs"
    assert bundle.sh("echo here") == "here\n"


def test_network_devices_move_with_name_and_address(bundle: Bundle) -> None:
    name = f"d{os.getpid() % 100000}"
    subprocess.run(["ip", "link", "add", name, "type", "veth", "peer", "name", f"{name}p"], check=True)
    subprocess.run(["ip", "addr", "add", "10.99.98.97/24", "dev", name], check=True)
    subprocess.run(["ip", "link", "set", name, "up"], check=True)
    try:
        subprocess.run(["ip", "link", "set", f"{name}p", "up"], check=True)
        bundle.linux["netDevices"] = {name: {"name": "moved0"}}
        out = bundle.sh("busybox ip addr show moved0")
        assert "10.99.98.97/24" in out
        assert "UP" in out
    finally:
        subprocess.run(["ip", "link", "del", f"{name}p"], check=False, capture_output=True)


def test_annotations_are_in_the_state(bundle: Bundle) -> None:
    bundle.config["annotations"] = {"org.example": "yes"}
    bundle.args("/bin/sleep", "100").create()
    assert bundle.state()["annotations"] == {"org.example": "yes"}


def test_what_every_container_has_in_dev(bundle: Bundle) -> None:
    out = bundle.sh("busybox ls /dev; busybox readlink /dev/fd; busybox readlink /dev/ptmx").split()
    assert set(out) >= {"null", "zero", "full", "random", "urandom", "tty", "fd", "stdin", "stdout", "stderr",
                        "pts/ptmx", "/proc/self/fd"}  # fmt: skip


def test_a_link_in_the_image_can_not_lead_a_mount_out(bundle: Bundle, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    link = bundle.image / "tmp" / "link"
    link.symlink_to(outside)
    (bundle.directory / "data").mkdir()
    try:
        bundle.config["mounts"].append({"destination": "/tmp/link/x", "type": "bind", "source": "data",
                                        "options": ["bind"]})  # fmt: skip
        bundle.config["root"]["readonly"] = False
        bundle.run("true")
        assert list(outside.iterdir()) == []
    finally:
        link.unlink()
