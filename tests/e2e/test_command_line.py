"""`portside` before a real site and a real host: pipelines and terminals, files, logs, builds."""

from __future__ import annotations

import fcntl
import os
import pty
import signal
import struct
import subprocess
import sys
import termios
from collections.abc import Iterator
from pathlib import Path

import pytest

from engine.build.ssh_keys import new_key
from tests.engine.runtime.execs import read_until
from tests.support.portside import Portside
from tests.support.processes import PATIENCE_SECONDS, eventually

pytestmark = [pytest.mark.root, pytest.mark.registry]
ROOT = Path(__file__).resolve().parents[2]
PATIENCE = 2 * PATIENCE_SECONDS


class Person:
    """Types commands at a site, in a pipeline or at a terminal."""

    def __init__(self, portside: Portside, config: Path) -> None:
        own = {"PORTSIDE_URL": portside.url, "PORTSIDE_TOKEN": str(portside.rest.token)}
        self._environment = {**os.environ, **own, "PORTSIDE_CONFIG": str(config), "PYTHONPATH": str(ROOT)}
        self._directory = config.parent

    def types(self, *words: str | Path, given: bytes = b"") -> tuple[int, bytes, bytes]:
        """(exit code, standard output, standard error)."""
        done = subprocess.run(
            [sys.executable, "-m", "client", *words], input=given, capture_output=True, env=self._environment,
            cwd=self._directory, check=False, timeout=PATIENCE,
        )  # fmt: skip
        assert b"Traceback" not in done.stderr
        return done.returncode, done.stdout, done.stderr

    def gets(self, *words: str | Path, given: bytes = b"") -> str:
        """The output of what has to succeed."""
        code, output, error = self.types(*words, given=given)
        assert code == 0, (words, output, error)
        return output.decode()

    def begins(self, terminal: int, *words: str) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            [sys.executable, "-m", "client", *words], stdin=terminal, stdout=terminal, stderr=terminal,
            env=self._environment, cwd=self._directory, start_new_session=True,
        )  # fmt: skip


