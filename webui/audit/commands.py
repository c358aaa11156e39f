"""What the log says of a job's command: all that was asked for, values that may be secret left out."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from webui.audit.tracking import HIDDEN

SECRET_VALUES = frozenset({"env", "build_args", "secrets"})
"""Fields whose names may be known and whose values may be passwords."""
SECRET_LINES = frozenset({"changes"})
"""Instructions of a Dockerfile, which may set variables: the first word of each may be known."""
SECRET = frozenset({"username", "password", "access_key", "secret_key", "token"})
SIZE_MAXIMUM = 8000


def command_shown(command: Mapping[str, Any]) -> dict[str, Any]:
    """A command in its wire form without what was left at nothing; one that is too long is cut to its short fields."""
    shown = {name: _shown(name, value) for name, value in command.items() if name != "kind" and not _is_nothing(value)}
    if len(json.dumps(shown)) > SIZE_MAXIMUM:
        shown = {name: value for name, value in shown.items() if len(json.dumps(value)) < 200}
    return shown


def _is_nothing(value: Any) -> bool:
    return value is None or value is False or value in ("", [], {})


def _shown(name: str, value: Any) -> Any:
    if name in SECRET:
        return HIDDEN
    if isinstance(value, Mapping):
        if name in SECRET_VALUES:
            return dict.fromkeys(value, HIDDEN)
        return {key: _shown(key, part) for key, part in value.items()}
    if isinstance(value, list | tuple):
        if name in SECRET_LINES:
            return [f"{line.split(maxsplit=1)[0]} {HIDDEN}" for line in value]
        return [_shown("", part) for part in value]
    return value
