from django.apps import AppConfig


class InboxConfig(AppConfig):
    name = "webui.inbox"
    label = "inbox"
