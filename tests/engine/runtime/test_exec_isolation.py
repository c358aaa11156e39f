"""What a container's processes see of an exec before it is one of them: nothing of the host's."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from engine.errors import InvalidArgument
from engine.runtime import exec_fork
from engine.runtime.execs import Stdio
from tests.engine.runtime import execs
from tests.engine.runtime.box import Box
from tests.engine.runtime.conftest import MakeBox

pytestmark = pytest.mark.root

# Looks at every process but process 1 and itself, as often as it can: where is it, what is it, what does it hold?
SPY = r"""
busybox mkdir -p /tmp/seen
while [ ! -e /gate/open ]; do
  for p in /proc/[0-9]*; do
    n=${p#/proc/}
    [ $n = 1 ] && continue
    [ $n = $$ ] && continue
    for l in $p/exe $p/cwd $p/root $p/fd/*; do
      t=$(busybox readlink $l 2>/dev/null) && echo "${l#$p/} $t" >> /tmp/seen/$n
    done
  done
done
"""


@pytest.fixture(params=["plain", "traced"])
def watched(request: pytest.FixtureRequest, make_box: MakeBox) -> Iterator[Box]:
    box = make_box()
    extra = execs.TRACED if request.param == "traced" else {}
    box.run("/bin/sh", "-c", SPY, collect=False, **extra)
    yield box


def test_no_file_of_the_host_is_ever_seen_through_it(watched: Box) -> None:
    read, write = os.pipe()
    for _ in range(20):
        made = execs.start(watched, "/bin/busybox", "true", stdio=Stdio(stdout=write))
        execs.ended(watched, made)
    os.close(write)
    os.close(read)
    watched.open_gate()
    watched.wait()
    seen = "\n".join(path.read_text() for path in (watched.directory / "upper" / "tmp" / "seen").iterdir())
    host = [line for line in seen.splitlines() if str(watched.config.home) in line or "memfd" in line]
    assert host == []
    for line in seen.splitlines():
        what, _, target = line.partition(" ")
        if what in ("cwd", "root"):
            assert target == "/", line
        elif what.startswith("fd/"):
            known = ("/dev/null", "pipe:", "socket:", "/proc", "/tmp", "/bin/busybox", "/dev/pts", "(unreachable)")
            assert target.startswith(known), line


def test_the_one_that_is_born_guarded_has_the_containers_rights_from_birth(
    idle: Box, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The guarded way is taken where a tracer may live, and only there."""
    request = {"container": str(idle.directory), "privileged": False, "traces": True}
    first = idle.record()["pid"]
    own = os.stat("/proc/self/ns/user").st_ino == os.stat(f"/proc/{first}/ns/user").st_ino
    assert exec_fork.is_guarded(request, first) is own
    mark = idle.directory / exec_fork.PRIVILEGED
    mark.unlink(missing_ok=True)
    assert exec_fork.is_guarded({**request, "traces": False}, first) is False
    assert exec_fork.is_guarded({**request, "traces": False, "privileged": True}, first) is own
    assert exec_fork.is_guarded({**request, "traces": False}, first) is own
    mark.unlink(missing_ok=True)


@pytest.mark.parametrize("kind", ["fifo", "link to a device", "missing"])
def test_a_hostile_passwd_neither_blocks_nor_leads_out(box: Box, kind: str) -> None:
    box.run("/bin/sleep", "1000", collect=False)
    passwd = box.directory / "upper" / "etc" / "passwd"
    script = {"fifo": "mkfifo /etc/passwd", "link to a device": "ln -s /dev/zero /etc/passwd", "missing": ":"}[kind]
    execs.sh(box, f"busybox rm /etc/passwd; busybox {script.replace(':', 'true')}")
    assert passwd.exists() or passwd.is_symlink()
    if kind == "missing":
        assert execs.sh(box, "echo $HOME") == "/\n"
    else:
        with pytest.raises(Exception, match="not a regular file"):
            execs.start(box, "/bin/sh")


def test_a_working_directory_cannot_lead_out_of_the_container(box: Box) -> None:
    box.run("/bin/sleep", "1000", collect=False)
    execs.sh(box, "busybox ln -s /proc/self/fd/7 /tmp/a; busybox ln -s ../../../../../etc /tmp/b")
    assert execs.sh(box, "busybox cat passwd", cwd="/tmp/b") == execs.sh(box, "busybox cat /etc/passwd")
    for path in ("/tmp/a", "/proc/self/fd/7", "/proc/1/root", "/proc/1/cwd"):
        with pytest.raises(Exception, match="working directory"):
            execs.start(box, "/bin/sh", cwd=path)


def test_the_interpreter_can_not_be_had_by_a_script(box: Box) -> None:
    """CVE-2019-5736. That it lies on a read-only mount for whoever reaches it, test_faults.py shows."""
    box.run("/bin/sleep", "1000", collect=False)
    execs.sh(box, "echo '#!/proc/self/exe' > /tmp/x; busybox chmod 755 /tmp/x")
    with pytest.raises(InvalidArgument, match="no such file"):  # it is reached, and finds no loader in this image
        execs.start(box, "/tmp/x")


def test_it_holds_nothing_but_its_standard_descriptors(idle: Box) -> None:
    out = execs.result(idle, "/bin/busybox", "ls", "/proc/self/fd")[1].split()
    assert out == ["0", "1", "2", "3"]  # the last is ls reading the directory
