"""Capabilities that can't be granted are left out with a warning: config.md, "process.capabilities".

It is the one field of which the specification wants that: without a right, nothing is less isolated than asked for.
"""

from __future__ import annotations

from engine.runtime.capabilities import NUMBERS

_SETS = ("bounding", "effective", "permitted", "inheritable")


def sift(process: object) -> list[str]:
    """Take them out of `process`, a plain object of config.json; why, for each. What is malformed is left as it is."""
    sets = process.get("capabilities") if isinstance(process, dict) else None
    if not isinstance(sets, dict):
        return []
    ours, problems = _bounding(), {}
    granted: dict[str, list[str]] = {}
    for kind in (*_SETS, "ambient"):
        names = sets.get(kind) or []
        if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
            return []
        kept = []
        for name in names:
            if name not in NUMBERS:
                problems[name] = f"process.capabilities.{kind}: {name[:64]} is unknown and is left out"
            elif not ours >> NUMBERS[name] & 1:
                why = "is not in this process's own bounding set and is left out"
                problems[name] = f"process.capabilities.{kind}: {name} {why}"
            else:
                kept.append(name)
        granted[kind] = kept
    able = set(granted["permitted"]) & set(granted["inheritable"])
    for name in granted["ambient"]:
        if name not in able:
            why = "it is not permitted and inheritable (capabilities(7))"
            problems[f"ambient {name}"] = f"process.capabilities.ambient: can't raise ambient capability {name}: {why}"
    granted["ambient"] = [name for name in granted["ambient"] if name in able]
    sets.update({kind: names for kind, names in granted.items() if kind in sets})
    return list(problems.values())


def _bounding() -> int:
    with open("/proc/self/status") as file:
        return next(int(line.split()[1], 16) for line in file if line.startswith("CapBnd:"))
