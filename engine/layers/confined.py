"""What an unpacker may still do once it is locked into a layer's directory: make files, give them to anybody, no more.

Without CAP_SYS_CHROOT and CAP_SYS_ADMIN there is no way out of a chroot, without CAP_MKNOD no node of a device (a
whiteout, 0:0, needs none since Linux 5.8), without CAP_SYS_PTRACE and CAP_KILL no other user's process is touched. What
it lacks for `trusted.overlay.opaque` its parent does: see `child.py`.
"""

from __future__ import annotations

import ctypes
import os
from collections.abc import Collection

CHOWN, DAC_OVERRIDE, FOWNER, FSETID, SETFCAP = 0, 1, 3, 4, 31  # linux/capability.h
KEPT = (CHOWN, DAC_OVERRIDE, FOWNER, FSETID, SETFCAP)
_PR_SET_DUMPABLE, _PR_CAPBSET_DROP, _PR_SET_NO_NEW_PRIVS, _PR_CAP_AMBIENT, _PR_CAP_AMBIENT_CLEAR_ALL = 4, 24, 38, 47, 4
_VERSION_3 = 0x20080522
_LAST = 63
_libc = ctypes.CDLL(None, use_errno=True)  # loaded while there is a file system to load it from


class _Header(ctypes.Structure):
    _fields_ = [("version", ctypes.c_uint32), ("pid", ctypes.c_int)]


class _Data(ctypes.Structure):
    _fields_ = [(name, ctypes.c_uint32) for name in ("effective", "permitted", "inheritable")]


def confine(kept: Collection[int] = KEPT) -> None:
    """Give up every capability but `kept`, for good: in all sets, and for whatever would be executed (capset(2)).

    A container that sees the host's processes (--pid host) and has no fewer capabilities could go by this one's
    /proc/PID/root then, and leave the chroot, since it is root's as well: so nobody may look into it without
    CAP_SYS_PTRACE (ptrace(2), "Ptrace access mode checking").
    Raises OSError. Called while the process has one thread: others would keep theirs.
    """
    mask = sum(1 << number for number in kept)
    for number in range(_LAST + 1):
        if not mask >> number & 1 and _libc.prctl(_PR_CAPBSET_DROP, number, 0, 0, 0):
            break  # the kernel knows no capability of this number, nor a higher one
    _libc.prctl(_PR_CAP_AMBIENT, _PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0)
    header, halves = _Header(_VERSION_3, 0), (_Data * 2)()
    failed = _libc.capget(ctypes.byref(header), halves)
    for half, bits in zip(halves, (mask & 0xFFFFFFFF, mask >> 32), strict=True):
        half.effective = half.permitted = half.permitted & bits  # what we never had can't be kept
        half.inheritable = 0
    failed = failed or _libc.capset(ctypes.byref(header), halves)
    failed = failed or _libc.prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0)
    if failed or _libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0):
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()), "capset")
