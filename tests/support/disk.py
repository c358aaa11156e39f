"""A disk of its own for a home: small enough to be filled, and one whose power can be cut.

ext4 on a loop device. A cut is ext4's own shutdown (EXT4_IOC_SHUTDOWN, as xfstests uses it): from that moment nothing
more reaches the device, neither what waits in the page cache nor the file system's open transaction. What it does not
show is a disk that forgets what it has said it had written.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import struct
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from engine import quotas
from tests.support.engine import Host
from tests.support.home import Home

_SHUTDOWN = 0x8004587D  # _IOR('X', 125, __u32): linux/ext4.h
_NO_LOG_FLUSH = 2
COUNTING = {
    "ext4": (("mkfs.ext4", "-q", "-F", "-m", "0", "-O", "quota,project"), "loop,prjquota"),
    "xfs": (("mkfs.xfs", "-q", "-f"), "loop,prjquota"),
}
"""File systems with project quotas: how one is made, and mounted."""


class Disk:
    """Mounted at `path`, with mount options; `make`: the program that puts a file system on it."""

    def __init__(
        self, megabytes: int, *, make: Sequence[str] = ("mkfs.ext4", "-q", "-F", "-m", "0"), options: str = "loop"
    ) -> None:
        self._options = options
        self._directory = Path(tempfile.mkdtemp(prefix="psd-"))
        self._device, self.path = self._directory / "disk", self._directory / "m"
        self.path.mkdir()
        with self._device.open("wb") as file:
            file.truncate(megabytes << 20)
        try:
            subprocess.run([*make, self._device], check=True, capture_output=True)
            self.mount()
        except BaseException:
            self.close()
            raise

    @classmethod
    def counting(cls, kind: str) -> Disk:
        """One of `COUNTING`; the test is skipped where the kernel has no such quotas."""
        make, options = COUNTING[kind]
        reason = f"this kernel, or this machine, has no quotas of {kind}: `make test-v2` has"
        try:
            disk = cls(400, make=make, options=options)
        except (OSError, subprocess.CalledProcessError):
            pytest.skip(reason)
        if not quotas.is_enforced(disk.path):
            disk.close()
            pytest.skip(reason)
        return disk

    def mount(self) -> None:
        subprocess.run(["mount", "-o", self._options, self._device, self.path], check=True)

    def power_up(self) -> None:
        """After a cut, once all processes are gone: mount what is on the device, which nothing can change any more.

        A copy of it: the device itself is free only when the last namespace that saw the mount has gone.
        """
        subprocess.run(["umount", "-R", "-l", self.path], check=True)
        copy = self._directory / "copy"
        subprocess.run(["cp", "--sparse=always", self._device, copy], check=True)
        copy.rename(self._device)
        self.mount()

    def cut_power(self) -> None:
        """Whoever uses it from now on meets EIO."""
        descriptor = os.open(self.path, os.O_RDONLY)
        try:
            fcntl.ioctl(descriptor, _SHUTDOWN, struct.pack("I", _NO_LOG_FLUSH))
        finally:
            os.close(descriptor)

    def fill(self, leave_bytes: int = 0) -> Path:
        """Take all its room but `leave_bytes`; the file that does."""
        path = self.path / "filler"
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT, 0o600)
        try:
            for size in (1 << 20, 1 << 12, 1):
                with contextlib.suppress(OSError):
                    while True:
                        os.write(descriptor, bytes(size))
            os.ftruncate(descriptor, os.fstat(descriptor).st_size - leave_bytes)
        finally:
            os.close(descriptor)
        return path

    def close(self) -> None:
        subprocess.run(["umount", "-R", "-l", self.path], check=False, capture_output=True)
        subprocess.run(["rm", "-rf", self._directory], check=False)


@contextlib.contextmanager
def host_on(disk: Disk, image: str) -> Iterator[tuple[Disk, Host]]:
    """A host whose home is all of `disk`, which goes with it."""
    (disk.path / "h").mkdir()
    home = Home(disk.path / "h")
    try:
        yield disk, Host(home, image)
    finally:
        home.destroy()
        disk.close()
