"""The shortest way from Celery's consumer to a job: a thread of Celery's pool calls the task's function, and no more.

Celery's own strategy makes a request of each message, with time limits, retries and signals, and traces its run for a
result. A job has none of those (its end is in the ledger), and its thread begins a third of a millisecond sooner
without. What Celery counts it is told as ever: it fetches no more than there are threads for.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from typing import Any

from celery.worker import state

logger = logging.getLogger(__name__)

Strategy = Callable[[Any, Any, Any], Callable[..., None]]


class _Delivery:
    """What Celery's state holds of a task that is at work."""

    __slots__ = ("__weakref__", "id", "name", "task")
    acknowledged = True

    def __init__(self, task_id: str, task: Any) -> None:
        self.id = task_id
        self.name = task.name
        self.task = task

    def cancel(self, _pool: Any, **_options: Any) -> None:
        """Asked for at a cold shutdown; threads can't be ended, the worker's own end is near."""


def straight(expect: Callable[..., None]) -> Strategy:
    """A strategy (`celery.app.task.Task.Strategy`) for a task whose arguments are all keywords.

    `expect` gets `job_id`, `command` and `fence` of a delivery in the order of the queue, before a thread has it.
    """

    def strategy(task: Any, _app: Any, consumer: Any) -> Callable[..., None]:
        submit, lost = consumer.pool.executor.submit, consumer.connection_errors

        def handle(message: Any, *_: Any) -> None:
            arguments = _arguments(message.payload)
            message.ack_log_error(logger, lost)
            if arguments is None:
                logger.error(
                    "a task is passed over, it is no job: see that the site and this worker are of one version"
                )
                return
            expect(job_id=arguments["job_id"], command=arguments["command"], fence=arguments.get("fence", 0))
            delivery = _Delivery(message.headers["id"], task)
            state.task_reserved(delivery)
            state.task_accepted(delivery)
            submit(_work, delivery, arguments)

        return handle

    return strategy


def _arguments(payload: Any) -> dict[str, Any] | None:
    """The keyword arguments in a message's body (Celery's protocol 2: positional ones, keywords, what follows)."""
    if not isinstance(payload, list) or len(payload) != 3 or not isinstance(payload[1], dict):
        return None
    arguments = payload[1]
    is_job = isinstance(arguments.get("job_id"), str) and isinstance(arguments.get("command"), Mapping)
    return arguments if is_job else None


def _work(delivery: _Delivery, arguments: dict[str, Any]) -> None:
    try:
        delivery.task.run(**arguments)
    except Exception:
        logger.exception("task %s failed", delivery.id)  # the site sends its job again
    finally:
        state.task_ready(delivery)
