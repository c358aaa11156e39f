from django.urls import path

from webui.pages.views import (
    activity,
    containers,
    dashboard,
    hosts,
    images,
    jobs,
    recordings,
    registries,
    session,
    settings,
    volumes,
)

urlpatterns = [
    path("", dashboard.dashboard, name="dashboard"),
    path("login/", session.login, name="login"),
    path("logout/", session.logout, name="logout"),
    path("password/", session.password, name="password"),
    path("containers/", containers.containers, name="containers"),
    path("containers/removed/", containers.removed, name="removed"),
    path("containers/removed/<str:container_id>/", containers.removed_log, name="removed-log"),
    path("containers/new/", containers.container_new, name="container-new"),
    path("containers/<str:container_id>/", containers.container, name="container"),
    path("images/", images.images, name="images"),
    path("images/<str:digits>/", images.image, name="image"),
    path("volumes/", volumes.volumes, name="volumes"),
    path("activity/", activity.activity, name="activity"),
    path("jobs/", jobs.jobs, name="jobs"),
    path("jobs/<uuid:job_id>/", jobs.job, name="job"),
    path("hosts/<str:host_id>/", hosts.host, name="host"),
    path("recordings/", recordings.recordings, name="recordings"),
    path("recordings/<uuid:recording_id>/", recordings.recording, name="recording"),
    path("registries/", registries.registries, name="registries"),
    path("settings/", settings.settings, name="settings"),
]
