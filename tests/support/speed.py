"""How much slower this machine is than the one on which a figure was taken: what bounds are scaled by."""

from __future__ import annotations

import json
import time

QUIET_SECONDS = 0.05
"""What the work below takes of a quiet processor of 2024."""
ROUNDS = 2000
_DOCUMENT = {f"key {number}": [number, "text", None, {"deep": [number] * 5}] for number in range(10)}


def slowness() -> float:
    """1 or more, by the processor's time for some work of an interpreter."""
    began = time.process_time()
    for _ in range(ROUNDS):
        assert json.loads(json.dumps(_DOCUMENT, sort_keys=True)) == _DOCUMENT
    return max(1.0, (time.process_time() - began) / QUIET_SECONDS)
