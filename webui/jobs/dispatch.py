"""The way to the workers: one Celery task, sent by name to the host's own queue.

A broker that is down must not hold up a request: connecting gets a second, publishing is not tried twice,
and the job stays in the database, from where the inbox sends it again (`webui.inbox.sweeper`).
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from typing import Any

import redis

from webui.broadcast import Push, broker, push
from webui.jobs.celery_message import message
from worker.contract import frames, keys

logger = logging.getLogger(__name__)

CONTROL_MAXLEN = 10_000
CANCELLED_SECONDS = 7 * 24 * 3600


def task_send(
    *,
    host_id: str,
    job_id: str,
    command: dict[str, Any],
    fence: int,
    secrets: dict[str, Any] | None,
    lost: Callable[[], object] = lambda: None,
) -> None:
    """Put the task into the host's queue, with what else is `gathered`; `lost` is called (and a warning logged) when
    the broker can't be reached.
    """

    def warn(error: redis.RedisError | None) -> None:
        logger.warning("job %s stays queued, the broker did not take it: %s", job_id, error)
        lost()

    queue = keys.queue(host_id)
    arguments = {"job_id": job_id, "command": command, "fence": fence, "secrets": secrets}
    text = message(task=keys.TASK_NAME, task_id=f"{job_id}.{fence}", queue=queue, arguments=arguments)
    push(Push(queue, text, warn))


def control_send(host_id: str, message: Any) -> bool:
    """Write one of `frames.CONTROL_KINDS` to the host's control stream; False when the broker is away."""
    body = json.dumps(frames.encode_control(message), separators=(",", ":"))
    try:
        broker().xadd(keys.control(host_id), {"m": body}, maxlen=CONTROL_MAXLEN, approximate=True)
    except redis.RedisError as error:
        logger.warning("%s for host %s was not sent: %s", type(message).__name__, host_id, error)
        return False
    return True


def cancel_send(host_id: str, job_id: str) -> bool:
    """Ask the host to cancel a job; the key stays for a worker that is away now."""
    try:
        broker().set(keys.cancelled(job_id), "1", ex=CANCELLED_SECONDS)
    except redis.RedisError as error:
        logger.warning("the cancellation of job %s was not sent: %s", job_id, error)
        return False
    return control_send(host_id, frames.CancelJob(job_id=job_id))
