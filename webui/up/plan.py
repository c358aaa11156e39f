"""What the supervisor is to run; handed over as JSON, since the supervisor begins as a fresh, small interpreter."""

from __future__ import annotations

import dataclasses
import json
import sys
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
READY = "{ready}"
"""Stands in a command for the descriptor to which the child writes a byte when it serves."""


@dataclass(frozen=True, slots=True)
class ChildPlan:
    """One process. Those of a lower `stage` stop first; after `grace_seconds` it is killed.

    `descriptors` are inherited under the same numbers; lines with one of `unsaid` in them are not shown.
    """

    name: str
    command: list[str]
    stage: int
    grace_seconds: float
    descriptors: list[int] = field(default_factory=list)
    environment: dict[str, str] = field(default_factory=dict)
    unsaid: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Plan:
    """`children` start in this order, the first (the broker) being waited for when `broker_socket` is given."""

    children: list[ChildPlan]
    lines: list[str]
    broker_socket: str | None = None

    def encode(self) -> bytes:
        return json.dumps(dataclasses.asdict(self)).encode()

    @classmethod
    def decode(cls, raw: bytes) -> Plan:
        data = json.loads(raw)
        return cls(**{**data, "children": [ChildPlan(**child) for child in data["children"]]})


def portside(
    *,
    broker_command: list[str] | None,
    broker_socket: Path,
    listener: int,
    docker: int,
    secure: int | None,
    lock: int,
    lines: list[str],
) -> Plan:
    """The processes of one machine. `listener` is the site's socket: it outlives a crash of the site, so that
    connections wait instead of being refused; so do `docker`, the one for root's docker client, and `secure`, the one
    for TLS. `lock` is held by all that must be gone before the next start.
    """
    sockets = [listener, docker, *([] if secure is None else [secure])]
    python = [sys.executable]
    children = [
        ChildPlan(
            name="site",
            command=[*python, "-m", "webui.up.uvicorn_site", READY, *map(str, sockets)],
            stage=0,
            grace_seconds=3.5,
            descriptors=[*sockets, lock],
        ),
        ChildPlan(
            name="inbox", command=[*python, "manage.py", "inbox"], stage=1, grace_seconds=1.5, descriptors=[lock]
        ),
        # The worker has a lock of its own, and what it starts lives longer than it.
        ChildPlan(
            name="worker",
            command=[*python, "-m", "worker"],
            stage=0,
            grace_seconds=4.5,
            environment={"MALLOC_ARENA_MAX": "2"},  # 64 threads would have 16 arenas between them
        ),
    ]
    if broker_command is None:
        return Plan(children, lines)
    broker = ChildPlan(
        name="broker",
        command=broker_command,
        stage=2,
        grace_seconds=2,
        descriptors=[lock],
        # It is about forks of a large server when memory is short; ours has a few megabytes.
        unsaid=["Memory overcommit must be enabled"],
    )
    return Plan([broker, *children], lines, str(broker_socket))
