"""What a real dockerd answers to the scenes: `python -m tests.dockerapi.recording [DOCKER…]` writes it down.

As root; it takes a network namespace of its own. One file for each version of the client; the daemon is Debian's.
"""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path

from tests.dockerapi.client import Client, Outcome, program
from tests.dockerapi.scene import Scene
from tests.dockerapi.scenes import CONTEXTS, SCENES
from tests.support import images
from tests.support.dockerd import running_docker
from tests.support.registry import Registry

DIRECTORY = Path(__file__).parent / "recorded"
INSIDE = "PORTSIDE_RECORDING_INSIDE"
TINY = "cmp/tiny:latest"
NEWEST = "28.2.2"
"""Of the clients that were recorded."""


def recorded(version: str) -> Mapping[str, list[Outcome]]:
    """What was written down for a client of this version; {} for none."""
    path = DIRECTORY / f"client-{version}.json"
    if not path.exists():
        return {}
    said: dict[str, list[list[object]]] = json.loads(path.read_text())
    return {name: [Outcome(*step) for step in steps] for name, steps in said.items()}  # type: ignore[arg-type]


def act(client: Client, scene: Scene, names: Mapping[str, str]) -> list[Outcome]:
    """Every step, one after the other."""
    return [client.outcome(step, names, scene.stdin.get(number, b"")) for number, step in enumerate(scene.steps)]


@contextlib.contextmanager
def stage(registry: Registry, directory: Path) -> Iterator[dict[str, str]]:
    """The names that scenes use, with the folders that they build."""
    contexts = directory / "contexts"
    for name, files in CONTEXTS.items():
        for path, text in files.items():
            (contexts / name / path).parent.mkdir(parents=True, exist_ok=True)
            (contexts / name / path).write_text(text.replace("{registry}", registry.address))
    work = directory / "work"
    work.mkdir()
    yield {"registry": registry.address, "work": str(work), "contexts": str(contexts)}


def tiny_archive(directory: Path) -> Path:
    """The image that all scenes begin with, for `docker load`."""
    archive = directory / "tiny.tar"
    words = [
        "skopeo",
        "copy",
        "--insecure-policy",
        "--quiet",
        f"oci:{images.tiny({'StopSignal': 'SIGTERM'})}",  # no other test's: it has their names, too
        f"docker-archive:{archive}:{TINY}",
    ]
    subprocess.run(words, check=True, capture_output=True, timeout=300)
    return archive


def main(programs: list[str]) -> None:
    if os.environ.get(INSIDE) != "1":
        os.environ[INSIDE] = "1"
        inner = ["sh", "-c", 'ip link set lo up && exec "$@"', "sh", sys.executable, "-m", "tests.dockerapi.recording"]
        os.execvp("unshare", ["unshare", "--net", "--mount", "--propagation", "private", *inner, *programs])
    DIRECTORY.mkdir(exist_ok=True)
    for one in programs or [program()]:
        with tempfile.TemporaryDirectory(prefix="portside-recording-") as scratch:
            _record(one, Path(scratch))


def _record(docker: str, scratch: Path) -> None:
    registry = Registry(scratch / "registry")
    (scratch / "docker").mkdir()
    try:
        with running_docker(scratch / "docker", has_network=True) as daemon, stage(registry, scratch) as names:
            client = Client(docker, daemon.command[2], scratch / "config")
            client.run("load", "-i", str(tiny_archive(scratch)))
            said = {name: act(client, scene, names) for name, scene in SCENES.items()}
            version = client.version()
    finally:
        registry.close()
    lines = {name: [[one.code, one.out, one.err] for one in steps] for name, steps in said.items()}
    (DIRECTORY / f"client-{version}.json").write_text(json.dumps(lines, indent=1, ensure_ascii=False) + "\n")
    print(f"written: client {version}")


if __name__ == "__main__":
    main(sys.argv[1:])
