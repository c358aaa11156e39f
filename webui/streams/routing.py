"""The sockets' addresses."""

from __future__ import annotations

from channels.routing import URLRouter
from django.urls import path, re_path

from webui import addressing  # noqa: F401  it makes <word:…> known
from webui.streams.activity import ActivitySocket
from webui.streams.attach import AttachSocket
from webui.streams.build import BuildSocket
from webui.streams.events import EventsSocket
from webui.streams.exec import ExecSocket
from webui.streams.host_stats import HostStatsSocket
from webui.streams.jobs import JobSocket
from webui.streams.list_stats import ListStatsSocket
from webui.streams.logs import LogSocket
from webui.streams.stats import StatsSocket
from webui.streams.top import TopSocket
from webui.streams.unknown import UnknownSocket

CONTAINER = r"^ws/containers/(?P<container_id>[0-9a-f]{64})/"

urlpatterns = [
    path("ws/activity/", ActivitySocket.as_asgi()),
    path("ws/events/", EventsSocket.as_asgi()),
    path("ws/jobs/<uuid:job_id>/", JobSocket.as_asgi()),
    re_path(r"^ws/builds/(?P<build_id>[0-9a-f]{32})/$", BuildSocket.as_asgi()),
    path("ws/hosts/<word:host_id>/stats/", HostStatsSocket.as_asgi()),
    path("ws/containers/stats/", ListStatsSocket.as_asgi()),
    re_path(rf"{CONTAINER}attach/$", AttachSocket.as_asgi()),
    re_path(rf"{CONTAINER}exec/$", ExecSocket.as_asgi()),
    re_path(rf"{CONTAINER}logs/$", LogSocket.as_asgi()),
    re_path(rf"{CONTAINER}stats/$", StatsSocket.as_asgi()),
    re_path(rf"{CONTAINER}top/$", TopSocket.as_asgi()),
]
sockets = URLRouter([*urlpatterns, re_path(r"", UnknownSocket.as_asgi())])
