"""`docker run --rm`: what is gone, and what is told, once the command that ended it has answered."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Iterator, Sequence

import pytest

from tests.dockerapi.client import Client
from tests.dockerapi.conftest import IMAGE
from tests.support.processes import eventually

pytestmark = [pytest.mark.root, pytest.mark.registry]

ENDINGS = (("stop", "-t", "0"), ("kill",), ("kill", "-s", "9"))
LISTENS = "trap 'echo last; exit 7' TERM; echo on; while :; do sleep 0.02; done"


@pytest.fixture
def tidy(client: Client) -> Iterator[Client]:
    yield client
    client.run("rm", "-f", "-v", "cmp-rm")
    client.run("volume", "rm", "cmp-rm")
    client.run("network", "rm", "cmp-rm")


def done(client: Client, *words: str) -> str:
    """What it prints; it has to succeed."""
    outcome = client.run(*words)
    assert outcome.returncode == 0, f"{' '.join(words)}: {outcome.stderr.decode()}"
    return outcome.stdout.decode()


def begun(client: Client, *words: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        client.command(*words), stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=client.environment()
    )


def told(client: Client, since: float) -> list[str]:
    words = ("--since", f"{since:.3f}", "--until", f"{time.time():.3f}", "--filter", "type=container")
    return done(client, "events", *words, "--filter", "container=cmp-rm", "--format", "{{.Action}}").split()


@pytest.mark.parametrize("ending", ENDINGS, ids=" ".join)
def test_name_volume_and_network_are_free(tidy: Client, ending: Sequence[str]) -> None:
    done(tidy, "network", "create", "cmp-rm")
    for _ in range(3):
        done(tidy, "run", "-d", "--rm", "--name", "cmp-rm", "--network", "cmp-rm", "-v", "cmp-rm:/v",
             "-v", "/anonymous", IMAGE, "sleep", "1000")  # fmt: skip
        done(tidy, *ending, "cmp-rm")
        assert done(tidy, "run", "--rm", "--name", "cmp-rm", IMAGE, "echo", "again") == "again\n"
        done(tidy, "volume", "rm", "cmp-rm")
    done(tidy, "network", "rm", "cmp-rm")


def test_who_ran_it_in_the_foreground_has_its_last_words_and_its_code(tidy: Client) -> None:
    for _ in range(3):
        program = begun(tidy, "run", "--rm", "--name", "cmp-rm", IMAGE, "sh", "-c", LISTENS)
        assert program.stdout is not None and program.stdout.readline() == b"on\n"
        done(tidy, "stop", "cmp-rm")
        done(tidy, "run", "--rm", "--name", "cmp-rm", IMAGE, "true")
        out, err = program.communicate(timeout=60)
        assert (out, err, program.returncode) == (b"last\n", b"", 7)


def test_who_waits_for_it_has_its_code(tidy: Client) -> None:
    done(tidy, "run", "-d", "--rm", "--name", "cmp-rm", IMAGE, "sleep", "1000")
    program = begun(tidy, "wait", "cmp-rm")
    with pytest.raises(subprocess.TimeoutExpired):
        program.wait(1)
    done(tidy, "kill", "cmp-rm")
    out, err = program.communicate(timeout=60)
    assert (out, err, program.returncode) == (b"137\n", b"", 0)


def test_a_signal_that_is_no_end_removes_nothing(tidy: Client) -> None:
    done(tidy, "run", "-d", "--rm", "--name", "cmp-rm", IMAGE, "sh", "-c", f"trap : HUP; {LISTENS}")
    eventually(lambda: tidy.run("logs", "cmp-rm").stdout == b"on\n", what="its trap")
    done(tidy, "kill", "-s", "HUP", "cmp-rm")
    assert done(tidy, "inspect", "-f", "{{.State.Status}}", "cmp-rm") == "running\n"
    done(tidy, "pause", "cmp-rm")
    done(tidy, "kill", "cmp-rm")
    assert tidy.run("inspect", "cmp-rm").returncode == 1


def test_its_end_is_told_in_dockers_words_and_order(tidy: Client) -> None:
    began = time.time()
    done(tidy, "run", "-d", "--rm", "--name", "cmp-rm", IMAGE, "sleep", "1000")
    done(tidy, "stop", "-t", "0", "cmp-rm")
    assert told(tidy, began)[-5:] == ["kill", "kill", "die", "stop", "destroy"]
    began = time.time()
    done(tidy, "run", "--rm", "--name", "cmp-rm", IMAGE, "true")
    # Nobody has left it before it ended.
    assert told(tidy, began) == ["create", "attach", "start", "die", "destroy"]
