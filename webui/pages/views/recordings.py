"""Recorded terminal sessions: the list, and one to be played."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from uuid import UUID

from django.core.paginator import Paginator
from django.db.models import Q
from django.http import HttpRequest
from django.shortcuts import get_object_or_404

from webui.accounts.roles import actions_of
from webui.pages.page import page
from webui.recordings.representation import recording_as_json
from webui.recordings.services import recordings_visible

PAGE_SIZE = 100


@page("pages/recordings.html", section="containers")
def recordings(request: HttpRequest) -> dict[str, Any]:
    found = recordings_visible(request.user).select_related("team")
    query, container = request.GET.get("q", "").strip()[:200], request.GET.get("container", "").strip()[:64]
    if container:
        found = found.filter(container_id=container)
    if query:
        found = found.filter(
            Q(container_name__icontains=query) | Q(username__icontains=query) | Q(command__icontains=query)
        )
    shown = Paginator(found, PAGE_SIZE).get_page(request.GET.get("page"))
    return {
        "query": query,
        "container": container,
        "page": shown,
        "recordings": [recording_as_json(one) for one in shown.object_list],
    }


@page("pages/recording.html", section="containers")
def recording(request: HttpRequest, recording_id: UUID) -> dict[str, Any]:
    found = get_object_or_404(recordings_visible(request.user).select_related("team"), pk=recording_id)
    return {
        "recording": recording_as_json(found),
        "kept_until": found.started_at + timedelta(days=found.team.keep_recordings_days),
        "may_delete": "recordings.remove" in actions_of(request.user, found.team),
    }
