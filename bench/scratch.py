"""A directory for what a benchmark leaves behind, which goes with the process however it ends (but for kill -9)."""

from __future__ import annotations

import atexit
import shutil
import subprocess
import tempfile
from pathlib import Path


def scratch_directory() -> Path:
    """A new one in the machine's place for such; what is mounted in it by then is unmounted at the end."""
    path = Path(tempfile.mkdtemp(prefix="psb-"))
    atexit.register(_remove, path)
    return path


def _remove(path: Path) -> None:
    lines = Path("/proc/self/mountinfo").read_text().splitlines()
    mounted = [place for line in lines if (place := line.split()[4]).startswith(f"{path}/")]
    for place in reversed(mounted):
        subprocess.run(["umount", "-l", place], check=False, stdin=subprocess.DEVNULL)
    shutil.rmtree(path, ignore_errors=True)
