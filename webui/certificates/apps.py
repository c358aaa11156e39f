from __future__ import annotations

from django.apps import AppConfig


class CertificatesConfig(AppConfig):
    name = "webui.certificates"
    label = "certificates"
