"""--log-driver and --log-opt: how much of a container's log is kept, and what is shown before its lines.

Portside keeps every log itself, for pages and for REST. `json-file` and `local`, the drivers that people have in their
scripts, both mean that; `none` keeps no more than those need who are attached. Other drivers send a log away.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from engine.errors import InvalidArgument, Unsupported
from engine.options import log_details

DRIVERS = ("json-file", "local", "none")
OPTIONS = ("max-size", "max-file", "compress", "mode", "max-buffer-size")
DETAILS = ("labels", "labels-regex", "env", "env-regex", "tag")
SMALLEST_BYTES, LARGEST_BYTES = 16 << 10, 1 << 50
FILES_MAXIMUM = 1000
ATTACHED_BYTES = 1 << 20
"""What `none` keeps."""
_SIZE = re.compile(r"([0-9]{1,15})([kmg]?)b?")
_UNITS = {"": 1, "k": 1 << 10, "m": 1 << 20, "g": 1 << 30}


@dataclass(frozen=True, slots=True)
class LogLimits:
    """Bytes of one file, and how many files stay; None for what every log has."""

    max_bytes: int | None = None
    keep: int | None = None


def read(driver: str, options: Mapping[str, str]) -> LogLimits:
    """What a request says. Raises InvalidArgument, and Unsupported for drivers and options of others."""
    if driver not in DRIVERS:
        raise Unsupported(
            f"{driver[:40]!r}: Portside keeps logs itself: choose json-file or local (its own log, both) or none, and "
            "read it by REST or WebSocket to send it on"
        )
    for name in options:
        if name not in (*OPTIONS, *DETAILS):
            raise Unsupported(
                f"{name[:40]!r} is no option of Portside's own log: {', '.join((*OPTIONS, *DETAILS))} are"
            )
        if name in DETAILS and driver == "local":
            raise Unsupported(f"{name}: only json-file shows details before lines: choose that, or leave it out")
    if driver == "none":
        if options:
            raise InvalidArgument("without a log (log_driver none) there is nothing to limit: leave one of the two out")
        return LogLimits(ATTACHED_BYTES, 1)
    if options.get("compress", "true") not in ("true", "false"):
        raise InvalidArgument("compress: give true or false; what is full is compressed in any case")
    _check_mode(options)
    for problem in log_details.problems(options):
        raise InvalidArgument(problem)
    return LogLimits(_size(options.get("max-size")), _count(options.get("max-file")))


def _check_mode(options: Mapping[str, str]) -> None:
    """Docker's ways to hand lines to a log. A container here has a pipe of its own, and waits when that is full."""
    mode, buffer = options.get("mode", ""), options.get("max-buffer-size")
    if mode not in ("", "blocking", "non-blocking"):
        raise InvalidArgument(f"mode {mode[:40]!r}: give blocking or non-blocking; the log is written alike with both")
    if buffer is None:
        return
    if mode != "non-blocking":
        raise InvalidArgument("max-buffer-size goes only with mode=non-blocking: give both, or leave it out")
    if not _SIZE.fullmatch(buffer.strip().lower()):
        raise InvalidArgument(f"max-buffer-size {buffer[:40]!r}: give a size, as 4m; the log needs no such buffer here")


def _size(text: str | None) -> int | None:
    if text is None:
        return None
    found = _SIZE.fullmatch(text.strip().lower())
    if text.strip() == "-1":
        return LARGEST_BYTES
    size = int(found[1]) * _UNITS[found[2]] if found else 0
    if not SMALLEST_BYTES <= size <= LARGEST_BYTES:
        raise InvalidArgument(f"max-size {text[:40]!r}: give at least 16k, as 10m or 1g, or -1 for no limit")
    return size


def _count(text: str | None) -> int | None:
    if text is None:
        return None
    if not text.isascii() or not text.isdigit() or not 1 <= int(text[:10]) <= FILES_MAXIMUM:
        raise InvalidArgument(f"max-file {text[:40]!r}: give a number of files from 1 to {FILES_MAXIMUM}")
    return int(text)
