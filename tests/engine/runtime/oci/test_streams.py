"""Standard streams that are closed, full, or read by nobody any more."""

from __future__ import annotations

import os
import shlex
import signal
import subprocess
import time
from pathlib import Path

import pytest

from tests.engine.runtime.oci.bundles import COMMAND, SECONDS, Bundle

pytestmark = pytest.mark.root


@pytest.fixture
def sleeping(bundle: Bundle) -> Bundle:
    bundle.args("/bin/sleep", "100").start()
    return bundle


def shell(bundle: Bundle, words: str, redirection: str) -> tuple[int, str]:
    """Exit code and stderr of a command whose streams the shell redirects."""
    command = f"{shlex.join([*COMMAND, '--root', str(bundle.root)])} {words} {redirection}"
    with (bundle.directory / "told").open("w") as told:
        done = subprocess.run(
            ["bash", "-c", command], check=False, stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL, stderr=told, timeout=SECONDS,
        )  # fmt: skip
    return done.returncode, (bundle.directory / "told").read_text()


@pytest.mark.parametrize("closed", ["<&-", ">&-", "2>&-", "<&- >&- 2>&-"])
def test_a_container_is_created_with_streams_closed_and_finds_them_open(bundle: Bundle, closed: str) -> None:
    bundle.args("/bin/sleep", "100").write()
    assert shell(bundle, f"create --bundle {bundle.directory} {bundle.id}", closed) == (0, "")
    bundle.succeed("start", bundle.id)
    script = "for fd in 0 1 2; do busybox readlink /proc/1/fd/$fd; done"
    found = bundle.succeed("exec", bundle.id, "/bin/sh", "-c", script).split()
    for number, stream in enumerate(("<", ">", "2>")):
        if f"{stream}&-" in closed.split():
            assert found[number] == "/dev/null", found


@pytest.mark.parametrize("closed", ["<&-", ">&-", "2>&-"])
def test_run_and_exec_answer_with_the_exit_code_though_a_stream_is_closed(sleeping: Bundle, closed: str) -> None:
    assert shell(sleeping, f"exec {sleeping.id} /bin/sh -c 'exit 5'", closed)[0] == 5
    other = Bundle(sleeping.directory, sleeping.image)
    other.args("/bin/sh", "-c", "exit 6").write()
    assert shell(other, f"run --bundle {other.directory} {other.id}", closed)[0] == 6


@pytest.mark.parametrize("words", ["state {}", "list", "list --format json", "ps {}", "events --stats {}", "features"])
def test_a_full_stdout_is_an_error_that_says_so(sleeping: Bundle, words: str) -> None:
    assert shell(sleeping, words.format(sleeping.id), ">/dev/full") == (1, "stdout: No space left on device\n")


@pytest.mark.parametrize("words", ["state {}", "list", "events --interval 10ms {}", "features"])
def test_who_reads_no_more_hears_nothing(sleeping: Bundle, words: str) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    done = sleeping.call(
        *words.format(sleeping.id).split(), capture_output=False, stdout=writer, stderr=subprocess.PIPE
    )
    os.close(writer)
    assert (done.returncode, done.stderr) == (1, "")


def test_a_stderr_that_is_full_changes_nothing(bundle: Bundle) -> None:
    bundle.process["capabilities"]["bounding"].append("CAP_NOTHERE")  # which is warned of
    bundle.args("/bin/sh", "-c", "exit 5").write()
    assert shell(bundle, f"run --bundle {bundle.directory} {bundle.id}", "2>/dev/full")[0] == 5
    assert shell(bundle, "state nothere", "2>/dev/full")[0] == 1


@pytest.mark.parametrize("words", [["events"], ["update", "--resources", "-"]])
def test_an_interrupt_ends_a_command_without_a_traceback(bundle: Bundle, words: list[str]) -> None:
    bundle.args("/bin/sleep", "100").start()
    command = [*COMMAND, "--root", str(bundle.root), *words, bundle.id]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    # Who starts the tests in the background of a shell has them ignore interrupts.
    heeding = {"preexec_fn": lambda: signal.signal(signal.SIGINT, signal.SIG_DFL)}
    with subprocess.Popen(command, **pipes, **heeding) as waiting:  # type: ignore[call-overload]
        time.sleep(0.7)  # wherever it is by then, but for the interpreter's own beginning
        await_sleep(waiting.pid)
        waiting.send_signal(signal.SIGINT)
        assert waiting.communicate(timeout=60)[1] == b""
    assert waiting.returncode == -signal.SIGINT


def await_sleep(pid: int) -> None:
    """Until that process has been found asleep ten times in a row: it waits for something."""
    asleep, deadline = 0, time.monotonic() + 60
    while asleep < 10 and time.monotonic() < deadline:
        time.sleep(0.02)
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
        asleep = asleep + 1 if state == "S" else 0
