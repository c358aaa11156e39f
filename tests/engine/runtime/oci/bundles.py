"""A bundle around Debian's static busybox, driven by the runtime's command line as another engine would."""

from __future__ import annotations

import json
import secrets
import subprocess
import sys
from pathlib import Path
from typing import Any

from engine.runtime.oci import offering
from tests.engine.runtime.box import until

PROJECT = Path(__file__).parents[4]
CODE = f"import sys; sys.path.insert(0, {str(PROJECT)!r}); from engine.runtime.__main__ import main; main()"
COMMAND = [sys.executable, "-S", "-s", "-E", "-c", CODE]
SECONDS = 120


def groups_of(name: str) -> list[Path]:
    """Control groups of that name (a pattern) at the top of each hierarchy: of version 2's, or of version 1's."""
    root = Path("/sys/fs/cgroup")
    return [*root.glob(name), *root.glob(f"*/{name}")]


class Bundle:
    """`config` may be changed before a command; every container of it is deleted at the end."""

    def __init__(self, directory: Path, image: Path) -> None:
        self.directory, self.image = directory, image
        self.root = directory / "root"
        self.id = f"t-{secrets.token_hex(6)}"
        self.config: dict[str, Any] = offering.example(rootless=False)
        self.config["root"] = {"path": str(image), "readonly": True}
        self.config["process"]["terminal"] = False
        self.linux: dict[str, Any] = self.config["linux"]
        self.process: dict[str, Any] = self.config["process"]

    def args(self, *args: str) -> Bundle:
        self.process["args"] = list(args)
        return self

    def write(self) -> None:
        (self.directory / "config.json").write_text(json.dumps(self.config))

    def call(self, *words: str, **how: Any) -> subprocess.CompletedProcess[str]:
        command = [*COMMAND, "--root", str(self.root), *words]
        options: dict[str, Any] = {"capture_output": True, "text": True, "timeout": SECONDS, **how}
        options.setdefault("stdin", subprocess.DEVNULL)
        return subprocess.run(command, check=False, **options)

    def succeed(self, *words: str, **how: Any) -> str:
        done = self.call(*words, **how)
        assert done.returncode == 0, (words, done.returncode, done.stdout, done.stderr)
        return str(done.stdout)

    def run(self, script: str, **how: Any) -> subprocess.CompletedProcess[str]:
        """A script in the foreground, with the container gone at the end."""
        self.args("/bin/sh", "-c", script)
        self.write()
        return self.call("run", "--bundle", str(self.directory), self.id, **how)

    def sh(self, script: str, **how: Any) -> str:
        """What it prints; it must end well."""
        done = self.run(f"set -e; {script}", **how)
        assert done.returncode == 0, (done.returncode, done.stdout, done.stderr)
        return str(done.stdout)

    def refusal(self) -> str:
        """Why create fails; and that nothing was left."""
        self.write()
        done = self.call("create", "--bundle", str(self.directory), self.id)
        assert done.returncode == 1, (done.returncode, done.stdout)
        assert not (self.root / self.id).exists()
        assert not groups_of(self.id)
        return str(done.stderr).strip()

    def create(self, *options: str, **how: Any) -> None:
        self.write()
        # A created container keeps the streams it was given: pipes would keep the caller waiting for their end.
        streams = {"capture_output": False, "stdout": subprocess.DEVNULL, "stderr": subprocess.PIPE, **how}
        with (self.directory / "err").open("w") as err:
            streams["stderr"] = err
            done = self.call("create", "--bundle", str(self.directory), *options, self.id, **streams)
        assert done.returncode == 0, (self.directory / "err").read_text()

    def start(self) -> None:
        self.create()
        self.succeed("start", self.id)

    def state(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.succeed("state", self.id))
        return found

    def status(self) -> str:
        return str(self.state()["status"])

    def until(self, status: str) -> None:
        until(lambda: self.status() == status, SECONDS, lambda: f"{status} instead of {self.status()}")

    def pid(self) -> int:
        return int(self.state()["pid"])

    def group(self, controller: str) -> Path:
        """The container's directory of a controller, whatever this machine's version."""
        content = json.loads((self.root / self.id / "state.json").read_text())["groups"]
        return Path(content["v1"].get(controller) or content["unified"])

    def remove(self) -> None:
        if (self.root / self.id).exists():
            self.succeed("delete", "--force", self.id)
        assert not groups_of(self.id)
