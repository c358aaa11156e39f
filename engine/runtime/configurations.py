"""Containers' config.json, read for each start: nearly all have the same seccomp profile, which is most of the text."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from engine.errors import DataCorrupt
from engine.runtime.seccomp.cache import cached_filter

_SECCOMP = b'"seccomp":'


class Configurations:
    """Of one home, whose `run` directory holds the compiled filters. Safe for threads."""

    def __init__(self, run: Path) -> None:
        self._run = run
        self._last: tuple[dict[str, Any], Path] | None = None
        self._last_text: tuple[bytes, Path] | None = None

    def read(self, container_dir: Path) -> tuple[dict[str, Any], Path | None]:
        """The config.json without its seccomp profile, and the file of the filter that was compiled of that, if any.

        A profile that was met before is found by its text, and only the rest is parsed. Raises FileNotFoundError,
        DataCorrupt for no JSON, InvalidArgument or Unsupported for a profile that can't be compiled.
        """
        with open(f"{container_dir}/bundle/config.json", "rb") as file:
            text = file.read()
        known = self._last_text
        if known is not None and known[1].exists():
            before, found, after = text.partition(known[0])
            if found:
                spec: dict[str, Any] = json.loads(before + _SECCOMP + b"true" + after)
                if (spec.get("linux") or {}).pop("seccomp", None) is True:  # it was there, and not somewhere else
                    return spec, known[1]
        try:
            spec = json.loads(text)
        except ValueError as error:
            raise DataCorrupt(
                f"the configuration of container {container_dir.name[:12]} can't be read ({error}): make it anew"
            ) from None
        seccomp = (spec.get("linux") or {}).pop("seccomp", None)
        if not seccomp:
            return spec, None
        path = self.filter(seccomp)
        self._last_text = (_SECCOMP + json.dumps(seccomp, separators=(",", ":")).encode(), path)
        return spec, path

    def filter(self, seccomp: dict[str, Any]) -> Path:
        """The compiled filter's file; to compare is cheaper than to hash."""
        known = self._last
        if known is not None and known[0] == seccomp and known[1].exists():
            return known[1]
        path = cached_filter(self._run, seccomp)
        self._last = (seccomp, path)
        return path
