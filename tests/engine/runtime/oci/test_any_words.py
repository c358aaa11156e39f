"""Any command line ends with an exit code of the table and one line of explanation, never with a crash."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from engine.runtime.oci import command_line, ending, foreground, offering, updating, usage, verbs

OPTIONS = sorted(
    {f"--{name}" if len(name) > 1 else f"-{name}" for known, _ in verbs.VERBS.values() for name in known}
    | {f"--{name}" for name in command_line.GLOBAL if len(name) > 1 and name not in ("root", "log")}
)
VALUES = ("", "x", "0", "-1", "1.5", "9" * 5000, "²", "json", "table", "..", "/", "a=b", "/nothere", "-", "--", "=",
          "SIGTERM", "SIGRTMIN+99", "RTMAX-5", "true", "{}", "pids:..", "\udcff", "ä", "a\nb")  # fmt: skip
WORDS = st.one_of(
    st.just("x"),
    st.sampled_from(OPTIONS),
    st.sampled_from(VALUES),
    st.builds(lambda option, value: f"{option}={value}", st.sampled_from(OPTIONS), st.sampled_from(VALUES)),
    st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=12),
)
LOADED = (ending, foreground, updating, usage)
"""What the commands import: once here, not in every child."""
LINES = st.tuples(st.lists(WORDS, max_size=1), st.sampled_from(sorted(verbs.VERBS)), st.lists(WORDS, max_size=5))


def run(words: list[str], directory: Path) -> tuple[int, str]:
    """(exit code, what it said) of a child that has everything loaded: a command may close what it didn't open."""
    said = directory / "said"
    pid = os.fork()
    if pid == 0:
        code = 99
        try:
            out = os.open(said, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
            for fd in (1, 2):
                os.dup2(out, fd)
            os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
            sys.stdout = sys.stderr = os.fdopen(2, "w", buffering=1, errors="backslashreplace", closefd=False)
            os.chdir(directory)
            code = command_line.main(["--root", str(directory / "root"), *words])
        except BaseException as error:
            sys.stderr.write(f"crashed: {error!r}")
        finally:
            os._exit(code)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), said.read_text(errors="replace")


def put_container(root: Path) -> None:
    """One named x that has stopped: what a command does before it looks at the process is done for it too."""
    (root / "x").mkdir(parents=True, exist_ok=True)
    (root / "x" / "state.json").write_text(json.dumps({"id": "x", "bundle": "/", "status": "created", "groups": {}}))
    (root / "x" / "config.json").write_text(json.dumps(offering.example(rootless=False)))


@settings(
    max_examples=100, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(LINES)
def test_any_words_end_with_a_code_and_a_reason(tmp_path: Path, line: tuple[list[str], str, list[str]]) -> None:
    before, command, after = line
    (tmp_path / "config.json").unlink(missing_ok=True)  # what `spec` may have made
    put_container(tmp_path / "root")
    code, said = run([*before, command, *after], tmp_path)
    assert "crashed" not in said, (line, said)
    assert code in (0, 1, 126, 127, 255), (line, code, said)
    assert code == 0 or said.strip(), line
    assert not [found for found in (tmp_path / "root").glob("*") if found.name not in (".seccomp", "x")], line


@pytest.mark.parametrize("command", sorted(verbs.VERBS))
def test_every_command_explains_itself(tmp_path: Path, command: str) -> None:
    code, said = run([command, "--help"], tmp_path)
    assert (code, command in said) == (0, True)


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (["exec", "--user", "²", "x", "y"], "--user: '²' is not a number"),
        (["exec", "--user", "9" * 5000, "x", "y"], "--user"),
        (["exec", "--user", "0:²", "x", "y"], "--user"),
        (["exec", "--additional-gids", "²", "x", "y"], "--additional-gids"),
        (["exec", "--env", "=x", "x", "y"], "process.env"),
        (["exec", "--process", "/dev/zero", "x"], "bytes are refused"),
        (["update", "--resources", "/dev/zero", "x"], "bytes are refused"),
        (["update", "--memory", "9" * 5000, "x"], "--memory"),
        (["update", "--pids-limit", "²", "x"], "--pids-limit"),
        (["kill", "x", "²"], "unknown signal '²'"),
        (["kill", "x", "65"], "unknown signal '65'"),
        (["kill", "x", "SIG_IGN"], "unknown signal"),
        (["kill", "x", "RTMIN+31"], "unknown signal"),
        (["kill", "x", "RTMIN-1"], "unknown signal"),
        (["kill", "x", "RTMAX-31"], "unknown signal"),
        (["kill", "x", "TERM+1"], "unknown signal"),
        (["events", "--interval", "²", "x"], "--interval"),
        (["events", "--interval", "1e5", "x"], "--interval"),
        (["events", "--interval", "9" * 400, "x"], "--interval"),
        (["ps", "--format", "xml", "x"], "--format"),
        (["state", "x", "y"], "state has no use for 'y'; usage: state ID"),
        (["delete", "--force", "x", "y"], "delete has no use for 'y'; usage: delete ID"),
        (["create", "x", "y"], "create has no use for 'y'; usage: create ID"),
        (["kill", "x", "KILL", "y"], "kill has no use for 'y'; usage: kill ID [SIGNAL]"),
        (["kill", "-s", "KILL", "x", "TERM"], "kill has no use for 'TERM'; usage: kill --signal SIGNAL ID"),
        (["list", "x"], "list has no use for 'x'; usage: list"),
        (["exec", "--process", "f", "x", "y"], "exec has no use for 'y'; usage: exec --process FILE ID"),
        (["--root", "config.json", "list"], "/config.json is not a directory"),
        (["--root", "config.json/below", "create", "x"], "config.json"),
    ],
)
def test_what_means_nothing_is_refused_in_words(tmp_path: Path, words: list[str], reason: str) -> None:
    put_container(tmp_path / "root")
    (tmp_path / "config.json").write_text(
        '{"ociVersion": "1.2.0", "root": {"path": "x"}, "linux": {"namespaces": [{"type": "mount"}]}}'
    )
    code, said = run(words, tmp_path)
    assert (code, reason in said, "crashed" in said) == (255 if words[0] == "exec" else 1, True, False), said
