"""Nobody can write to the interpreter through a process that runs from it, whichever way the shield was raised."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from engine.runtime.oci import shield
from tests.engine.runtime.oci.bundles import PROJECT

pytestmark = pytest.mark.root

REPORT = """
import os, sys
print(shield.is_up())
for attempt in (lambda: os.utime('/proc/self/exe'), lambda: os.chmod('/proc/self/exe', 0o755)):
    try:
        attempt()
        print('written')
    except OSError as error:
        print(error.strerror)
print(sys.argv[1:], os.environ.get(shield.AGAIN), [name for name in os.listdir('/proc/self/fd') if int(name) > 3])
os.system('echo and goes on')
"""


def report(before: str, *options: str) -> list[str]:
    code = f"import sys; sys.path.insert(0, {str(PROJECT)!r}); from engine.runtime.oci import shield\n"
    command = [sys.executable, *options, "-c", f"{code}{before}\nshield.raise_shield()\n{REPORT}", "one", "two"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


@pytest.mark.parametrize(
    "before", ["", "shield.MAXIMUM_STUB_BYTES = 0", "shield._described = lambda: bytes(88)"],
    ids=["as it comes", "by a second start", "when the kernel refuses the move"],
)  # fmt: skip
def test_the_interpreters_file_is_read_only_behind_the_shield(before: str) -> None:
    found = report(before, "-S", "-s", "-E")
    assert sorted(found) == sorted(
        ["True", "Read-only file system", "Read-only file system", "['one', 'two'] None []", "and goes on"]
    )


def test_without_a_shield_it_could_be_written_to() -> None:
    assert not shield.is_up()  # of the tests' own interpreter: or the test above would show nothing


@pytest.mark.skipif(
    sum(length for _, length, _, _ in shield._segments()) > shield.MAXIMUM_STUB_BYTES
    or not os.path.exists("/proc/self/timers"),
    reason="this interpreter is no stub around a shared library, or the kernel has no checkpoint and restore",
)
def test_an_interpreter_that_is_a_stub_is_not_started_again() -> None:
    assert "True" in report("import os; os.execve = None", "-S", "-s", "-E")
