from __future__ import annotations

from django.apps import AppConfig


class SignInConfig(AppConfig):
    name = "webui.signin"
    label = "signin"

    def ready(self) -> None:
        # Models can be imported only now, when all apps are loaded.
        from webui.signin import sessions

        sessions.connect()
