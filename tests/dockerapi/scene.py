"""What a scene is: steps of the docker command, and how far the answers of two daemons may differ."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

Step = tuple[str, ...]
OUR_WORDS = "the message says what to do next, in words of our own"


@dataclass(frozen=True, slots=True)
class Scene:
    """`stdin`: step number → what it reads. `differs`: step number → why only its exit code is Docker's; in
    `code_differs` not even that. `instead`: step number → lines that are printed here, each with the line that dockerd
    prints in its place ("" for none) and the reason; all other lines are compared. `masked`: step number → an
    expression for what differs from run to run: what is around it is compared. `unordered`: steps whose lines come in
    any order. `is_of_v1`: recorded where control groups are of version 1, and for those alone."""

    steps: Sequence[Step]
    stdin: Mapping[int, bytes] = field(default_factory=dict)
    differs: Mapping[int, str] = field(default_factory=dict)
    code_differs: Mapping[int, str] = field(default_factory=dict)
    instead: Mapping[int, Sequence[tuple[str, str, str]]] = field(default_factory=dict)
    masked: Mapping[int, str] = field(default_factory=dict)
    unordered: frozenset[int] = frozenset()
    is_of_v1: bool = False
