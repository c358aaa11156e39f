"""A dockerd of the tests' own: no bridge, no firewall rules, a store and a socket below one directory."""

from __future__ import annotations

import contextlib
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path

from tests.support.prepare import SEARCH_PATH
from tests.support.processes import NotReady, Program

_WITHOUT_NETWORK = (
    "--bridge", "none", "--iptables=false", "--ip6tables=false", "--ip-forward=false", "--userland-proxy=false",
)  # fmt: skip
_WITH_NETWORK = ("--bip", "10.231.77.1/24", "--insecure-registry", "127.0.0.0/8")


class CannotStart(Exception):
    """There is no dockerd on this machine, or the machine won't have one; the text says why."""


class Docker:
    """Debian's client, talking to the daemon behind `socket`."""

    def __init__(self, socket: str) -> None:
        client = "/usr/bin/docker" if Path("/usr/bin/docker").exists() else "docker"
        self.command = [client, "-H", f"unix://{socket}"]

    def call(self, *words: str, seconds: float = 300) -> str:
        """What the command prints. Raises CannotStart with what it complains of."""
        done = self._run(words, seconds)
        if done.returncode != 0:
            raise CannotStart(f"docker {' '.join(words[:3])} …: {done.stderr.strip()[-400:]}")
        return done.stdout

    def attempt(self, *words: str, seconds: float = 300) -> tuple[int, str]:
        """The command's exit code, and what it prints or complains of."""
        done = self._run(words, seconds)
        return done.returncode, (done.stdout or done.stderr).strip()

    def _run(self, words: Sequence[str], seconds: float) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [*self.command, *words], check=False, capture_output=True, text=True, timeout=seconds,
            stdin=subprocess.DEVNULL,
        )  # fmt: skip

    def load(self, layout: Path, name: str, scratch: Path) -> None:
        """Give it the only image of an OCI layout, under `name`."""
        archive = scratch / "image.tar"
        copy = ["skopeo", "copy", "--insecure-policy", "--quiet"]
        command = [*copy, f"oci:{layout}", f"docker-archive:{archive}:{name}"]
        subprocess.run(command, check=True, capture_output=True, timeout=300)
        self.call("load", "-q", "-i", str(archive))


@contextlib.contextmanager
def running_docker(directory: Path, *, has_network: bool = False) -> Iterator[Docker]:
    """A daemon with its things in `directory`, ended and cleared afterwards. Raises CannotStart.

    With `has_network` it makes bridges and rules, and forwards: only in a network namespace of one's own.
    """
    server = shutil.which("dockerd", path=SEARCH_PATH)
    if server is None:
        raise CannotStart("dockerd is not installed (Debian: docker.io)")
    (directory / "daemon.json").write_text("{}")  # the machine's own settings have no say
    program = Program(
        [server, "--config-file", f"{directory}/daemon.json", "--host", f"unix://{directory}/docker.sock",
         "--data-root", f"{directory}/data", "--exec-root", f"{directory}/exec",
         "--pidfile", f"{directory}/docker.pid", *(_WITH_NETWORK if has_network else _WITHOUT_NETWORK)],
        log=directory / "dockerd.log",
    )  # fmt: skip
    docker = Docker(f"{directory}/docker.sock")

    def answers() -> bool:
        try:
            return bool(docker.call("version", "--format", "{{.Server.Version}}", seconds=30))
        except (CannotStart, subprocess.TimeoutExpired):
            return False

    try:
        try:
            program.wait_until(answers, seconds=120, what="dockerd's answer")
        except NotReady as error:
            raise CannotStart(str(error)[-600:]) from None
        yield docker
    finally:
        program.stop(seconds=60)
        _unmount_below(directory)
        shutil.rmtree(directory, ignore_errors=True)


def _unmount_below(directory: Path) -> None:
    """It leaves the network namespace of those without a network mounted."""
    found = [line.split(" ")[1] for line in Path("/proc/self/mounts").read_text().splitlines()]
    for path in reversed([path for path in found if path.startswith(f"{directory}/")]):
        subprocess.run(["umount", "--lazy", path], check=False, capture_output=True, timeout=60)
