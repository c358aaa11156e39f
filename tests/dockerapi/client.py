"""The real docker command, speaking to whichever daemon; and what it says, without what differs from run to run."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.support.prepare import SEARCH_PATH

SECONDS = 300
_NOISE = (
    re.compile(r"DEPRECATED: The legacy builder is deprecated.*?\n\n", re.DOTALL),
    re.compile(r"Sending build context to Docker daemon +\S+\r?"),
)
_NORMAL = (
    (re.compile(r"sha256:[0-9a-f]{64}"), "DIGEST"),
    (re.compile(r"\b[0-9a-f]{64}\b"), "ID"),
    (re.compile(r"\b[0-9a-f]{12}\b"), "id"),
    (re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(\.\d+)?( ?(Z|UTC|[+-]\d\d:?\d\d))*"), "TIME"),
    (re.compile(r"(Less than a second|About an? \w+|\d+ (second|minute|hour|day|week|month|year)s?)( ago)?"), "AGO"),
    (re.compile(r"\b\d+(\.\d+)?(B|kB|MB|GB)\b"), "SIZE"),
    (re.compile(r"(?m)^ ---> Running in id\n|^Removing intermediate container id\n|^ ---> Using cache\n"), ""),
    # dockerd tells of the layers too.
    (re.compile(r"([Dd]eleted: DIGEST)(\n[Dd]eleted: DIGEST)+"), r"\1"),
    (re.compile(r" {2,}"), "  "),
    (re.compile(r"(?m) +$"), ""),
)


@dataclass(frozen=True, slots=True)
class Outcome:
    """Of one command: its exit code, what it printed and what it complained of, without ids, times and sizes."""

    code: int
    out: str
    err: str


@dataclass(frozen=True, slots=True)
class Client:
    """`host` as `docker -H` takes it. `config`: a directory, where its token is and its contexts go."""

    program: str
    host: str
    config: Path

    @classmethod
    def of_site(cls, address: str, token: str, config: Path) -> Client:
        """One that signs in to a site with a token, as docs/docker-api.md says. Raises FileNotFoundError."""
        config.mkdir(parents=True, exist_ok=True)
        (config / "config.json").write_text(json.dumps({"HttpHeaders": {"Authorization": f"Bearer {token}"}}))
        return cls(program(), f"tcp://{address}", config)

    def run(
        self, *words: str, stdin: bytes = b"", environment: Mapping[str, str] | None = None, seconds: float = SECONDS
    ) -> subprocess.CompletedProcess[bytes]:
        return subprocess.run(
            self.command(*words), check=False, capture_output=True, input=stdin, timeout=seconds,
            env=self.environment() | dict(environment or {}),
        )  # fmt: skip

    def command(self, *words: str) -> list[str]:
        return [self.program, "--config", str(self.config), "-H", self.host, *words]

    def environment(self) -> dict[str, str]:
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("DOCKER_", "COMPOSE_"))}
        return kept | {"DOCKER_BUILDKIT": "0", "LC_ALL": "C.UTF-8"}

    def outcome(self, words: Sequence[str], names: Mapping[str, str], stdin: bytes = b"") -> Outcome:
        """`names`: what stands in words in braces, and in outputs as `NAME`."""
        done = self.run(*(filled(word, names) for word in words), stdin=stdin)
        return Outcome(done.returncode, normal(done.stdout, names), normal(done.stderr, names))

    def version(self) -> str:
        """The client's own, as 28.2.2."""
        return self.run("version", "--format", "{{.Client.Version}}").stdout.decode().strip()


def program() -> str:
    """Raises FileNotFoundError."""
    found = shutil.which("docker", path=SEARCH_PATH)
    if found is None:
        raise FileNotFoundError("there is no docker command (Debian: docker.io)")
    return found


def filled(word: str, names: Mapping[str, str]) -> str:
    """With what {name} stands for; other braces (Go's templates) stay."""
    for name, value in names.items():
        word = word.replace("{" + name + "}", value)
    return word


def normal(data: bytes, names: Mapping[str, str]) -> str:
    """Text as it can be compared with another run's, or another daemon's."""
    text = data.decode(errors="replace")
    for name, value in names.items():
        text = text.replace(value, name.upper())
    for noise in _NOISE:
        text = noise.sub("", text)
    for pattern, word in _NORMAL:
        text = pattern.sub(word, text)
    return text.strip("\n")
