"""net_cls and net_prio: machines with a kernel that has them often leave them unmounted, so they are mounted here.

In a mount namespace that ends with the runtime. The kernel drops a hierarchy with its last mount, unless a group that
was removed is still on its way out (cgroup_kill_sb); then with that of the next mount.
"""

from __future__ import annotations

import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from engine.runtime.oci.groups.tree import hierarchies
from tests.engine.runtime.oci.bundles import COMMAND, SECONDS, Bundle

CONTROLLERS = ("net_cls", "net_prio")
PRIVATE = ("unshare", "--mount", "--propagation", "private", "sh", "-c")
MOUNT = 'mount -n -t cgroup -o net_cls,net_prio net "$0" && exec "$@"'


def attached() -> list[int]:
    """The hierarchy of each that is enabled; 0: none of version 1's."""
    lines = (line.split() for line in Path("/proc/cgroups").read_text().splitlines())
    return [int(fields[1]) for fields in lines if fields[0] in CONTROLLERS and fields[3] == "1"]


pytestmark = [
    pytest.mark.root,
    pytest.mark.skipif(
        attached() != [0, 0] or not hierarchies(Path("/proc/self/mountinfo").read_text())[0],
        reason="needs controllers net_cls and net_prio that nobody has mounted, beside others of version 1",
    ),
]


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Path]:
    """Where they are mounted for a moment; nothing of it is left."""
    made = tmp_path / "net_cls,net_prio"
    made.mkdir()
    yield made

    for _ in range(20):
        for _ in range(20):  # it goes a moment after its mount
            if attached() == [0, 0]:
                return
            time.sleep(0.05)
        subprocess.run([*PRIVATE, MOUNT, str(made), "sleep", "0.3"], check=True)
    raise AssertionError(f"a hierarchy is left: {Path('/proc/cgroups').read_text()}")


def run(bundle: Bundle, place: Path, script: str) -> subprocess.CompletedProcess[str]:
    bundle.args("/bin/sh", "-c", script).write()
    command = [*COMMAND, "--root", str(bundle.root), "run", "--bundle", str(bundle.directory), bundle.id]
    private = [*PRIVATE, MOUNT, str(place), *command]
    return subprocess.run(
        private, check=False, capture_output=True, text=True, timeout=SECONDS, stdin=subprocess.DEVNULL
    )


def of_host(bundle: Bundle, network: dict[str, Any]) -> None:
    """The network of the host: names in net_prio.ifpriomap are those of whoever writes and reads."""
    bundle.linux["resources"] = {"network": network}
    bundle.linux["namespaces"] = [one for one in bundle.linux["namespaces"] if one["type"] != "network"]
    for mount in bundle.config["mounts"]:
        if mount["type"] == "sysfs":
            mount.update({"type": "bind", "source": "/sys", "options": ["bind", "ro"]})


def test_class_and_priorities_are_seen_from_inside(bundle: Bundle, place: Path) -> None:
    of_host(bundle, {"classID": 0x100001, "priorities": [{"name": "lo", "priority": 7}]})
    script = "cd /sys/fs/cgroup/*net_cls*; cat net_cls.classid; grep '^lo ' net_prio.ifpriomap; cat /proc/self/cgroup"
    done = run(bundle, place, script)
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert lines[:2] == [str(0x100001), "lo 7"]
    assert any(line.endswith(":net_cls,net_prio:/") for line in lines)


def test_an_interface_that_is_not_there_is_refused_by_its_place(bundle: Bundle, place: Path) -> None:
    of_host(bundle, {"priorities": [{"name": "lo", "priority": 1}, {"name": "no-such", "priority": 2}]})
    done = run(bundle, place, "echo started")
    assert done.returncode == 1 and "started" not in done.stdout
    assert "linux.resources.network.priorities[1]" in done.stderr
