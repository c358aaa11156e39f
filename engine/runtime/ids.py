"""Ranges of the host's user and group ids, one per container that has a user namespace of its own.

No two containers that live share a range, whichever homes of this machine they belong to and whoever was killed:

- A launcher hands out ranges of blocks that it holds by a lock (fcntl(2), open file description locks) on bytes
  of one file; the byte's offset is the id. The kernel drops the lock with the last process that has the file open,
  and a create keeps it open until its container's first process is there.
- Which ranges of a block are in use is asked of the kernel, once, when the block is taken: /proc/*/uid_map of every
  process tells. So containers of a killed launcher are found again by whoever comes next.

docs/adr/0010-a-user-namespace-per-container.md says why these ids.
"""

from __future__ import annotations

import fcntl
import os

from engine.bare import contextlib, struct
from engine.runtime.wire import Failure

TYPE_CHECKING = False
if TYPE_CHECKING:
    from engine.runtime.identity import Identity

COUNT = 65536
FIRST, END = 0x77390000, 0x7FFE0000
"""2,000,224,256 to 2,147,352,575: above FreeIPA's and SSSD's ids, below systemd's foreign ones and 2^31."""
BLOCK = 16
LOCK = "/run/portside-ids.lock"
USER = "portside"
_F_OFD_SETLK = 37
_SUBORDINATE = ("/etc/subuid", "/etc/subgid")


class Ranges:
    """What one launcher may give out. `lock`: the machine's file; `starts`: the first id of each range."""

    def __init__(self, lock: str = LOCK, starts: list[int] | None = None) -> None:
        starts = configured() if starts is None else starts
        self.lock = os.open(lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        self._blocks = [starts[at : at + BLOCK] for at in range(0, len(starts), BLOCK)]
        begin = int.from_bytes(os.urandom(4), "little") % max(1, len(self._blocks))
        self._blocks = self._blocks[begin:] + self._blocks[:begin]  # far from those who see neither file nor processes
        self._ours: list[int] = []
        self._free: list[int] = []
        self._held: set[int] = set()

    def take(self) -> int | None:
        """The first id of a range in which nobody lives; None if there is none left."""
        if not self._free and not self._take_block():
            self._look_again()
        if not self._free:
            return None
        first = self._free.pop(0)
        self._held.add(first)
        return first

    def give_back(self, first: int) -> None:
        """Nobody lives in this range any more."""
        if first in self._held:
            self._held.remove(first)
            self._free.append(first)  # the one that was free for longest is the next

    def doubt(self, first: int) -> None:
        """Somebody may still live in this range: it is looked for before the range is given out again."""
        self._held.discard(first)

    def _take_block(self) -> bool:
        """Another block, with something free in it."""
        for block in list(self._blocks):
            try:
                self._acquire(block[0], block[-1] + COUNT - block[0])
            except OSError:
                continue  # somebody else's
            self._blocks.remove(block)
            used = lived_in()
            self._ours += block
            self._free = [first for first in block if first not in used]
            if self._free:
                return True
        return False

    def _acquire(self, start: int, length: int) -> None:
        fcntl.fcntl(self.lock, _F_OFD_SETLK, struct.pack("@hhqqi4x", fcntl.F_WRLCK, os.SEEK_SET, start, length, 0))

    def _look_again(self) -> None:
        used = lived_in() | self._held
        self._free = [first for first in self._ours if first not in used]


def refuse_strangers(who: Identity) -> None:
    """Failure for a user or a group that a container with such a range has not."""
    if max(who.uid, who.gid, *who.groups) >= COUNT:
        raise Failure(
            "invalid_argument",
            f"user: a user namespace has ids from 0 to {COUNT - 1}; choose others, or let the container do without "
            "(userns: host)",
        )


def lived_in() -> set[int]:
    """The first host id of every user namespace's mapping of `COUNT` ids in which a process lives."""
    found = set()
    for name in os.listdir("/proc"):
        if name.isdigit():
            with contextlib.suppress(OSError, ValueError, IndexError), open(f"/proc/{name}/uid_map") as file:
                _, outside, count = file.readline().split()
                if int(count) == COUNT:
                    found.add(int(outside))
    return found


def configured() -> list[int]:
    """The ranges of user `portside` in /etc/subuid and /etc/subgid, if both have the same; else ours of others' ids."""
    users, groups = (_entries(path) for path in _SUBORDINATE)
    own = [(first, count) for name, first, count in users if name == USER and (name, first, count) in groups]
    if own:
        return [first for start, count in own for first in range(start, start + count - COUNT + 1, COUNT)]
    taken = [(first, first + count) for _, first, count in users + groups]
    return [
        first
        for first in range(FIRST, END, COUNT)
        if not any(first < end and start < first + COUNT for start, end in taken)
    ]


def _entries(path: str) -> list[tuple[str, int, int]]:
    """subuid(5): name, first id, count; lines that are none are left out."""
    entries = []
    with contextlib.suppress(OSError), open(path) as file:
        for line in file:
            with contextlib.suppress(ValueError):
                name, first, count = line.strip().split(":")
                entries.append((name, int(first), int(count)))
    return entries
