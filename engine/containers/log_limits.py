"""What a container was made with about its log, kept beside it for whoever writes it: `log.json`, missing for most."""

from __future__ import annotations

import json
from pathlib import Path

from engine.options.log_options import LogLimits

FILE = "log.json"


def save(directory: Path, limits: LogLimits) -> None:
    if limits != LogLimits():
        (directory / FILE).write_text(json.dumps({"max_bytes": limits.max_bytes, "keep": limits.keep}))


def load(directory: Path) -> dict[str, int]:
    """`max_bytes` and `keep`, as far as they were given: arguments of a LogWriter."""
    try:
        found = json.loads((directory / FILE).read_bytes())
    except (FileNotFoundError, ValueError):
        return {}
    return {name: int(found[name]) for name in ("max_bytes", "keep") if found.get(name) is not None}
