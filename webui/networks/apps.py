from __future__ import annotations

from typing import Any

from django.apps import AppConfig
from django.db.models.signals import post_delete


class NetworksConfig(AppConfig):
    name = "webui.networks"
    label = "networks"

    def ready(self) -> None:
        # Models can be imported only now, when all apps are loaded.
        from webui.networks import observed
        from webui.networks.models import Endpoint

        def on_left(*, instance: Any, origin: Any, **_: Any) -> None:
            observed.endpoint_gone(endpoint=instance, origin=origin)

        # A container goes in several ways, and takes its endpoints with it.
        post_delete.connect(on_left, sender=Endpoint, weak=False, dispatch_uid="networks")