class Screen:
    """A terminal's both ends, of 30 rows and 90 columns. What was not waited for yet is kept."""

    def __init__(self) -> None:
        self.ours, self.theirs = pty.openpty()
        self.size(30, 90)
        self._rest = b""

    def size(self, rows: int, columns: int) -> None:
        fcntl.ioctl(self.theirs, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def until(self, text: bytes) -> bytes:
        """What is shown up to and with `text`."""
        while text not in self._rest:
            self._rest += read_until(self.ours, text[-1:], PATIENCE)
        shown, found, self._rest = self._rest.partition(text)
        return shown + found

    def types(self, keys: bytes) -> None:
        os.write(self.ours, keys)

    def close(self) -> None:
        os.close(self.ours)
        os.close(self.theirs)


@pytest.fixture
def person(portside: Portside, tmp_path: Path) -> Person:
    return Person(portside, tmp_path / "config.json")


@pytest.fixture
def screen() -> Iterator[Screen]:
    made = Screen()
    yield made
    made.close()


def test_a_pipeline_goes_through_a_container_and_ends_as_it(
    person: Person, portside: Portside, tiny_image: str
) -> None:
    script = "wc -c; echo err >&2; exit 9"
    code, output, error = person.types(
        "run", "-i", "--rm", "--name", "cli-pipe", tiny_image, "sh", "-c", script, given=b"x" * 300_000
    )
    assert (code, output.strip()) == (9, b"300000")
    assert error.endswith(b"err\n")
    code, _, error = person.types("run", "--rm", "--quiet", "--name", "cli-nothing", tiny_image, "nothing")
    assert code == 127
    assert b"executable file not found" in error
    eventually(lambda: portside.rest.rows("/api/v1/containers/?search=cli-") == [], what="the end of both")


def test_more_than_any_window_goes_in_and_out_at_once(person: Person, tiny_image: str) -> None:
    given = bytes(range(256)) * 8192
    person.gets("run", "-d", "--name", "both", tiny_image, "sleep", "1000")
    code, output, error = person.types("exec", "-i", "both", "cat", given=given)
    assert (code, output == given) == (0, True), error


def test_a_person_works_at_a_terminal_leaves_and_comes_back(
    person: Person, portside: Portside, tiny_image: str, screen: Screen
) -> None:
    program = person.begins(screen.theirs, "run", "-it", "--rm", "--name", "shell", tiny_image, "sh")
    screen.until(b"# ")
    screen.types(b"stty size; echo $((40+1))=\r")
    assert b"30 90" in screen.until(b"41=")
    screen.until(b"# ")
    screen.size(40, 100)
    program.send_signal(signal.SIGWINCH)  # the terminal is not this program's own: nobody else tells it
    screen.types(b"until stty size | grep -q '40 100'; do sleep 0.1; done; echo $((50+1))=\r")
    screen.until(b"51=")
    screen.until(b"# ")
    screen.types(b"sh -c 'echo in-$((60+1)); sleep 1000'\r")
    screen.until(b"in-61")
    screen.types(b"\x03")
    screen.until(b"# ")
    screen.types(b"\x10\x11")
    assert program.wait(PATIENCE) == 0
    assert [row["status"] for row in portside.rest.rows("/api/v1/containers/?name=shell")] == ["running"]
    program = person.begins(screen.theirs, "attach", "--detach-keys", "a,b", "shell")
    screen.types(b"echo $((70+1))=\r")
    screen.until(b"71=")
    screen.types(b"exit 6\r")
    assert program.wait(PATIENCE) == 6
    assert termios.tcgetattr(screen.theirs)[3] & termios.ECHO  # the terminal is as it was


def test_who_leaves_an_exec_by_keys_lets_it_run_on(
    person: Person, portside: Portside, tiny_image: str, screen: Screen
) -> None:
    container_id = person.gets("run", "-d", "--name", "left", tiny_image, "sleep", "1000").strip()
    script = "trap 'echo > /hup' HUP; echo up; until [ -e /go ]; do sleep 0.1; done; seq 100000; exit 7"
    program = person.begins(screen.theirs, "exec", "-it", "left", "sh", "-c", script)
    screen.until(b"up")
    screen.types(b"\x10\x11")
    assert program.wait(PATIENCE) == 0
    (left,) = portside.rest.get(f"/api/v1/containers/{container_id}/execs/").json["execs"]
    assert left["running"]
    person.gets("exec", "left", "touch", "/go")

    where = f"/api/v1/containers/{container_id}/execs/{left['id']}/"
    eventually(
        lambda: portside.rest.get(where).json["exit_code"] == 7, what="its end, whatever it says that nobody hears"
    )
    assert "hup" not in person.gets("exec", "left", "ls", "/")
    assert person.types("exec", "-t", "--detach-keys", "up", "left", "true")[0] == 125


def test_a_signal_is_the_containers(person: Person, tiny_image: str, screen: Screen) -> None:
    script = "trap 'echo caught; exit 7' INT; echo ready; while true; do sleep 0.1; done"
    program = person.begins(screen.theirs, "run", "--name", "trap", tiny_image, "sh", "-c", script)
    screen.until(b"ready")
    program.send_signal(signal.SIGINT)
    screen.until(b"caught")
    assert program.wait(PATIENCE) == 7


def test_a_containers_life_by_commands(person: Person, tiny_image: str, tmp_path: Path) -> None:
    script = "mkdir -p /srv; echo one; echo two >&2; until [ -e /srv/go ]; do sleep 0.1; done; echo three"
    container_id = person.gets("run", "-d", "--name", "life", "-p", "80", tiny_image, "sh", "-c", script).strip()
    eventually(lambda: "one" in person.gets("logs", "life"), what="its first words")
    assert person.gets("ps", "-q", "--no-trunc", "--filter", "name=life").strip() == container_id
    assert person.gets("inspect", "-f", "{{.name}} {{.status}}", container_id[:10]) == "life running\n"
    assert person.gets("port", "life", "80").startswith("127.0.0.1:")
    assert person.gets("exec", "-i", "-e", "A=1", "life", "sh", "-c", "cat; echo $A", given=b"in\n") == "in\n1\n"
    assert person.gets("exec", "-d", "life", "sh", "-c", "echo left > /srv/left") == ""
    eventually(lambda: person.gets("exec", "life", "cat", "/srv/left") == "left\n", what="what was left alone")
    folder = tmp_path / "folder"
    folder.mkdir()
    (folder / "file").write_text("content")
    (folder / "link").symlink_to("file")
    person.gets("cp", folder, "life:/srv/made")
    person.gets("cp", folder, "life:/srv")
    assert person.gets("exec", "life", "cat", "/srv/made/link", "/srv/folder/file") == "contentcontent"
    person.gets("cp", "life:/srv/folder", "back")
    assert (tmp_path / "back" / "link").read_text() == "content"
    person.gets("cp", folder / "file", "life:/srv/go")
    assert person.types("logs", "-f", "life") == (0, b"one\nthree\n", b"two\n")
    assert person.gets("wait", "life") == "0\n"
    assert " /srv" in person.gets("diff", "life")
    happened = person.gets("events", "--no-follow", "-f", "container=life").splitlines()
    assert [line.split()[3] for line in happened][:2] == ["create", "start"]
    assert person.gets("start", "-a", "life") == "one\nthree\n"
    assert person.gets("rm", "life") == "life\n"
    polite = "trap 'exit 0' TERM; echo ready; while :; do sleep 1 & wait $!; done"
    person.gets("run", "-d", "--name", "polite", tiny_image, "sh", "-c", polite)
    eventually(lambda: "ready" in person.gets("logs", "polite"), what="its first words")
    assert "stop=true" in person.types("rm", "polite")[2].decode()
    assert person.gets("rm", "--stop", "-t", "60", "polite") == "polite\n"
    assert person.types("inspect", "life")[0] == 1


def test_an_image_is_built_named_saved_and_removed(person: Person, tiny_image: str, tmp_path: Path) -> None:
    context = tmp_path / "context"
    context.mkdir()
    (context / "Dockerfile").write_text(
        f"FROM {tiny_image}\nARG WHAT\nCOPY . /srv\n"
        "RUN --mount=type=ssh,id=forge,required test -S $SSH_AUTH_SOCK\n"
        "RUN --mount=type=secret,id=key ls /srv && echo $WHAT-$(wc -c < /run/secrets/key) > /srv/made\n"
    )
    (context / "kept").write_text("")
    (context / "junk").write_text("")
    (context / ".dockerignore").write_text("junk\n")
    (tmp_path / "key").write_text("secret")
    (tmp_path / "private").write_text(new_key())
    words = ["build", "-t", "e2e/cli:1", "--build-arg", "WHAT=x", "--secret", f"id=key,src={tmp_path}/key"]
    words += ["--ssh", f"forge={tmp_path}/private", "context"]
    code, output, error = person.types(*words)
    assert code == 0, error
    assert output.startswith(b"sha256:")
    assert b" kept\n" in error
    assert b"junk" not in error
    assert person.gets("run", "--rm", "e2e/cli:1", "cat", "/srv/made") == "x-6\n"
    person.gets("tag", "e2e/cli:1", "e2e/cli:2")
    person.gets("save", "-o", "saved.tar", "e2e/cli:2")
    person.gets("rmi", "e2e/cli:1", "e2e/cli:2")
    assert "e2e/cli:2" in person.gets("load", "-i", "saved.tar")
    assert "COPY" in person.gets("history", "e2e/cli:2")
    assert "e2e/cli" in person.gets("images")
    person.gets("rmi", "e2e/cli:2")
    (context / "Dockerfile").write_text("FROM scratch\nRUN\n")
    code, _, error = person.types("build", "context")
    assert code == 1
    assert b"Dockerfile:2" in error


def test_volumes_and_networks_by_commands(person: Person, tiny_image: str) -> None:
    assert person.gets("volume", "create", "cli-data") == "cli-data\n"
    person.gets("network", "create", "--internal", "cli-net")
    words = [
        "--network",
        "cli-net",
        "-v",
        "cli-data:/data",
        tiny_image,
        "sh",
        "-c",
        "echo kept > /data/file; hostname -i",
    ]
    assert person.gets("run", "--rm", *words).count(".") == 3
    assert "cli-net" in person.gets("network", "ls")
    assert b"file" in person.types("volume", "export", "cli-data")[1]
    assert person.gets("network", "rm", "cli-net") == "cli-net\n"
    assert person.gets("volume", "rm", "cli-data") == "cli-data\n"
    assert person.types("volume", "rm", "cli-data")[0] == 1


def test_an_image_is_mounted_and_kept_for_who_has_it(person: Person, portside: Portside, tiny_image: str) -> None:
    asked = f"type=image,source={tiny_image},target=/t,image-subpath=bin"
    output = person.gets("run", "--name", "cli-shows", "--mount", asked, tiny_image, "sh", "-c", "ls /t; >/t/x || true")
    assert "busybox" in output.split()
    (row,) = portside.rest.rows("/api/v1/containers/?name=cli-shows")
    told = eventually(lambda: portside.rest.container(row["id"])["mounted"], what="what it has mounted")
    image = portside.rest.container(row["id"])["image_id"]
    assert told == [
        {"type": "image", "name": tiny_image, "source": image, "destination": "/t", "read_only": True},
    ]  # fmt: skip
    assert portside.rest.container(row["id"])["mounts"] == [asked]
    code, _, error = person.types("run", "--rm", "--mount", asked.replace("=bin", "=nowhere"), tiny_image, "true")
    assert code == 125 and b"there is no nowhere in the image" in error
    code, _, error = person.types("run", "--rm", "--mount", "type=image,target=/t", tiny_image, "true")
    assert code == 125 and b"say which image" in error
