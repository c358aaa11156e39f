"""Whose namespaces a container shares: from the words in its bundle to the process that is in them.

In `linux.namespaces` of a bundle's config.json, a kind that another container is to share stands with the path
"container:ID". Who that is, in terms of processes, is only known when a run of it begins.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from engine.errors import Conflict, NotFound, Unavailable
from engine.runtime import defaults, record

CONTAINER = "container:"


@dataclass(frozen=True, slots=True)
class Joins:
    """`processes`: kind → {"pid", "start_ticks"}, for the launcher; `first`: the host's id that is 0 in there.

    `first` None: those containers have no user ids of their own.
    """

    processes: dict[str, dict[str, int]] = field(default_factory=dict)
    first: int | None = None

    def __bool__(self) -> bool:
        return bool(self.processes)


def resolve(container_dir: Path, spec: dict[str, Any]) -> Joins:
    """The processes that this container is to share namespaces with, as they are now.

    Raises NotFound for a container that is gone, Unavailable for one that doesn't run (any more), and Conflict for
    several with user ids that are not the same.
    """
    processes: dict[str, dict[str, int]] = {}
    firsts: dict[int | None, str] = {}
    for entry in (spec.get("linux") or {}).get("namespaces") or []:
        path: str = entry.get("path") or ""
        if not path.startswith(CONTAINER):
            continue
        kind, other = entry["type"], path.removeprefix(CONTAINER)
        found = _running(container_dir.with_name(other), kind)
        processes[kind] = {"pid": found["pid"], "start_ticks": found["start_ticks"]}
        firsts[(found.get("ids") or {}).get("first")] = kind
    if len(firsts) > 1:
        kinds = " and ".join(sorted(firsts.values()))
        raise Conflict(
            f"the containers whose {kinds} namespaces are to be shared have different user ids: nobody can be at home "
            "in both; share those of one container"
        )
    return Joins(processes, next(iter(firsts), None))


def has(spec: dict[str, Any], kind: str) -> bool:
    """Whether it asks for a namespace of that kind, its own or another's."""
    namespaces = (spec.get("linux") or {}).get("namespaces") or []
    return any(entry["type"] == kind for entry in namespaces)


def shares(spec: dict[str, Any]) -> bool:
    """Whether some of its namespaces are not new ones: then what was made ahead is of no use."""
    namespaces = (spec.get("linux") or {}).get("namespaces")
    if namespaces is None:
        return False  # another runtime's
    kinds = {entry["type"] for entry in namespaces if not entry.get("path")}
    return not kinds.issuperset(kind for kind in defaults.NAMESPACES if kind != "user")


def _running(directory: Path, kind: str) -> dict[str, Any]:
    short = directory.name[:12]
    if not directory.is_dir():
        raise NotFound(
            f"the container {short}, whose {kind} namespace is to be shared, is gone; make this one anew, for another",
            {"field": kind},
        )
    found = record.read_run(str(directory))
    if found is None or record.start_ticks(found["pid"]) != found["start_ticks"]:
        raise Unavailable(
            f"the container {short}, whose {kind} namespace is to be shared, is not running; start it first",
            {"field": kind},
        )
    return found
