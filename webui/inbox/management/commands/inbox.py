"""`manage.py inbox`: applies what the hosts report, in the foreground until SIGTERM or SIGINT."""

from __future__ import annotations

import gc
import signal
import threading
from typing import Any

from django.core.management.base import BaseCommand

from webui.inbox.reader import Inbox
from webui.inbox.sweeper import Sweeper
from webui.webhooks.deliverer import Deliverer


class Command(BaseCommand):
    help = "Apply what the hosts report to the database and tell the open pages."
    requires_system_checks: list[str] = []

    def handle(self, *_args: Any, **_options: Any) -> None:
        stop = threading.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: stop.set())
        gc.freeze()  # what is loaded now stays; collections need not look at it
        Deliverer().start(stop)
        Inbox(between=Sweeper().sweep).run(stop)
