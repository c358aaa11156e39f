"""Every front door that speaks HTTP through Django; the sockets are in `webui.asgi`."""

from django.urls import include, path

urlpatterns = [
    path("api/v1/", include("webui.api.urls")),
    path("", include("webui.pages.urls")),
]
