"""Whatever is killed and whenever: a delete afterwards leaves nothing of a container on the machine."""

from __future__ import annotations

import os
import random
import subprocess
import time
from pathlib import Path

import pytest

from tests.engine.runtime.box import until
from tests.engine.runtime.oci.bundles import COMMAND, Bundle, groups_of

pytestmark = pytest.mark.root

CYCLES = int(os.environ.get("PORTSIDE_OCI_CYCLES", "25"))


def left_of(bundle: Bundle) -> dict[str, object]:
    """What its containers could leave behind."""
    groups = [str(path) for path in groups_of(f"{bundle.id}-*")]
    directory = str(bundle.directory)
    mounts = [line for line in Path("/proc/self/mountinfo").read_text().splitlines() if directory in line]
    return {"groups": groups, "mounts": mounts}


def processes_of(directory: Path) -> list[int]:
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                if str(directory).encode() in (entry / "cmdline").read_bytes() and int(entry.name) != os.getpid():
                    found.append(int(entry.name))
            except OSError:
                continue
    return found


def test_cycles_with_kills_of_the_caller_leave_nothing(bundle: Bundle) -> None:
    dice = random.Random(7)
    bundle.args("/bin/sleep", "1000").write()
    create = [*COMMAND, "--root", str(bundle.root), "create", "-b", str(bundle.directory)]
    nothing = {"stdin": subprocess.DEVNULL, "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    began = time.monotonic()
    subprocess.run([*create, f"{bundle.id}-whole"], check=True, timeout=60, **nothing)
    whole = time.monotonic() - began  # on this machine and now: most are killed before they are through
    bundle.succeed("delete", "--force", f"{bundle.id}-whole")
    survived = 0
    for number in range(CYCLES):
        identity = f"{bundle.id}-{number}"
        with subprocess.Popen([*create, identity], **nothing) as creator:
            try:
                creator.wait(dice.uniform(0.2, 1.5) * whole)
            except subprocess.TimeoutExpired:
                creator.kill()
        if bundle.call("start", identity).returncode == 0:
            survived += 1
            bundle.succeed("kill", identity, "KILL")
        bundle.succeed("delete", "--force", identity)
    assert [path.name for path in bundle.root.iterdir() if path.name != ".seccomp"] == []
    until(lambda: processes_of(bundle.root) == [])
    assert left_of(bundle) == {"groups": [], "mounts": []}
    assert survived < CYCLES
