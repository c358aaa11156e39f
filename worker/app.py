"""The Celery side: one task on one queue, and nothing of Celery that Portside does not need.

Nothing is kept at the broker of tasks that were taken, as Celery would do in order to deliver them again after a
time-out: that helps nobody here, since the ledger and the site's own sending-again make the guarantee, and costs each
task two round trips.
"""

from __future__ import annotations

import logging
import warnings
from collections.abc import Callable, Mapping
from typing import Any

from celery import Celery
from celery.exceptions import CPendingDeprecationWarning
from celery.signals import worker_shutting_down
from kombu import Connection, Exchange, Queue
from kombu.transport.redis import Channel

from worker.broker import FIRST_PAUSE, LONGEST_PAUSE
from worker.contract import keys
from worker.deliveries import straight
from worker.executor import Executor
from worker.settings import WorkerSettings


class _PromptConnection(Connection):  # type: ignore[misc]
    """Looks as often for a broker that is away as everything else of the worker does.

    Kombu's own pauses rise to half a minute, in which a host that says it is there takes no task.
    """

    def ensure_connection(self, *arguments: Any, **options: Any) -> Any:
        pauses = {"interval_start": FIRST_PAUSE, "interval_step": FIRST_PAUSE, "interval_max": LONGEST_PAUSE}
        return super().ensure_connection(*arguments, **{**pauses, **options})


class _SaidOnce(logging.Filter):
    """Each vain look for the broker is an error to Celery; the publisher says once that it is away (`broker`)."""

    def filter(self, record: logging.LogRecord) -> bool:
        return not str(record.msg).startswith("consumer: Cannot connect")


def make_app(
    settings: WorkerSettings, host_id: str, executor: Executor, on_connected: Callable[[], None] = lambda: None
) -> Celery:
    """A Celery app whose only task hands deliveries to `executor`.

    `on_connected` is called before the first of those that come by a new connection to the broker.
    """
    # At its end a channel would put back what was not begun or, without a broker, write it to a file in /tmp, with the
    # secrets of its jobs. The site sends it again.
    Channel.do_restore = False
    # Without fixups, or a DJANGO_SETTINGS_MODULE in the environment would load all of Django into the worker.
    app = Celery("portside", broker=settings.celery_broker_url, set_as_current=False, fixups=[])
    app.amqp.Connection = _PromptConnection
    queue = keys.queue(host_id)
    app.conf.update(
        accept_content=["json"],
        task_ignore_result=True,
        task_queues=[Queue(queue, Exchange(""), routing_key=queue)],
        task_default_queue=queue,
        worker_prefetch_multiplier=1,
        worker_disable_prefetch=True,
        worker_enable_remote_control=False,
        worker_send_task_events=False,
        worker_hijack_root_logger=False,
        worker_redirect_stdouts=False,
        worker_cancel_long_running_tasks_on_connection_loss=False,
        worker_enable_prefetch_count_reduction=False,
        broker_connection_retry=True,
        broker_connection_retry_on_startup=True,
        broker_connection_max_retries=None,
        broker_transport_options={
            "ack_emulation": False,
            "socket_keepalive": True,
        },
    )

    def expect(**delivery: Any) -> None:
        executor.expect(**delivery)

    # As a static method, or it would be taken for one of the task.
    @app.task(name=keys.TASK_NAME, ignore_result=True, Strategy=staticmethod(straight(expect, on_connected)))
    def execute(
        *,
        job_id: str,
        command: Mapping[str, Any],
        fence: int = 0,
        secrets: Mapping[str, Any] | None = None,
        **_newer: Any,
    ) -> None:
        executor.execute(job_id=job_id, command=command, fence=fence, secrets=secrets)

    return app


def serve(app: Celery, settings: WorkerSettings, host_id: str, on_stop: Callable[[], None]) -> int:
    """Take tasks until SIGTERM or SIGINT; `on_stop` is called in the main thread when one has come."""

    def stopping(**_: Any) -> None:
        on_stop()

    logging.getLogger("celery.worker.consumer.consumer").addFilter(_SaidOnce())
    worker_shutting_down.connect(stopping, weak=False)
    warnings.filterwarnings("ignore", message=".*superuser privileges.*")
    warnings.filterwarnings("ignore", category=CPendingDeprecationWarning)  # of a setting that is set above
    worker = app.Worker(
        hostname=f"portside@{host_id}",
        pool_cls="threads",
        concurrency=settings.concurrency,
        loglevel="WARNING",
        without_gossip=True,
        without_mingle=True,
        without_heartbeat=True,
        quiet=True,
    )
    worker.start()
    return int(worker.exitcode or 0)
