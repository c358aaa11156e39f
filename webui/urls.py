"""Every front door that speaks HTTP through Django; the sockets are in `webui.asgi`."""

from django.urls import include, path, re_path

from webui.api.views.build_hooks import build_hook

urlpatterns = [
    re_path(r"^hooks/builds/(?P<rule_id>[0-9a-f]{32})/$", build_hook),
    path("api/v1/", include("webui.api.urls")),
    path("", include("webui.pages.urls")),
]

handler403 = "webui.pages.views.errors.forbidden"
handler404 = "webui.pages.views.errors.not_found"
handler500 = "webui.pages.views.errors.server_error"
