"""Build monitor.c and init.c once per machine, where there is a C compiler."""

from __future__ import annotations

import hashlib
import os
import platform
import shutil
import subprocess
import threading
from pathlib import Path

FLAGS = [
    "-Os",
    "-static",
    "-nostdlib",
    "-ffreestanding",
    "-fno-stack-protector",
    "-fno-asynchronous-unwind-tables",
    "-fno-pic",
    "-no-pie",
    "-Wl,-z,noseparate-code",
    "-Wl,--build-id=none",
    "-Wl,-n",
    "-s",
]


def monitor_program(directory: Path) -> Path | None:
    """The monitor's program in `directory`; None where no compiler can build it."""
    return _program(directory, "monitor", 0o700)


def init_program(directory: Path) -> Path | None:
    """The program for process 1 in `directory`, for every user to run; None where no compiler can build it."""
    return _program(directory, "init", 0o755)


def _program(directory: Path, name: str, mode: int) -> Path | None:
    """Named by its source's hash. Safe to call from several processes: the program appears by rename."""
    path = Path(__file__).with_name(f"{name}.c")
    source = path.read_bytes()
    key = hashlib.sha256(source + " ".join(FLAGS).encode() + platform.machine().encode()).hexdigest()[:16]
    program = directory / f"{name}-{key}"
    if program.exists():
        return program
    compiler = shutil.which("cc") or shutil.which("gcc") or shutil.which("clang")
    if compiler is None:
        return None
    temporary = directory / f"{program.name}.{os.getpid()}.{threading.get_ident()}"
    command = [compiler, *FLAGS, "-o", str(temporary), str(path)]
    done = subprocess.run(command, capture_output=True, check=False, timeout=60)
    if done.returncode != 0:
        temporary.unlink(missing_ok=True)
        return None
    temporary.chmod(mode)
    with temporary.open("rb") as file:
        os.fsync(file.fileno())
    temporary.rename(program)
    return program
