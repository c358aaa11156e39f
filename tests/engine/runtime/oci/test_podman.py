"""Podman with this runtime: it runs, execs, stops and removes, driven by conmon."""

from __future__ import annotations

import shutil
import subprocess
import tarfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.engine.runtime.oci.bundles import PROJECT

pytestmark = [
    pytest.mark.root,
    pytest.mark.skipif(not (shutil.which("podman") and shutil.which("conmon")), reason="podman is not installed"),
]


class Podman:
    def __init__(self, directory: Path) -> None:
        import sys

        self.directory = directory
        wrapper = directory / "portside-runtime"
        lines = [
            "import sys",
            f"sys.path.insert(0, {str(PROJECT)!r})",
            "from engine.runtime.__main__ import main",
            "main()",
        ]
        wrapper.write_text("\n".join([f"#!{sys.executable} -SsE", *lines, ""]))
        wrapper.chmod(0o755)
        self.command = [
            "podman", "--root", str(directory / "root"), "--runroot", str(directory / "run"), "--storage-driver", "vfs",
            "--cgroup-manager", "cgroupfs", "--events-backend", "none", "--runtime", str(wrapper),
        ]  # fmt: skip

    def __call__(self, *words: str, code: int = 0) -> str:
        done = subprocess.run([*self.command, *words], capture_output=True, text=True, timeout=150, check=False)
        assert done.returncode == code, (words, done.returncode, done.stdout, done.stderr)
        return done.stdout + done.stderr

    def run(self, *words: str, code: int = 0) -> str:
        return self("run", "--network", "none", "--ulimit", "nofile=1024:1024", "--ulimit", "nproc=1024:1024", *words,
                    code=code)  # fmt: skip


@pytest.fixture(scope="module")
def podman(tmp_path_factory: pytest.TempPathFactory, image: Path) -> Iterator[Podman]:
    assert PROJECT.is_dir()
    driven = Podman(tmp_path_factory.mktemp("podman"))
    archive = driven.directory / "image.tar"
    with tarfile.open(archive, "w") as tar:
        tar.add(image, ".")
    driven("import", str(archive), "box:1")
    yield driven
    driven("rm", "--all", "--force", "--time", "0")
    subprocess.run(["umount", "-l", str(driven.directory / "root" / "vfs")], capture_output=True, check=False)


def test_podman_runs_a_container_and_gets_its_exit_code(podman: Podman) -> None:
    assert podman.run("--rm", "box:1", "sh", "-c", "id -u; exit 7", code=7).split() == ["0"]


def test_podman_tells_what_is_not_there(podman: Podman) -> None:
    assert "nothere" in podman.run("--rm", "box:1", "nothere", code=127)
    assert "denied" in podman.run("--rm", "box:1", "/etc/passwd", code=126)


def test_podman_execs_pauses_limits_stops_and_removes(podman: Podman) -> None:
    podman.run("--detach", "--name", "one", "--memory", "64m", "--pids-limit", "100", "box:1", "sleep", "1000")
    assert podman("exec", "one", "sh", "-c", "echo $$ >/tmp/x; exit 4", code=4) == ""
    assert podman("exec", "--tty", "one", "sh", "-c", "test -t 0 && echo tty").strip() == "tty"
    assert podman("exec", "--user", "1000", "one", "id", "-u").strip() == "1000"
    assert podman("inspect", "--format", "{{.State.Status}} {{.OCIRuntime}}", "one").split()[0] == "running"
    podman("pause", "one")
    podman("unpause", "one")
    podman("stop", "--time", "1", "one")
    podman("start", "one")
    podman("rm", "--force", "--time", "0", "one")
    assert podman("ps", "--all", "--quiet") == ""


def test_podman_runs_with_a_terminal_and_with_everything_it_can_loosen(podman: Podman) -> None:
    assert podman.run("--rm", "--tty", "box:1", "sh", "-c", "test -t 1 && echo tty").strip() == "tty"
    out = podman.run("--rm", "--privileged", "--read-only", "--pid", "host", "--ipc", "host", "box:1", "id", "-u")
    assert out.strip() == "0"
    options = (
        "--user",
        "1000",
        "--cap-add",
        "NET_BIND_SERVICE",
        "--tmpfs",
        "/x:size=1m",
        "--volume",
        "/etc:/y:ro,rslave",
    )
    out = podman.run("--rm", *options, "--security-opt", "no-new-privileges", "box:1", "id", "-u")
    assert out.strip() == "1000"


def test_podman_runs_in_a_user_namespace(podman: Podman) -> None:
    maps = ("--uidmap", "0:500000:65536", "--gidmap", "0:500000:65536")
    assert podman.run("--rm", *maps, "box:1", "cat", "/proc/self/uid_map").split() == ["0", "500000", "65536"]


def test_podman_runs_what_is_to_be_like_systemd(podman: Podman) -> None:
    assert podman.run("--rm", "--systemd=always", "box:1", "sh", "-c", "id -u") == "0\n"
