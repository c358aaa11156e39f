"""The way to the workers: one Celery task, sent by name to the host's own queue.

A broker that is down must not hold up a request: connecting gets a second, publishing is not tried twice,
and the job stays in the database, from where the inbox sends it again (`webui.inbox.sweeper`).
"""

from __future__ import annotations

import json
import logging
from functools import cache
from typing import Any

import redis
from celery import Celery
from celery.exceptions import CeleryError
from django.conf import settings
from kombu.exceptions import KombuError

from webui.broadcast import broker
from worker.contract import frames, keys

logger = logging.getLogger(__name__)

CONTROL_MAXLEN = 10_000
CANCELLED_SECONDS = 7 * 24 * 3600


@cache
def client() -> Celery:
    """This process's producer; its connections are pooled, so that sending costs one round trip."""
    app = Celery("portside", broker=settings.PORTSIDE.celery_broker_url, set_as_current=False, fixups=[])
    app.conf.update(
        task_ignore_result=True,
        task_publish_retry=False,
        broker_connection_timeout=1,
        broker_pool_limit=8,
        broker_transport_options={
            "socket_connect_timeout": 1,
            "socket_timeout": 5,
            "retry_on_timeout": False,
            "max_retries": 0,
        },
    )
    return app


def task_send(
    *, host_id: str, job_id: str, command: dict[str, Any], fence: int, secrets: dict[str, Any] | None
) -> bool:
    """Put the task into the host's queue; False (and a warning) when the broker can't be reached.

    Celery would copy the arguments' repr into the message's headers, from where logs take it: with secrets
    among them, the reprs are blanked.
    """
    try:
        client().send_task(
            keys.TASK_NAME,
            kwargs={"job_id": job_id, "command": command, "fence": fence, "secrets": secrets},
            queue=keys.queue(host_id),
            task_id=f"{job_id}.{fence}",
            ignore_result=True,
            retry=False,
            argsrepr="",
            kwargsrepr="",
        )
    except (KombuError, CeleryError, redis.RedisError, OSError) as error:
        logger.warning("job %s stays queued, the broker did not take it: %s", job_id, error)
        return False
    return True


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
