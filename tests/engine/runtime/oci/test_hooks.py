"""All six kinds of hooks: when, where, with what; and what a failing one does."""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import shlex
import signal
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest

from engine.oci.runtime_spec import Hook
from engine.runtime import record
from engine.runtime.oci import hooks
from tests.engine.runtime.box import until
from tests.engine.runtime.oci.bundles import COMMAND, Bundle, groups_of

pytestmark = pytest.mark.root

KINDS = ("prestart", "createRuntime", "createContainer", "startContainer", "poststart", "poststop")


def note(bundle: Bundle, kind: str, script: str = "true") -> dict[str, Any]:
    """A hook that appends kind, mount namespace, root and state to a file of the bundle."""
    log = bundle.directory / "log"
    text = f'echo "{kind} $(busybox readlink /proc/self/ns/mnt) $A $(cat)" >> {log}; {script}'
    return {"path": "/bin/busybox", "args": ["sh", "-c", text], "env": ["PATH=/bin", f"A={kind}!"], "timeout": 60}


def notes(bundle: Bundle) -> list[tuple[str, str, dict[str, Any]]]:
    lines = (bundle.directory / "log").read_text().splitlines()
    parts = [line.split(" ", 3) for line in lines]
    assert all(part[2] == f"{part[0]}!" for part in parts)
    return [(part[0], part[1], json.loads(part[3])) for part in parts]


def test_each_kind_is_called_in_order_in_its_namespace_with_the_state(bundle: Bundle) -> None:
    bundle.config["hooks"] = {kind: [note(bundle, kind)] for kind in KINDS}
    bundle.config["mounts"].append({"destination": str(bundle.directory), "type": "bind",
                                    "source": str(bundle.directory), "options": ["bind"]})  # fmt: skip
    bundle.config["root"]["readonly"] = False
    bundle.args("/bin/sleep", "100").create()
    assert [kind for kind, _, _ in notes(bundle)] == list(KINDS[:3])
    pid = bundle.pid()
    inside = os.readlink(f"/proc/{pid}/ns/mnt")
    bundle.succeed("start", bundle.id)
    bundle.succeed("delete", "--force", bundle.id)
    found = notes(bundle)
    assert [kind for kind, _, _ in found] == list(KINDS)
    places = {kind: place == inside for kind, place, _ in found}
    assert places == {kind: kind in ("createContainer", "startContainer") for kind in KINDS}
    assert [state["status"] for _, _, state in found] == [
        "creating", "creating", "creating", "created", "running", "stopped"
    ]  # fmt: skip
    assert all(state["id"] == bundle.id and state["bundle"] == str(bundle.directory) for _, _, state in found)
    assert [state["pid"] for _, _, state in found][:3] == [pid] * 3


@pytest.mark.parametrize("kind", KINDS[:3])
def test_a_failing_hook_stops_the_create_and_poststop_is_called(bundle: Bundle, kind: str) -> None:
    bundle.config["hooks"] = {kind: [note(bundle, kind, "exit 3")], "poststop": [note(bundle, "poststop")]}
    bundle.args("/bin/sleep", "100")
    assert bundle.refusal().startswith(f"hooks.{kind}[0]")
    assert [found for found, _, _ in notes(bundle)] == [kind, "poststop"]


def test_a_hook_that_takes_too_long_is_killed(bundle: Bundle) -> None:
    bundle.config["hooks"] = {"prestart": [{"path": "/bin/sleep", "args": ["sleep", "30"], "timeout": 1}]}
    bundle.args("/bin/sleep", "100")
    begin = time.monotonic()
    assert "timeout of 1 s" in bundle.refusal()
    assert time.monotonic() - begin < 29


def test_a_hook_that_does_not_read_a_long_state_is_killed_in_time(bundle: Bundle) -> None:
    bundle.config["annotations"] = {"long": "x" * 200_000}
    bundle.config["hooks"] = {"createRuntime": [{"path": "/bin/sleep", "args": ["sleep", "30"], "timeout": 1}]}
    begin = time.monotonic()
    assert "timeout of 1 s" in bundle.args("/bin/sleep", "100").refusal()
    assert time.monotonic() - begin < 29


def test_a_long_state_is_told_in_full(bundle: Bundle) -> None:
    bundle.config["annotations"] = {"long": "x" * 200_000}
    bundle.config["hooks"] = {"prestart": [note(bundle, "prestart")]}
    bundle.args("/bin/sleep", "100").create()
    ((_, _, state),) = notes(bundle)
    assert state["annotations"] == bundle.config["annotations"]


