"""A throwaway home of one host, what it leaves in the kernel, and how all of it is taken down.

The look for leaks and the clean-up know only the fixed names of `engine.config` and ask the kernel itself, so
that a fault of the engine can't hide what the engine left.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from engine.config import EngineConfig

CGROUP_ROOT = Path("/sys/fs/cgroup")
# What stands on the command lines of Portside's own processes.
OWN_PARTS = ("webui.up", "worker", "keeper", "launcher", "uvicorn", "manage.py", "valkey-server")


@dataclass(slots=True)
class Leaks:
    """What a home has in the kernel now. Empty lists mean nothing is left behind."""

    mounts: list[str] = field(default_factory=list)
    links: list[str] = field(default_factory=list)
    cgroups: list[str] = field(default_factory=list)
    nft: list[str] = field(default_factory=list)
    processes: list[str] = field(default_factory=list)

    def __bool__(self) -> bool:
        return bool(self.mounts or self.links or self.cgroups or self.nft or self.processes)


class Home:
    """A short path (Unix sockets allow 107 bytes) that is a home for `PORTSIDE_HOME`; `path`: one that is there."""

    def __init__(self, path: Path | None = None) -> None:
        self.path = Path(os.path.realpath(path or tempfile.mkdtemp(prefix="ps-")))
        self.config = EngineConfig(home=self.path)

    def environment(self, **more: str) -> dict[str, str]:
        """The variables for a process of this home; nothing of the test runner's own settings goes along."""
        kept = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("PORTSIDE_", "DJANGO_", "PYTEST_", "COVERAGE_"))
        }
        return kept | {"PORTSIDE_HOME": str(self.path), "PYTHONUNBUFFERED": "1"} | more

    def leaks(self, *container_ids: str) -> Leaks:
        """What containers have left: of these ids, or of any when none are named.

        The bridge, the table's own chains and the empty parent cgroup are the host's and no leak.
        """
        return Leaks(
            mounts=_matching(self.mounts(), container_ids),
            links=self.veths(),
            cgroups=_matching(self.container_cgroups(), container_ids),
            nft=self.nft_elements(),
            processes=self.container_processes(*container_ids),
        )

    def mounts(self) -> list[str]:
        """Mount points under this home that the host sees."""
        lines = Path("/proc/self/mountinfo").read_text().splitlines()
        points = [line.split()[4] for line in lines]
        return [point for point in points if point.startswith(f"{self.path}/")]

    def veths(self) -> list[str]:
        """Links that are plugged into this home's bridge."""
        bridge = Path("/sys/class/net") / self.config.bridge / "brif"
        return sorted(os.listdir(bridge)) if bridge.exists() else []

    def cgroup_parents(self) -> list[Path]:
        candidates = [CGROUP_ROOT, *(path for path in CGROUP_ROOT.iterdir() if path.is_dir() and not path.is_symlink())]
        names = (self.config.cgroup_parent, self.config.build_cgroup)
        return [path for base in candidates for name in names if (path := base / name).is_dir()]

    def container_cgroups(self) -> list[str]:
        found = []
        for parent in self.cgroup_parents():
            found += [str(path) for path in parent.iterdir() if path.is_dir() and path.name != "builds"]
        return sorted(found)

    def nft_elements(self) -> list[str]:
        """Elements of this home's maps and sets, one for each published port."""
        done = subprocess.run(
            ["nft", "-j", "list", "table", "inet", self.config.nft_table], check=False, capture_output=True, text=True
        )
        if done.returncode != 0:
            done = subprocess.run(
                ["nft", "-j", "list", "table", "ip", self.config.nft_table], check=False, capture_output=True, text=True
            )
        if done.returncode != 0:
            return []
        found = []
        for item in json.loads(done.stdout)["nftables"]:
            for kind in ("map", "set"):
                if kind in item:
                    found += [f"{item[kind]['name']}: {element}" for element in item[kind].get("elem", [])]
        return found

    def container_processes(self, *container_ids: str) -> list[str]:
        """Processes in a container's cgroup, and monitors: those that hold a container's directory and no more.

        The worker and the keeper hold log files of containers too; they and the launcher are no leak.
        """
        pids = set()
        for cgroup in _matching(self.container_cgroups(), container_ids):
            for group, _, _ in os.walk(cgroup):  # passes over what a keeper removes just now; rglob raises
                with contextlib.suppress(OSError):
                    pids.update(int(pid) for pid in Path(group, "cgroup.procs").read_text().split())
        for pid in self.own_processes():
            held = [path for path in _open_files(pid) if path.startswith(f"{self.config.containers}/")]
            if _matching(held, container_ids) and not any(part in command_of(pid) for part in OWN_PARTS):
                pids.add(pid)
        return [f"{pid} {command_of(pid)}" for pid in sorted(pids)]

    def own_processes(self) -> list[int]:
        """Every process that has this home in its environment, on its command line or among its open files."""
        wanted, found = f"PORTSIDE_HOME={self.path}\0".encode(), []
        for entry in os.listdir("/proc"):
            if not entry.isdigit() or int(entry) == os.getpid():
                continue
            pid = int(entry)
            with contextlib.suppress(OSError):
                if (
                    str(self.path) in command_of(pid)
                    or wanted in Path(f"/proc/{pid}/environ").read_bytes() + b"\0"
                    or any(path.startswith(f"{self.path}/") for path in _open_files(pid))
                ):
                    found.append(pid)
        return found

    def destroy(self) -> None:
        """Kill what runs from this home and remove all it has in the kernel and on disk."""
        for _ in range(100):
            pids = self.own_processes()
            pids += [int(line.split()[0]) for line in self.container_processes()]
            if not pids:
                break
            for pid in pids:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            self._thaw()
            time.sleep(0.02)
        for point in sorted(self.mounts(), reverse=True):
            subprocess.run(["umount", "-l", point], check=False, capture_output=True)
        for parent in reversed(self.cgroup_parents()):  # that of builds lies in the other
            _remove_cgroup(parent)
        own = self.config.bridge.removesuffix("br0")  # what the devices of all its networks begin with
        for link in (name for name in os.listdir("/sys/class/net") if name.startswith(own)):
            subprocess.run(["ip", "link", "delete", link], check=False, capture_output=True)
        for family in ("inet", "ip", "ip6", "bridge"):
            subprocess.run(["nft", "delete", "table", family, self.config.nft_table], check=False, capture_output=True)
        shutil.rmtree(self.path, ignore_errors=True)

    def _thaw(self) -> None:
        for parent in self.cgroup_parents():
            for path in parent.rglob("freezer.state"):
                with contextlib.suppress(OSError):
                    path.write_text("THAWED")
            for path in parent.rglob("cgroup.freeze"):
                with contextlib.suppress(OSError):
                    path.write_text("0")


@contextlib.contextmanager
def throwaway_home() -> Iterator[Home]:
    home = Home()
    try:
        yield home
    finally:
        home.destroy()


def _matching(things: list[str], container_ids: tuple[str, ...]) -> list[str]:
    return [thing for thing in things if not container_ids or any(id in thing for id in container_ids)]


def command_of(pid: int) -> str:
    """The command line with spaces, or nothing for a process that is gone."""
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace").strip()
    return ""


def _open_files(pid: int) -> list[str]:
    found = []
    with contextlib.suppress(OSError):
        for descriptor in os.listdir(f"/proc/{pid}/fd"):
            with contextlib.suppress(OSError):
                found.append(os.readlink(f"/proc/{pid}/fd/{descriptor}"))
    return found


def _remove_cgroup(path: Path) -> None:
    for child in [entry for entry in path.iterdir() if entry.is_dir()]:
        _remove_cgroup(child)
    for _ in range(50):
        try:
            path.rmdir()
            return
        except OSError:
            time.sleep(0.02)
