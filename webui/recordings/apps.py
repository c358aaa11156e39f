from __future__ import annotations

from django.apps import AppConfig


class RecordingsConfig(AppConfig):
    name = "webui.recordings"
    label = "recordings"
