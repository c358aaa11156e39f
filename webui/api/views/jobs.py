"""Jobs: what was asked of the hosts, how far it is, how it ended."""

from __future__ import annotations

from uuid import UUID

from django.db.models import Q
from django.shortcuts import get_object_or_404
from drf_spectacular.utils import OpenApiParameter
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from webui.accounts.roles import require_on
from webui.api import bodies
from webui.api.lists import host_filter, list_parameters, list_response, parameter
from webui.api.operations import operation, page_of
from webui.api.schemas import JobSchema
from webui.jobs.models import Job, JobQuerySet, JobStatus
from webui.jobs.representation import job_as_json
from webui.jobs.services import job_cancel
from worker.contract.commands import KINDS

FOLLOW = OpenApiParameter(
    "follow", str, enum=["true", "false"], description="true: the job at each change, a line each, until it has ended."
)
KIND_NAMES = sorted(KINDS)
ORDERING = ("created_at", "started_at", "finished_at", "kind", "status")


def visible(request: Request) -> JobQuerySet:
    return Job.objects.visible_to(request.user).select_related("team", "host", "requested_by")


class JobList(APIView):
    @operation(
        "jobs_list",
        tag="jobs",
        answers={200: page_of(JobSchema)},
        problems=[400, 404],
        parameters=list_parameters(
            ordering=ORDERING,
            search="Part of the subject.",
            filters={
                "host": "A host's name or id.",
                "status": "How it stands.",
                "kind": "What was asked, such as image.pull.",
                "subject": "The id or the reference it is about.",
            },
            status=JobStatus.values,
            kind=KIND_NAMES,
        ),
    )
    def get(self, request: Request) -> Response:
        """List jobs, the newest first."""
        rows = visible(request).filter(host_filter(request))
        if status := parameter(request, "status", JobStatus.values):
            rows = rows.filter(status=status)
        if kind := parameter(request, "kind", KIND_NAMES):
            rows = rows.filter(kind=kind)
        if subject := parameter(request, "subject"):
            rows = rows.filter(subject=subject)
        if search := parameter(request, "search"):
            rows = rows.filter(Q(subject__icontains=search) | Q(kind__icontains=search))
        return list_response(request, rows, job_as_json, ordering=ORDERING)


class JobDetail(APIView):
    @operation(
        "jobs_read",
        tag="jobs",
        answers={(200, "application/json"): JobSchema, (200, "application/x-ndjson"): JobSchema},
        problems=[404],
        parameters=[FOLLOW],
    )
    def get(self, request: Request, job_id: UUID) -> Response:
        """Read a job: `status`, `progress`, and at the end `result` or `error`."""
        return Response(job_as_json(get_object_or_404(visible(request), pk=job_id)))


class JobCancel(APIView):
    @operation(
        "jobs_cancel",
        tag="jobs",
        body=bodies.EmptyBody,
        answers={202: JobSchema},
        problems=[403, 404, 409],
    )
    def post(self, request: Request, job_id: UUID) -> Response:
        """Ask for the end of a job; it has ended when its status says so."""
        bodies.read(bodies.EmptyBody, request)
        job = get_object_or_404(visible(request), pk=job_id)
        require_on(request.user, "jobs.cancel", job)
        return Response(job_as_json(job_cancel(job=job)), status=202)
