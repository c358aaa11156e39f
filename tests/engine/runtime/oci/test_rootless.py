"""Callers that are not root: what they can have, and what is refused to them by its field."""

from __future__ import annotations

import json
import os
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from engine.runtime.oci.groups.tree import hierarchies
from engine.runtime.oci.offering import example
from tests.engine.runtime.box import make_image
from tests.engine.runtime.oci.bundles import COMMAND, PROJECT, SECONDS

UID = 54321
BECOME = ("setpriv", f"--reuid={UID}", f"--regid={UID}", "--clear-groups")
GUEST = ("unshare", "--user", "--map-root-user", "--mount", "--propagation", "unchanged")
pytestmark = pytest.mark.root


class Somebody:
    """A user of the machine with a bundle of their own. `groups`: what is delegated to them in each hierarchy."""

    def __init__(self, place: Path, python: str) -> None:
        self.place, self.root, self.python = place, place / "run", python
        self.groups: list[Path] = []
        self.config = example(rootless=True)
        self.config["process"].update(terminal=False, args=["/bin/sh", "-c", "id -u"])
        self.config["root"]["path"] = str(make_image(place))
        self.config["linux"]["uidMappings"] = [{"containerID": 0, "hostID": 0, "size": 1}]
        self.config["linux"]["gidMappings"] = [{"containerID": 0, "hostID": 0, "size": 1}]

    def delegate(self, name: str) -> None:
        """A group `name` for this user, who lives in `name`/user and puts containers beside it."""
        v1, unified = hierarchies(Path("/proc/self/mountinfo").read_text())
        for point in dict.fromkeys([*v1.values(), *([unified] if unified else [])]):
            given = Path(point) / name
            for made in (given, given / "user"):
                made.mkdir()
                for setting in ("cpuset.cpus", "cpuset.mems"):
                    if (made / setting).exists() and not (made / setting).read_text().strip():
                        (made / setting).write_text((made.parent / setting).read_text())
            for path in (given, *given.glob("cgroup.*"), given / "tasks", given / "user", given / "user/cgroup.procs"):
                if path.exists():
                    os.chown(path, UID, UID)
            self.groups.append(given)
        self.config["linux"]["cgroupsPath"] = f"/{name}/container"

    def call(self, *words: str, before: tuple[str, ...] = GUEST, **how: Any) -> subprocess.CompletedProcess[str]:
        (self.place / "config.json").write_text(json.dumps(self.config))
        enter = 'for d in $GROUPS; do echo $$ >"$d/user/cgroup.procs"; done; exec "$@"'
        runtime = [*BECOME, *before, self.python, *COMMAND[1:], "--root", str(self.root)]
        command = ["sh", "-c", enter, "sh", *runtime, *words]
        environment = {"PATH": os.environ["PATH"], "GROUPS": " ".join(map(str, self.groups))}
        options: dict[str, Any] = {"capture_output": True, "text": True, "stdin": subprocess.DEVNULL, **how}
        return subprocess.run(command, check=False, timeout=SECONDS, cwd=self.place, env=environment, **options)

    def refusal(self, *options: str, before: tuple[str, ...] = GUEST) -> str:
        """Why a container can't be had, and that nothing of it is there."""
        done = self.call(*options, "run", "c", before=before)
        assert done.returncode == 1 and not done.stdout, (done.returncode, done.stdout)
        assert not (self.root / "c").exists()
        assert not any((group / "container").exists() for group in self.groups)
        return done.stderr.strip()


def python_for_all() -> str:
    """A Python that other users of this machine can execute, and that finds the project; skips without one."""
    if subprocess.run([*BECOME, *GUEST, "true"], check=False, capture_output=True).returncode:
        pytest.skip("this machine gives users no user namespaces")
    look = (
        f"import os, sys; sys.exit(sys.version_info < (3, 11) or not os.access({str(PROJECT / 'engine')!r}, os.R_OK))"
    )
    for python in (COMMAND[0], "/usr/bin/python3"):
        if not subprocess.run([*BECOME, *GUEST, python, "-c", look], check=False, capture_output=True).returncode:
            return python
    pytest.skip("Python or the project lies where other users of this machine can't read")


@pytest.fixture
def somebody() -> Iterator[Somebody]:
    with tempfile.TemporaryDirectory(prefix="portside-rootless-") as name:
        place = Path(name)
        place.chmod(0o755)
        (place / "run").mkdir()
        made = Somebody(place, python_for_all())
        for directory in (place, place / "run"):
            os.chown(directory, UID, UID)
        yield made
        for group in made.groups:
            for directory in (group / "container", group / "user", group):
                if directory.exists():
                    directory.rmdir()


