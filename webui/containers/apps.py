from __future__ import annotations

from typing import Any

from django.apps import AppConfig


class ContainersConfig(AppConfig):
    name = "webui.containers"
    label = "containers"

    def ready(self) -> None:
        # Models can be imported only now, when all apps are loaded.
        from webui.containers.log_keeping import settings_send
        from webui.containers.services import container_job_finished
        from webui.hosts.models import Host
        from webui.jobs.signals import job_finished
        from webui.policies.signals import policy_changed

        def on_job_finished(*, job: Any, **_: Any) -> None:
            container_job_finished(job=job)

        job_finished.connect(on_job_finished, weak=False, dispatch_uid="containers")

        def on_policy_changed(*, team: Any, **_: Any) -> None:
            for host in Host.objects.filter(team=team).select_related("team"):
                settings_send(host)

        policy_changed.connect(on_policy_changed, weak=False, dispatch_uid="containers")
