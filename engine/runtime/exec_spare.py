"""One empty directory of a container's, `exec.spare`, left by an exec that is over for the next one.

To make a directory and to remove it takes a tenth of an exec.
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

    That was the last that its parent wrote into what it has open. Others write by the path, which is gone.
    """
    with contextlib.suppress(OSError):
        names = os.listdir(directory)
        if not any(map(_EXIT.fullmatch, names)) or not all(_is_known(name) for name in names):
            return False
        for name in sorted(names, reverse=True):  # run.json first: without it there is no exec
            os.unlink(f"{directory}/{name}")
        os.rename(directory, f"{container_dir}/{_SPARE}")  # one that is there is empty, and gives way
        return True
    return False


def _is_known(name: str) -> bool:
    return name in (record.RUN_FILE, NOTE_FILE) or _EXIT.fullmatch(name) is not None
