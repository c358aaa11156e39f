from __future__ import annotations

from typing import Any

from django.apps import AppConfig


class BuildsConfig(AppConfig):
    name = "webui.builds"
    label = "builds"

    def ready(self) -> None:
        # Models can be imported only now, when all apps are loaded.
        from webui.builds import services
        from webui.jobs.signals import job_finished

        def on_job_finished(*, job: Any, **_: Any) -> None:
            services.build_job_finished(job=job)

        job_finished.connect(on_job_finished, weak=False, dispatch_uid="builds")