@pytest.mark.parametrize("said", [(), ("--rootless", "true"), ("--rootless=auto",), ("--rootless=false",)])
def test_who_can_not_mount_is_told_how_to_be_able_to(somebody: Somebody, said: tuple[str, ...]) -> None:
    somebody.delegate(f"t-rootless-{os.getpid()}")
    complaint = somebody.refusal(*said, before=())
    assert complaint.startswith(
        "root.path: mounting takes CAP_SYS_ADMIN, which this caller has not; run it as root, or"
    )
    assert "unshare --user --map-root-user --mount" in complaint


def test_a_life_in_groups_that_were_delegated(somebody: Somebody) -> None:
    somebody.delegate(f"t-rootless-{os.getpid()}")
    done = somebody.call("run", "c")
    assert (done.returncode, done.stdout, done.stderr) == (0, "0\n", "")
    somebody.config["process"]["args"] = ["/bin/sleep", "100"]
    with (somebody.place / "err").open("w") as err:
        made = somebody.call("run", "--detach", "c", capture_output=False, stdout=subprocess.DEVNULL, stderr=err)
    assert made.returncode == 0, (somebody.place / "err").read_text()
    state = json.loads(somebody.call("state", "c").stdout)
    assert state["status"] == "running"
    assert os.stat(f"/proc/{state['pid']}").st_uid == UID
    assert Path(f"/proc/{state['pid']}/uid_map").read_text().split() == ["0", str(UID), "1"]
    assert somebody.call("kill", "c", "KILL").returncode == 0
    assert somebody.call("delete", "--force", "c").returncode == 0
    assert not any((group / "container").exists() for group in somebody.groups)


def test_groups_that_are_not_the_callers_are_refused_before_anything_is_made(somebody: Somebody) -> None:
    assert somebody.refusal().startswith("linux.cgroupsPath: ")
    somebody.config["linux"]["cgroupsPath"] = "/t-rootless-of-root/c"
    complaint = somebody.refusal("--rootless", "true")
    assert complaint.startswith("linux.cgroupsPath: ")
    assert complaint.endswith("name a group that is delegated to it")


def test_who_lives_outside_of_what_is_delegated_may_put_nobody_there(somebody: Somebody) -> None:
    if hierarchies(Path("/proc/self/mountinfo").read_text())[1] is None:
        pytest.skip("a rule of version 2")
    somebody.delegate(f"t-rootless-{os.getpid()}")
    groups, somebody.groups = somebody.groups, []
    try:
        assert "must live below the one that is delegated" in somebody.refusal()
    finally:
        somebody.groups = groups


def test_a_list_of_devices_takes_the_hosts_rights(somebody: Somebody) -> None:
    somebody.delegate(f"t-rootless-{os.getpid()}")
    somebody.config["linux"]["resources"] = {"devices": [{"allow": False, "access": "rwm"}]}
    assert somebody.refusal().startswith("linux.resources.devices: a list of devices takes the host's rights; leave it")


def test_ids_that_are_not_the_callers_are_refused_by_their_field(somebody: Somebody) -> None:
    somebody.delegate(f"t-rootless-{os.getpid()}")
    somebody.config["linux"]["uidMappings"] = [{"containerID": 0, "hostID": 0, "size": 65536}]
    assert somebody.refusal().startswith("linux.uidMappings")


def test_what_spec_writes_for_a_user_names_no_other(tmp_path: Path) -> None:
    done = subprocess.run([*COMMAND, "spec", "--rootless"], check=True, cwd=tmp_path, capture_output=True)
    assert not done.stderr
    found = json.loads((tmp_path / "config.json").read_text())
    assert found["linux"]["uidMappings"] == [{"containerID": 0, "hostID": os.geteuid(), "size": 1}]
    assert not [option for mount in found["mounts"] for option in mount["options"] if "gid=" in option]
    assert found["linux"]["resources"] == {}


def test_what_spec_writes_for_who_can_not_mount_is_for_root_of_a_user_namespace(somebody: Somebody) -> None:
    done = somebody.call("spec", "--rootless", "--bundle", str(somebody.root), before=())
    assert (done.returncode, done.stderr) == (0, "")
    linux = json.loads((somebody.root / "config.json").read_text())["linux"]
    assert linux["uidMappings"] == linux["gidMappings"] == [{"containerID": 0, "hostID": 0, "size": 1}]


def test_a_root_that_is_somebody_elses_is_named(somebody: Somebody) -> None:
    somebody.delegate(f"t-rootless-{os.getpid()}")
    os.chown(somebody.root, 0, 0)
    somebody.root.chmod(0o711)
    refused = f"--root: {somebody.root}: Permission denied; choose another directory"
    assert somebody.refusal() == refused
    assert somebody.call("list").stderr.strip() == refused


def test_root_of_a_user_namespace_has_the_run_time_directory_of_its_user(somebody: Somebody) -> None:
    line = f"XDG_RUNTIME_DIR={somebody.place}"
    done = somebody.call("--root", "", "--debug", "list", before=(*GUEST, "env", line))
    assert f"root {somebody.place}/portside-runtime" in done.stderr
