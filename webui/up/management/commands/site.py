"""`manage.py site`: the site alone, in the foreground, where the broker, the inbox and the hosts run elsewhere."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand

from webui.configuration import Configuration
from webui.up.listening import listen, url


class Command(BaseCommand):
    help = "Serve the site in the foreground, at PORTSIDE_BIND (and PORTSIDE_TLS_BIND), until SIGTERM or SIGINT."
    requires_system_checks: list[str] = []

    def handle(self, *_args: Any, **_options: Any) -> None:
        portside: Configuration = settings.PORTSIDE
        listener = listen(*portside.bind, "PORTSIDE_BIND")
        secure = None if portside.tls_bind is None else listen(*portside.tls_bind, "PORTSIDE_TLS_BIND")
        from webui.up import uvicorn_site  # which loads the whole site: not for an address that can't be had

        uvicorn_site.serve(
            listener, secure=secure, on_ready=lambda: self.stdout.write(f"The site is at {url(*portside.bind)}")
        )
