"""linux.seccomp as the kernel takes it: compiled once for each profile."""

from __future__ import annotations

import os

from engine.bare import contextlib, json
from engine.runtime.wire import Failure

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


def filter_program(root: str, seccomp: dict[str, Any]) -> bytes:
    """The compiled filter, from <root>/.seccomp if it was compiled before: compiling takes longer than all else."""
    from _blake2 import blake2b

    content = json.dumps([2, os.uname().machine, seccomp], sort_keys=True, separators=(",", ":"))
    directory = os.path.join(root, ".seccomp")
    path = os.path.join(directory, f"{blake2b(content.encode(), digest_size=16).hexdigest()}.bpf")
    with contextlib.suppress(FileNotFoundError), open(path, "rb") as file:
        kept = file.read()
        if kept:
            return kept
    from engine.errors import EngineError
    from engine.runtime.seccomp.compiler import compile_filter

    try:
        compiled = compile_filter(seccomp, os.uname().machine)
    except EngineError as error:
        raise Failure(error.family, str(error)) from None
    os.makedirs(directory, mode=0o700, exist_ok=True)
    temporary = f"{path}.{os.getpid()}"
    with open(temporary, "wb") as file:
        file.write(compiled)
    os.rename(temporary, path)
    return compiled