@pytest.mark.parametrize("pids", ["own", "shared"])
@pytest.mark.parametrize("kind", KINDS[:5])
def test_delete_by_force_waits_for_no_hook(bundle: Bundle, kind: str, pids: str) -> None:
    seconds = str(100_000 + secrets.randbelow(800_000))
    if pids == "shared":
        bundle.linux["namespaces"] = [entry for entry in bundle.linux["namespaces"] if entry["type"] != "pid"]
    bundle.config["hooks"] = {kind: [{"path": "/bin/sleep", "args": ["sleep", seconds]}]}
    bundle.config["hooks"]["poststop"] = [note(bundle, "poststop")]
    bundle.args("/bin/sleep", "100").write()
    words = ["create", "-b", str(bundle.directory), bundle.id]
    if kind in ("startContainer", "poststart"):
        bundle.create()
        words = ["start", bundle.id]
    command = [*COMMAND, "--root", str(bundle.root), *words]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as waiting:
        until(lambda: sleepers(seconds) != [])
        begin = time.monotonic()
        bundle.succeed("delete", "--force", bundle.id)
        assert time.monotonic() - begin < 20
        assert not (bundle.root / bundle.id).exists()
        assert groups_of(bundle.id) == []
        if kind == "poststart":  # which runs on, as the container is none of its business
            assert waiting.poll() is None
            os.kill(sleepers(seconds)[0], signal.SIGKILL)
        assert waiting.wait(60) == int(kind != "poststart")
    until(lambda: sleepers(seconds) == [])
    assert [found for found, _, _ in notes(bundle)] == ["poststop"]


