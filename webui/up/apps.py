from django.apps import AppConfig


class UpConfig(AppConfig):
    name = "webui.up"
    label = "up"
