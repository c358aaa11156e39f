from django.apps import AppConfig


class StreamsConfig(AppConfig):
    name = "webui.streams"
    label = "streams"
