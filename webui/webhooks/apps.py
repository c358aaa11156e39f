from __future__ import annotations

from typing import Any

from django.apps import AppConfig


class WebhooksConfig(AppConfig):
    name = "webui.webhooks"
    label = "webhooks"

    def ready(self) -> None:
        # Models can be imported only now, when all apps are loaded.
        from webui.jobs.signals import job_finished
        from webui.webhooks.telling import job_tell

        def on_job_finished(*, job: Any, **_: Any) -> None:
            job_tell(job)

        job_finished.connect(on_job_finished, weak=False, dispatch_uid="webhooks")
