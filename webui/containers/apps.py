from __future__ import annotations

from typing import Any

from django.apps import AppConfig


class ContainersConfig(AppConfig):
    name = "webui.containers"
    label = "containers"

    def ready(self) -> None:
        # Models can be imported only now, when all apps are loaded.
        from webui.containers.services import container_job_finished
        from webui.jobs.signals import job_finished

        def on_job_finished(*, job: Any, **_: Any) -> None:
            container_job_finished(job=job)

        job_finished.connect(on_job_finished, weak=False, dispatch_uid="containers")
