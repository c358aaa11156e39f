from django.apps import AppConfig


class JobsConfig(AppConfig):
    name = "webui.jobs"
    label = "jobs"
