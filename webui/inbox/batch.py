"""From raw messages to what must be done: decoding, order, and leaving out what later events supersede.

A container's and an image's event carries the whole state, so of several in one batch the last suffices; a
job's are merged. That is what lets the inbox keep up with hosts that have much to tell.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

from worker.contract import events
from worker.contract.events import Event, decode_event
from worker.contract.wire import ContractError

logger = logging.getLogger(__name__)

_JOB_KINDS = (events.JOB_STARTED, events.JOB_PROGRESS, events.JOB_FINISHED)


def decoded(messages: Iterable[tuple[bytes, Mapping[bytes, bytes]]]) -> list[Event]:
    """The messages' events; what can't be read is logged and left out.

    A transient event happened when it came to the broker, whatever the host's clock says: a heartbeat from a
    clock that is slow would never count.
    """
    found = []
    for entry_id, fields in messages:
        try:
            event = decode_event(json.loads(fields[b"m"]))
            found.append(event if event.seq is not None else replace(event, at=int(entry_id.partition(b"-")[0]) / 1000))
        except (KeyError, ValueError, ContractError) as error:
            logger.error("a message on the events' stream can't be read and is skipped: %s", error)  # noqa: TRY400
    return found


@dataclass(slots=True)
class Sequence:
    """A host's numbered events that are next in turn. `gap` is true when a number is missing before the rest."""

    last_seq: int
    events: list[Event] = field(default_factory=list)
    gap: bool = False


def in_turn(batch: Iterable[Event], last_seq: int) -> Sequence:
    """What of one host's events applies now, in order: all transient ones, and numbered ones without a hole.

    Numbers up to `last_seq` have been applied before. `host.journal_trimmed` moves the place where the journal
    begins: what lies before it exists no more.
    """
    sequence = Sequence(last_seq)
    for event in batch:
        if event.kind == events.HOST_JOURNAL_TRIMMED:
            first = event.attributes.get("first_seq")
            if isinstance(first, int) and first - 1 > sequence.last_seq:
                sequence.last_seq, sequence.gap = first - 1, False
        elif event.seq is None:
            sequence.events.append(event)
        elif event.seq == sequence.last_seq + 1:
            sequence.events.append(event)
            sequence.last_seq, sequence.gap = event.seq, False
        elif event.seq > sequence.last_seq:
            sequence.gap = True
    return sequence


def condensed(batch: Iterable[Event]) -> list[list[Event]]:
    """The events in groups to be applied together, in the order of each group's last event.

    A job's events stay together as one group; of all others, the last of each subject stands alone.
    """
    groups: dict[tuple[str, str], list[Event]] = {}
    for event in batch:
        key = (_family(event.kind), event.subject)
        before = groups.pop(key, [])
        groups[key] = [*before, event] if event.kind in _JOB_KINDS else [event]
    return list(groups.values())


def _family(kind: str) -> str:
    """Kinds that supersede one another: any container.… the one before; of the host's own only its like."""
    family = kind.partition(".")[0]
    return family if family in ("container", "image", "job", "network") else kind
