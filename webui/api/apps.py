from django.apps import AppConfig


class ApiConfig(AppConfig):
    name = "webui.api"
    label = "api"

    def ready(self) -> None:
        from webui.api.wording import fields_worded

        fields_worded()
