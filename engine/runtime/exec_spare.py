"""A directory of a container's, `exec.spare`, and two files in it, left by an exec that is over for the next one.

To make and to remove them takes a sixth of an exec.
"""

from __future__ import annotations

import contextlib
import os
import re
from pathlib import Path

from engine.runtime import kernel, record

NOTE_FILE = "note.json"
_SPARE = f"{record.EXECS}.spare"
_EXIT = re.compile(r"exit\.[0-9]+")


def is_taken(container_dir: Path, directory: str) -> bool:
    """Whether the spare directory, if there is one, is `directory` now. FileExistsError if that is there."""
    spare = f"{container_dir}/{_SPARE}"
    try:
        os.utime(spare)  # as old as one that is made now: who looks for what was left behind goes by that
        kernel.rename_new(spare, directory)
    except FileExistsError:
        raise
    except OSError:  # there is none, or another was faster
        return False
    return True


def is_given(container_dir: Path, directory: str) -> bool:
    """Whether the directory of an exec is the spare one now: if that is over, and its end was written down.

    That was the last that its parent wrote into what it has open. Others write by the path, which is gone. The parent
    of one that took longer is the program in C, which leaves the spare file as it is.
    """
    with contextlib.suppress(OSError):
        names = {*os.listdir(directory)}
        ends = [name for name in names if _EXIT.fullmatch(name)]
        if len(ends) != 1 or names - {*ends, record.RUN_FILE, NOTE_FILE, record.SPARE_EXIT}:
            return False
        os.rename(f"{directory}/{record.RUN_FILE}", f"{directory}/{record.SPARE_RUN}")  # first: there is no exec now
        os.rename(f"{directory}/{ends[0]}", f"{directory}/{record.SPARE_EXIT}")
        if NOTE_FILE in names:
            os.unlink(f"{directory}/{NOTE_FILE}")
        os.rename(directory, f"{container_dir}/{_SPARE}")  # fails if there is one
        return True
    return False
