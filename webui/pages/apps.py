from django.apps import AppConfig


class PagesConfig(AppConfig):
    name = "webui.pages"
    label = "pages"
