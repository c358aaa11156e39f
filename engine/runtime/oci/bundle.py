"""A bundle's config.json: read once, typed by engine.oci.runtime_spec, and as the plain document beside it."""

from __future__ import annotations

import os

from engine.bare import json
from engine.errors import EngineError
from engine.oci import runtime_spec
from engine.oci.runtime_process import Process
from engine.oci.runtime_resources import Resources
from engine.runtime.wire import Failure

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

CONFIG = "config.json"


def load(
    bundle: str, name: str = CONFIG, warn: Callable[[str], None] | None = None
) -> tuple[runtime_spec.Spec, dict[str, Any]]:
    """(typed, plain). `name`: relative to the bundle. Failure names the file or the field that is wrong.

    `warn`: told what can't be granted, which is left out (`grantable.sift`); None: all has been granted before.
    """
    document = _document(os.path.join(bundle, name))
    if warn is not None:
        _sift(document.get("process"), warn)
    try:
        return runtime_spec.Spec.read(document, ""), document
    except EngineError as error:
        raise Failure(error.family, str(error)) from None


def keep(document: dict[str, Any], directory: str) -> None:
    """Copy the document to where `load` finds it from now on: once a container is created, changes of its bundle's
    config.json must not affect it (runtime.md "Lifecycle"). For its owner alone, since an environment holds secrets.
    """
    fd = os.open(os.path.join(directory, CONFIG), os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    with open(fd, "w") as file:
        file.write(json.dumps(document, separators=(",", ":")))


def load_process(path: str, warn: Callable[[str], None]) -> Process:
    """The same for a file that holds a `process` alone (exec --process)."""
    try:
        return read_process(_document(path), warn)
    except Failure as failure:
        if str(failure).startswith(path):
            raise
        raise Failure(failure.family, f"{path}: {failure}") from None


def read_process(document: dict[str, Any], warn: Callable[[str], None]) -> Process:
    _sift(document, warn)
    try:
        return Process.read(document, "process")
    except EngineError as error:
        raise Failure(error.family, str(error)) from None


def _sift(process: object, warn: Callable[[str], None]) -> None:
    from engine.runtime.oci import grantable

    for problem in grantable.sift(process):
        warn(problem)


def decode(data: bytes | str, name: str) -> dict[str, Any]:
    """A JSON object. `name`: where it is from, for the Failure."""
    try:
        return runtime_spec.decode(data, name)
    except EngineError as error:
        raise Failure(error.family, str(error)) from None


def read_resources(document: dict[str, Any], memory_limit: int | None) -> Resources:
    """A `linux.resources` object (update --resources).

    `memory_limit`: the present one, in bytes; it is what memory.swap, the sum of memory and swap, is checked against
    where the object names no other.
    """
    try:
        memory = document.get("memory")
        if memory_limit is not None and isinstance(memory, dict) and memory.get("swap") is not None:
            memory.setdefault("limit", memory_limit)
        return Resources.read(document, "linux.resources")
    except EngineError as error:
        raise Failure(error.family, str(error)) from None


def _document(path: str) -> dict[str, Any]:
    try:
        with open(path, "rb") as file:
            return runtime_spec.decode(file.read(runtime_spec.MAXIMUM_BYTES + 1), path)
    except OSError as error:
        raise Failure("not_found", f"{path}: {error.strerror}") from None
    except EngineError as error:
        raise Failure(error.family, str(error)) from None
