"""What a container's first process is while it waits for the start."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from engine.errors import InvalidArgument
from tests.engine.runtime.box import BUSYBOX, Box, until

pytestmark = pytest.mark.root


def status(pid: int) -> dict[str, str]:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return {name: value.strip() for name, _, value in (line.partition(":") for line in lines)}


def rights(pid: int) -> tuple[str, ...]:
    found = status(pid)
    return tuple(found[name] for name in ("Uid", "Gid", "Groups", "CapBnd", "NoNewPrivs"))


@pytest.mark.parametrize("user", ["root", "1000:1000"])
def test_it_has_no_more_rights_than_the_program_that_it_becomes(box: Box, user: str) -> None:
    box.create("/bin/sleep", "1000", collect=False, user=user)
    pid = box.created.pid
    until(lambda: status(pid)["NoNewPrivs"] == "1", what=lambda: f"{status(pid)}")
    before, held = rights(pid), status(pid)
    assert not int(held["CapPrm"], 16) & ~int(held["CapBnd"], 16), "a change of user keeps them until the exec"
    assert os.stat(f"/proc/{pid}/fd").st_uid == 0, "it can be dumped, and so traced by who is the same user"
    assert status(pid)["Seccomp"] == "0", "the filter is the last of it"
    box.runtime.start(box.directory)
    assert rights(pid) == before
    assert status(pid)["Seccomp"] == "2"


def test_a_filter_that_takes_the_hosts_rights_to_load_is_loaded_with_them(box: Box) -> None:
    box.create("/bin/sleep", "1000", collect=False, no_new_privileges=False)
    pid = box.created.pid
    box.runtime.start(box.directory)
    assert (status(pid)["NoNewPrivs"], status(pid)["Seccomp"]) == ("0", "2")


def test_a_program_that_comes_before_the_start_is_started(box: Box) -> None:
    """Somebody may put it onto a volume, or into the container."""
    box.create("/gate/busybox-late", "sleep", "1000", collect=False)
    until(lambda: status(box.created.pid)["NoNewPrivs"] == "1")
    shutil.copy(BUSYBOX, box.directory / "gate" / "busybox-late")
    box.runtime.start(box.directory)
    until(lambda: Path(f"/proc/{box.created.pid}/cmdline").read_bytes().startswith(b"/gate/busybox-late\0"))


def test_one_that_does_not_come_is_missed_at_the_start(box: Box) -> None:
    box.create("/bin/never", collect=False)
    with pytest.raises(InvalidArgument, match=r'exec: "/bin/never": stat /bin/never: no such file') as told:
        box.runtime.start(box.directory)
    assert told.value.detail["exit_code"] == 127
