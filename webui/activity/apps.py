from django.apps import AppConfig


class ActivityConfig(AppConfig):
    name = "webui.activity"
    label = "activity"