def sleepers(seconds: str) -> list[int]:
    """The processes `sleep <seconds>`, whichever namespace they are in."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):
            if path.read_bytes().split(b"\0")[:2] == [b"sleep", seconds.encode()]:
                found.append(int(path.parent.name))
    return found


@pytest.mark.parametrize("verb", ["update", "pause", "delete"])
def test_a_poststart_hook_may_call_verbs_on_its_own_container(bundle: Bundle, verb: str) -> None:
    more = {"update": ["--pids-limit", "33"], "pause": [], "delete": ["--force"]}[verb]
    args = [*COMMAND, "--root", str(bundle.root), verb, *more, bundle.id]
    bundle.config["hooks"] = {"poststart": [{"path": args[0], "args": args, "timeout": 30}]}
    bundle.args("/bin/sleep", "100").create()
    assert bundle.call("start", bundle.id).stderr == ""
    if verb == "update":
        assert (bundle.group("pids") / "pids.max").read_text() == "33\n"
    elif verb == "pause":
        assert bundle.status() == "paused"
    else:
        assert not (bundle.root / bundle.id).exists()


@pytest.mark.parametrize(
    ("verb", "said"), [("state", '"status": "stopped"'), ("delete", "its poststop hooks are running"), ("force", "")]
)
def test_a_poststop_hook_may_call_verbs_on_its_own_container(bundle: Bundle, verb: str, said: str) -> None:
    words = ["delete", "--force"] if verb == "force" else [verb]
    call = shlex.join([*COMMAND, "--root", str(bundle.root), *words, bundle.id])
    script = f"{call} > {bundle.directory}/said 2>&1; test {'! ' * (verb == 'force')}-d {bundle.root}/{bundle.id}"
    bundle.config["hooks"] = {"poststop": [{"path": "/bin/sh", "args": ["sh", "-c", script], "timeout": 60}]}
    bundle.args("/bin/sleep", "100").create()
    assert bundle.call("delete", bundle.id).stderr == ""
    assert said in (bundle.directory / "said").read_text()
    assert not (bundle.root / bundle.id).exists()


def test_a_delete_that_is_killed_among_its_hooks_is_done_by_the_next(bundle: Bundle) -> None:
    seconds = str(100_000 + secrets.randbelow(800_000))
    script = f"test -e {bundle.directory}/again || exec sleep {seconds}"
    hook = {"path": "/bin/sh", "args": ["sh", "-c", script]}
    bundle.config["hooks"] = {"poststop": [note(bundle, "poststop"), hook]}
    bundle.args("/bin/sleep", "100").create()
    with subprocess.Popen([*COMMAND, "--root", str(bundle.root), "delete", bundle.id]) as first:
        until(lambda: sleepers(seconds) != [])
        first.kill()
    os.kill(sleepers(seconds)[0], signal.SIGKILL)
    (bundle.directory / "again").touch()
    bundle.succeed("delete", bundle.id)
    assert not (bundle.root / bundle.id).exists()
    assert [kind for kind, _, _ in notes(bundle)] == ["poststop"] * 2


def test_a_new_container_may_have_the_name_while_hooks_of_the_old_one_run(bundle: Bundle) -> None:
    seconds = str(100_000 + secrets.randbelow(800_000))
    bundle.config["hooks"] = {"poststop": [{"path": "/bin/sleep", "args": ["sleep", seconds]}]}
    bundle.args("/bin/sleep", "100").create()
    with subprocess.Popen([*COMMAND, "--root", str(bundle.root), "delete", bundle.id]) as first:
        until(lambda: sleepers(seconds) != [])
        bundle.succeed("delete", "--force", bundle.id)
        del bundle.config["hooks"]
        bundle.start()
        os.kill(sleepers(seconds)[0], signal.SIGKILL)
        assert first.wait(60) == 0
    assert bundle.status() == "running"


@pytest.mark.parametrize("verb", ["state", "delete", "start", "pause", "update"])
def test_a_hook_of_create_may_call_verbs_on_its_own_container(bundle: Bundle, verb: str) -> None:
    call = shlex.join([*COMMAND, "--root", str(bundle.root), verb, bundle.id])
    script = f"{call} > {bundle.directory}/said 2>&1; exit 0"
    bundle.config["hooks"] = {"createRuntime": [{"path": "/bin/sh", "args": ["sh", "-c", script], "timeout": 60}]}
    bundle.args("/bin/sleep", "100").create()
    said = (bundle.directory / "said").read_text()
    assert ('"status": "creating"' if verb == "state" else "is creating; its create has not ended") in said


def test_the_longest_timeout_is_waited_for(bundle: Bundle) -> None:
    bundle.config["hooks"] = {kind: [{"path": "/bin/true", "timeout": (1 << 31) - 1}] for kind in KINDS}
    bundle.config["hooks"]["startContainer"][0]["path"] = "/bin/busybox"
    bundle.config["hooks"]["startContainer"][0]["args"] = ["true"]
    bundle.args("/bin/sleep", "100").start()
    assert bundle.succeed("delete", "--force", bundle.id) == ""


@pytest.mark.parametrize(("seconds", "problem"), [("30", "took longer than its timeout of 1 s"), ("0.1", "")])
def test_a_timeout_may_be_longer_than_one_poll(monkeypatch: pytest.MonkeyPatch, seconds: str, problem: str) -> None:
    monkeypatch.setattr(record, "LONGEST_MILLISECONDS", 20)
    sleeping = Hook(path="/bin/sleep", args=("sleep", seconds), timeout=1)
    found = hooks.run_all((sleeping,), "poststop", {})
    assert found == ([f"hooks.poststop[0]: /bin/sleep {problem}"] if problem else [])


def test_a_failing_start_container_hook_stops_the_start(bundle: Bundle) -> None:
    bundle.config["hooks"] = {"startContainer": [{"path": "/bin/busybox", "args": ["false"]}]}
    bundle.args("/bin/sleep", "100").create()
    done = bundle.call("start", bundle.id)
    assert (done.returncode, "hooks.startContainer[0]" in done.stderr) == (1, True)
    bundle.until("stopped")


def test_a_failing_poststart_hook_is_a_warning(bundle: Bundle) -> None:
    bundle.config["hooks"] = {"poststart": [{"path": "/bin/false"}]}
    bundle.args("/bin/sleep", "100").start()
    assert bundle.status() == "running"


@pytest.mark.parametrize(("kind", "value"), [("createRuntime", "runtime"), ("createContainer", "container")])
def test_a_hook_without_an_environment_has_that_of_its_namespace(bundle: Bundle, kind: str, value: str) -> None:
    script = f'echo "$WHOSE" > {bundle.directory}/whose'
    bundle.config["hooks"] = {kind: [{"path": "/bin/sh", "args": ["sh", "-c", script]}]}
    bundle.process["env"].append("WHOSE=container")
    bundle.args("/bin/sh", "-c", "exit 0").write()
    words = ("run", "-b", str(bundle.directory), bundle.id)
    assert bundle.call(*words, env={**os.environ, "WHOSE": "runtime"}).returncode == 0
    assert (bundle.directory / "whose").read_text() == f"{value}\n"


def test_a_hook_that_is_not_there_is_refused_by_its_place(bundle: Bundle) -> None:
    bundle.config["hooks"] = {"prestart": [{"path": "/bin/true"}, {"path": "/nothere"}]}
    assert bundle.args("/bin/sleep", "100").refusal().startswith("hooks.prestart[1]: /nothere")
