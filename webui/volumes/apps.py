from __future__ import annotations

from typing import Any

from django.apps import AppConfig


class VolumesConfig(AppConfig):
    name = "webui.volumes"
    label = "volumes"

    def ready(self) -> None:
        # Models can be imported only now, when all apps are loaded.
        from webui.jobs.signals import job_finished
        from webui.volumes import observed

        def on_job_finished(*, job: Any, **_: Any) -> None:
            observed.volume_job_finished(job=job)

        job_finished.connect(on_job_finished, weak=False, dispatch_uid="volumes")
