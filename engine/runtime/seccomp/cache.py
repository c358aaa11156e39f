"""Compiled filters on disk, so that a start only reads one."""

from __future__ import annotations

import hashlib
import json
import os
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from engine.runtime.seccomp.compiler import compile_filter

FORMAT = 3  # rises when the compiler makes a different program of the same profile


def cached_filter(directory: Path, seccomp: Mapping[str, Any]) -> Path:
    """The file with the program for this machine, in `directory`; compiled if it isn't there yet."""
    machine = os.uname().machine
    content = json.dumps([FORMAT, machine, seccomp], sort_keys=True, separators=(",", ":"))
    path = directory / f"seccomp-{hashlib.sha256(content.encode()).hexdigest()[:24]}.bpf"
    if not path.exists():
        directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        temporary = path.with_suffix(f".{os.getpid()}.{threading.get_ident()}")
        with temporary.open("wb") as file:
            file.write(compile_filter(seccomp, machine))
            file.flush()
            os.fsync(file.fileno())  # after a power cut an empty file of this name would stop every start
        temporary.rename(path)
    return path
