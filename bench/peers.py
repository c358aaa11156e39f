"""docker.io and podman from Debian, each with a store of its own, started and ended by the bench."""

from __future__ import annotations

import json
import shutil
import subprocess
import time
from collections.abc import Mapping
from pathlib import Path

from bench.contender import STAMP, CannotStart, Start
from tests.support.prepare import SEARCH_PATH
from tests.support.processes import NotReady, Program

SUBNET = "10.231.77.1/24"


class CommandLine:
    """What docker and podman have in common: their commands."""

    name = ""
    command: list[str]
    environment: dict[str, str] | None = None
    run_options: tuple[str, ...] = ()
    pull_options: tuple[str, ...] = ()

    def call(self, *arguments: str, seconds: float = 300) -> str:
        done = subprocess.run(
            [*self.command, *arguments], check=False, capture_output=True, text=True, timeout=seconds,
            stdin=subprocess.DEVNULL, env=self.environment,
        )  # fmt: skip
        if done.returncode != 0:
            raise CannotStart(f"{self.name} {arguments[0]}: {done.stderr.strip()[-400:]}")
        return done.stdout.strip()

    def pull(self, reference: str) -> float:
        begin = time.monotonic()
        self.call("pull", "-q", *self.pull_options, reference)
        return time.monotonic() - begin

    def forget(self, reference: str) -> None:
        self.call("rmi", "-f", reference)

    def start(self, reference: str) -> Start:
        asked_at = time.time()
        begin = time.monotonic()
        container = self.call("run", "-d", *self.run_options, reference, *STAMP).splitlines()[-1]
        told = time.monotonic() - begin
        stamp = ""
        for _ in range(200):
            if stamp := self.call("logs", container):
                break
            time.sleep(0.02)
        self.call("rm", "-f", container)
        return Start(float(stamp.split()[0]) - asked_at, told)


class Docker(CommandLine):
    name = "docker"

    def __init__(self, directory: Path, settings: Mapping[str, object] | None = None) -> None:
        self.directory = directory
        self.settings = dict(settings or {})
        self.socket = f"unix://{directory}/docker.sock"
        client = "/usr/bin/docker" if Path("/usr/bin/docker").exists() else "docker"
        self.command = [client, "-H", self.socket]
        self.program: Program | None = None

    def open(self) -> None:
        server = shutil.which("dockerd", path=SEARCH_PATH)
        if server is None:
            raise CannotStart("dockerd is not installed (Debian: docker.io)")
        self.directory.mkdir(parents=True, exist_ok=True)
        # The machine's own registry settings must not change what is measured.
        (self.directory / "daemon.json").write_text(json.dumps(self.settings))
        self.program = Program(
            [server, "--config-file", f"{self.directory}/daemon.json", "--host", self.socket,
             "--data-root", f"{self.directory}/data", "--exec-root", f"{self.directory}/exec",
             "--pidfile", f"{self.directory}/docker.pid", "--bip", SUBNET, "--insecure-registry", "127.0.0.0/8"],
            log=self.directory / "dockerd.log",
        )  # fmt: skip
        try:
            self.program.wait_until(self._answers, seconds=60, what="dockerd's answer")
        except NotReady as error:
            self.close()
            raise CannotStart(str(error)[-600:]) from None

    def _answers(self) -> bool:
        try:
            self.version = self.call("version", "--format", "{{.Server.Version}}", seconds=10)
        except (CannotStart, subprocess.TimeoutExpired):
            return False
        return True

    def close(self) -> None:
        if self.program is not None:
            self.program.stop(seconds=30)


class Podman(CommandLine):
    name = "podman"
    pull_options = ("--tls-verify=false",)

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.command = ["podman", "--root", f"{directory}/root", "--runroot", f"{directory}/run",
                        "--cgroup-manager", "cgroupfs", "--runtime", "crun"]  # fmt: skip

    def open(self) -> None:
        if shutil.which("podman", path=SEARCH_PATH) is None or shutil.which("crun", path=SEARCH_PATH) is None:
            raise CannotStart("podman or crun is not installed")
        self.directory.mkdir(parents=True, exist_ok=True)
        # It asks for more files and processes than a guest without CAP_SYS_RESOURCE may give.
        self.run_options = ("--ulimit", "nofile=1024:1024", "--ulimit", "nproc=4096:4096")
        settings = self.directory / "containers.conf"
        # Without these, Debian's podman wants CNI plug-ins and a log in systemd's journal.
        settings.write_text(
            '[network]\nnetwork_backend = "netavark"\n'
            '[containers]\nlog_driver = "k8s-file"\n'
            '[engine]\nevents_logger = "file"\n'
        )
        self.environment = {
            "PATH": SEARCH_PATH, "HOME": str(self.directory), "CONTAINERS_CONF": str(settings), "LC_ALL": "C.UTF-8",
        }  # fmt: skip
        self.version = json.loads(self.call("version", "--format", "json"))["Client"]["Version"]

    def close(self) -> None:
        subprocess.run([*self.command, "rm", "-fa", "-t", "0"], check=False, capture_output=True, env=self.environment)
        subprocess.run(["umount", f"{self.directory}/root/overlay"], check=False, capture_output=True)
