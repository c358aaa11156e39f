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


def straight(expect: Callable[..., None], on_connected: Callable[[], None] = lambda: None) -> Strategy:
    """A strategy (`celery.app.task.Task.Strategy`) for a task whose arguments are all keywords.

    `expect` gets `job_id`, `command` and `fence` of a delivery in the order of the queue, before a thread has it.
    `on_connected` is called for each connection to the broker, before what comes by it.
    """

    def strategy(task: Any, _app: Any, consumer: Any) -> Callable[..., None]:
        pool, hub, lost = consumer.pool, consumer.hub, consumer.connection_errors

        def handle(message: Any, *_: Any) -> None:
            arguments = _arguments(message)
            message.ack_log_error(logger, lost)
            if arguments is None:
                logger.error(
                    "a task is passed over, it is no job: see that the site and this worker are of one version"
                )
                return
            delivery = _Delivery(str(message.headers.get("id")), task)
            expect(job_id=arguments["job_id"], command=arguments["command"], fence=arguments.get("fence", 0))
            state.task_reserved(delivery)
            state.task_accepted(delivery)
            pool.executor.submit(work, delivery, arguments)

        def work(delivery: _Delivery, arguments: dict[str, Any]) -> None:
            try:
                task.run(**arguments)
            except Exception:
                logger.exception("task %s failed", delivery.id)  # the site sends its job again
            finally:
                was_full = len(state.reserved_requests) >= pool.num_processes
                state.task_ready(delivery)
                if was_full and hub is not None:  # it fetches none, and would look again within a second
                    hub.call_soon(_nothing)

        on_connected()
        return handle

    return strategy


def _arguments(message: Any) -> dict[str, Any] | None:
    """The keyword arguments in a message's body (Celery's protocol 2: positional ones, keywords, what follows).

    None for what is no job. Celery itself would log what it can't decode, which may hold secrets.
    """
    try:
        payload = message.payload
    except Exception as error:  # noqa: BLE001  each decoder has its own
        logger.debug("a task can't be decoded: %s", type(error).__name__)
        return None
    if not isinstance(payload, list) or len(payload) != 3 or not isinstance(payload[1], dict):
        return None
    arguments = payload[1]
    is_job = isinstance(arguments.get("job_id"), str) and isinstance(arguments.get("command"), Mapping)
    return arguments if is_job else None


def _nothing() -> None:
    """Called by the consumer's loop when all that it is to do is to look again."""
