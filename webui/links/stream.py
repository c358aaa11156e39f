"""What a host sends through the broker when it is asked: ask, take frames, give credit, close.

    OpenStream ──► host;  frames ◄── host, at most a window ahead of the credit;  Close ──► host

The host trims from the broker's stream what credit was given for, so that what is long never lies there whole.
"""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

import redis

from engine.errors import FAMILIES, EngineError, Unavailable
from webui.broadcast import broker
from webui.hosts.models import Host
from webui.jobs.dispatch import control_send
from webui.links import near
from worker.contract import frames, keys
from worker.contract.frames import Frame

FIRST_SECONDS = 10.0
"""How long a host may take until its first frame, and between two when it does not follow."""
SLOW_SECONDS = 60.0
"""The same where it may have to read whole layers first."""
CREDIT_EVERY = frames.WINDOW_BYTES // 4
_BLOCK_MILLISECONDS = 2000


def host_silent(host: Host) -> Unavailable:
    """The error that says so."""
    return Unavailable(
        f"the host {host.name} does not answer, so nothing can be read from it now: see that its worker runs"
    )


def error_of(frame: Frame) -> EngineError:
    """The error that an ERROR frame carries, of its own family."""
    try:
        info = json.loads(frame.data)
        family, message = str(info["family"]), str(info["message"])
        detail = info.get("detail")
    except (ValueError, KeyError, TypeError):
        return Unavailable("the host could not answer and did not say why: see the worker's output")
    return FAMILIES.get(family, EngineError)(message, detail if isinstance(detail, dict) else None)


def read_stream(host: Host, message: frames.OpenStream, is_slow: bool = False) -> Iterator[Frame]:
    """All frames of a stream that ends by itself, the END included; `is_slow`: the host may take its time.

    Raises Unavailable when the host or the broker is away, and what the host answers.
    """
    if not host.is_online:
        raise host_silent(host)
    direct = near.read(host, message, SLOW_SECONDS if is_slow else FIRST_SECONDS)
    if direct is not None:
        yield from _whole(host, direct)
        return
    if not control_send(host.pk, message):
        raise Unavailable("the broker can't be reached, so no host can be asked: try again in a moment")
    try:
        yield from _frames(host, message, SLOW_SECONDS if is_slow else FIRST_SECONDS)
    except redis.RedisError as error:
        raise Unavailable("the broker was lost while the host answered: try again in a moment") from error
    finally:
        control_send(host.pk, frames.CloseStream(stream_id=message.stream_id))


def _whole(host: Host, arriving: Iterator[Frame]) -> Iterator[Frame]:
    """Frames to END. Raises what the host answers, and Unavailable where it is lost before."""
    for frame in arriving:
        if frame.kind == frames.ERROR:
            raise error_of(frame)
        yield frame
        if frame.kind == frames.END:
            return
    raise host_silent(host)


def _frames(host: Host, message: frames.OpenStream, patience: float) -> Iterator[Frame]:
    key, last, consumed, credited, seen = keys.frames(message.stream_id), b"0-0", 0, 0, 0
    deadline = time.monotonic() + patience
    while True:
        answer: Any = broker().xread({key: last}, count=16, block=_BLOCK_MILLISECONDS)
        if not answer:
            if time.monotonic() > deadline:
                raise host_silent(host)
            continue
        for entry_id, fields in answer[0][1]:
            last = entry_id
            frame = Frame.decode(fields[b"m"])
            if frame.kind == frames.ERROR:
                raise error_of(frame)
            consumed += len(frame.data)
            frame, seen = unseen(frame, seen), max(seen, frame.cursor)
            yield frame
            if frame.kind == frames.END:
                broker().delete(key)
                return
        if consumed - credited >= CREDIT_EVERY:
            credited = consumed
            control_send(host.pk, frames.Credit(stream_id=message.stream_id, consumed_bytes=consumed))
        deadline = time.monotonic() + patience


def unseen(frame: Frame, seen: int) -> Frame:
    """`frame` without the bytes before the cursor `seen`: after a broker's restart a host may send some twice."""
    repeated = min(len(frame.data), seen - (frame.cursor - len(frame.data)))
    return frame if repeated <= 0 else replace(frame, data=frame.data[repeated:])


def ask(
    host: Host,
    question: str,
    subject: str,
    parameters: Mapping[str, Any] | None = None,
    *,
    is_slow: bool = False,
) -> Any:
    """What `host` answers at once about a container or an image (`subject` is its id), as JSON decodes it.

    Raises Unavailable when the host or the broker is away, and what the host answers. Rights are the caller's matter.
    """
    message = frames.OpenStream(
        stream_id=uuid.uuid4().hex,
        source=question,
        container_id=subject,
        follow=False,
        parameters=parameters or {},
    )
    data = b"".join(frame.data for frame in read_stream(host, message, is_slow) if frame.kind == frames.DATA)
    try:
        return json.loads(data)
    except ValueError as error:
        raise Unavailable("the host's answer can't be read: see that site and worker are of one version") from error
