"""The exit codes of wrong words and wrong bundles, beside runc's: what drives a runtime goes by them."""

from __future__ import annotations

import copy
import json
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.engine.runtime.box import until
from tests.engine.runtime.oci.bundles import COMMAND, Bundle

RUNC = shutil.which("runc") or "/usr/sbin/runc"
pytestmark = [pytest.mark.root, pytest.mark.skipif(not Path(RUNC).exists(), reason="Debian's runc is not installed")]

# LIVE and DEAD stand for a running and an ended container, HERE for the bundle.
WORDS = [
    "state no", "start no", "kill no", "delete no", "delete -f no", "exec no true", "pause no", "resume no", "ps no",
    "update no", "events --stats no", "state", "", "run --frob x", "create -b HERE a/b", "create -b /nowhere x",
    "create --console-socket /nowhere -b HERE x", "create -b HERE LIVE", "kill LIVE NOPE", "kill LIVE 0",
    "kill LIVE 99", "start LIVE", "delete LIVE", "resume LIVE", "exec LIVE", "exec LIVE /bin/sh -c true",
    "exec --cwd /nothere LIVE /bin/sh", "exec --user abc LIVE /bin/sh", "ps --format xml LIVE", "list --format xml",
    "update --pids-limit abc LIVE", "kill DEAD TERM", "exec DEAD true", "start DEAD", "pause DEAD",
    "--log /nowhere/log list", "--log-format xml list",
]  # fmt: skip
PROCESSES: list[dict[str, Any]] = [
    {"args": ["/bin/sh", "-c", "exit 7"]},
    {"args": ["/bin/sh", "-c", "kill -9 $$"]},
    {"args": []},
    {"cwd": "a"},
    {"rlimits": [{"type": "RLIMIT_X", "soft": 1, "hard": 1}]},
]
# Where ours says more: a shell's codes for what can't be executed, and 1 for every word that it doesn't know.
OTHERWISE = {
    ("exec LIVE /nothere", 127, 255),
    ("exec LIVE /etc/passwd", 126, 255),
    ("frob", 1, 3),
}


class Peer:
    """One of the two, with a root of its own and the same bundle."""

    def __init__(self, command: list[str], root: Path, bundle: Bundle) -> None:
        self.command = [*command, "--root", str(root)]
        self.bundle = bundle
        self.name = root.name

    def line(self, *words: str) -> list[str]:
        names = {"LIVE": f"live-{self.name}", "DEAD": f"dead-{self.name}", "HERE": str(self.bundle.directory)}
        return [*self.command, *(names.get(word, word) for word in words)]

    def __call__(self, *words: str) -> int:
        silent = subprocess.DEVNULL  # not a pipe, which a container that was created would hold open
        done = subprocess.run(self.line(*words), check=False, stdin=silent, stdout=silent, stderr=silent, timeout=120)
        return done.returncode

    def status(self, name: str) -> str:
        done = subprocess.run(self.line("state", name), check=True, capture_output=True, timeout=120)
        return str(json.loads(done.stdout)["status"])

    def process(self, **changes: Any) -> int:
        config = copy.deepcopy(self.bundle.config)
        config["process"].update(changes)
        (self.bundle.directory / "config.json").write_text(json.dumps(config))
        code = self("run", "-b", "HERE", "x")
        self("delete", "-f", "x")
        self.bundle.write()
        return code


@pytest.fixture
def peers(bundle: Bundle, tmp_path: Path) -> Iterator[tuple[Peer, Peer]]:
    bundle.args("/bin/sleep", "300")
    bundle.write()
    ours, runc = Peer(COMMAND, tmp_path / "ours", bundle), Peer([RUNC], tmp_path / "runc", bundle)
    for peer in (ours, runc):
        for name in ("LIVE", "DEAD"):
            assert peer("run", "-d", "-b", "HERE", name) == 0
        assert peer("kill", "DEAD", "KILL") == 0
        until(lambda peer=peer: peer.status("DEAD") == "stopped")  # type: ignore[misc]
    yield ours, runc
    for peer in (ours, runc):
        for name in ("LIVE", "DEAD"):
            peer("delete", "-f", name)


def test_wrong_words_and_bundles_have_the_exit_codes_of_runc(peers: tuple[Peer, Peer]) -> None:
    ours, runc = peers
    found = {line: (ours(*line.split()), runc(*line.split())) for line in WORDS}
    found |= {json.dumps(changes): (ours.process(**changes), runc.process(**changes)) for changes in PROCESSES}
    assert {line: codes for line, codes in found.items() if codes[0] != codes[1]} == {}
    assert found["exec LIVE /bin/sh -c true"][0] == 0
    assert found[json.dumps(PROCESSES[0])][0] == 7


def test_where_the_two_differ_is_known(peers: tuple[Peer, Peer]) -> None:
    ours, runc = peers
    assert {(line, ours(*line.split()), runc(*line.split())) for line, _, _ in OTHERWISE} == OTHERWISE
    args = {"args": ["/nothere"]}, {"args": ["/etc/passwd"]}
    assert [(ours.process(**changes), runc.process(**changes)) for changes in args] == [(127, 1), (126, 1)]
