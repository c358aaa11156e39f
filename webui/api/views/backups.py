"""Backups of volumes: places for them, plans, those that were made, and a volume's files as a tar."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.http import HttpResponse
from django.shortcuts import get_object_or_404
from drf_spectacular.utils import OpenApiParameter, OpenApiTypes
from rest_framework.exceptions import ValidationError
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from webui.api import bodies
from webui.api.backup_schemas import BackupBegunSchema, BackupSchema, PlaceSchema, PlanSchema, PlansSchema
from webui.api.lists import host_filter, list_parameters, list_response, parameter
from webui.api.operations import job_reference, operation, page_of
from webui.api.schemas import Accepted, ArchiveTakenSchema
from webui.api.streamed import TAR, tar_answer, tar_intake
from webui.api.views.archives import YES, AnyAnswer
from webui.api.views.registries import TestOn, team_choose
from webui.api.views.volumes import visible
from webui.backups import places, services, streams
from webui.backups.models import Backup, BackupPlace, BackupPlan, BackupStatus, PlaceKind
from webui.backups.representation import backup_as_json, place_as_json, plan_as_json
from webui.hosts.services import host_choose
from webui.volumes.models import Volume

_PAGE = page_of(BackupSchema)
_STOP = OpenApiParameter("stop", bool, description="Stop the containers that run with it, and start them afterwards.")


class PlaceFields(bodies.Body):
    host = bodies.Text(required=False, allow_null=True, help_text="Of a directory: the host's name or id.")
    directory = bodies.Text(
        required=False, allow_blank=True, help_text="An absolute path of the host; needs the right loosen."
    )
    endpoint = bodies.Text(required=False, allow_blank=True, max_length=500, help_text="https://s3.example.com")
    bucket = bodies.Text(required=False, allow_blank=True, max_length=100)
    prefix = bodies.Text(required=False, allow_blank=True, max_length=200, help_text="Goes before every key.")
    region = bodies.Text(required=False, allow_blank=True, max_length=100, help_text="us-east-1 if left out.")
    tls_verify = bodies.Flag(required=False, help_text="false takes any certificate.")
    ca_pem = bodies.Text(required=False, allow_blank=True, help_text="Certificates to be trusted too, as PEM.")
    reaches_local = bodies.Flag(
        required=False, help_text="The storage may be the host itself or its neighbours; needs the right loosen."
    )
    access_key = bodies.Text(required=False, allow_blank=True, max_length=255)
    secret_key = bodies.Text(
        required=False, allow_blank=True, max_length=4096, write_only=True, help_text="Left out: the stored one stays."
    )


class NewPlace(PlaceFields):
    name = bodies.Text(max_length=80)
    kind = bodies.Choice(PlaceKind.values)
    team = bodies.Text(required=False, allow_null=True, help_text="Id or name; may be left out with only one team.")


class OtherPlace(PlaceFields):
    """What is left out stays as it is."""

    name = bodies.Text(required=False, max_length=80)


class NewBackup(bodies.Body):
    place = bodies.serializers.UUIDField()
    pause = bodies.Flag(
        required=False, help_text="Containers that use it stand still while its files are set apart on the host's disk."
    )


class NewPlan(NewBackup):
    schedule = bodies.Text(max_length=100, help_text="minute hour day month weekday, as cron has them, in UTC.")
    keep = bodies.Whole(between=(1, services.KEEP_MAXIMUM), required=False, help_text="7 if left out.")
    enabled = bodies.Flag(required=False)


class OtherPlan(bodies.Body):
    """What is left out stays as it is."""

    place = bodies.serializers.UUIDField(required=False)
    pause = bodies.Flag(required=False)
    schedule = bodies.Text(required=False, max_length=100, help_text="minute hour day month weekday, in UTC.")
    keep = bodies.Whole(between=(1, services.KEEP_MAXIMUM), required=False)
    enabled = bodies.Flag(required=False)


class RestoreWish(bodies.Body):
    name = bodies.Text(
        required=False, allow_blank=True, max_length=128, help_text="Left out: the volume that it is of."
    )
    host = bodies.Text(required=False, allow_null=True, help_text="Left out: the host that it is of.")
    stop = bodies.Flag(required=False, help_text="Stop the containers that run with it, and start them afterwards.")


class PlaceList(APIView):
    @operation(
        "backup_places_list", tag="backups", answers={200: page_of(PlaceSchema)}, problems=[400, 404],
        parameters=list_parameters(ordering=("created_at", "name")),
    )  # fmt: skip
    def get(self, request: Request) -> Response:
        """List the places for backups of your teams."""
        return list_response(request, _places(request), place_as_json, ordering=("created_at", "name"))

    @operation("backup_places_set", tag="backups", body=NewPlace, answers={201: PlaceSchema}, problems=[403, 404])
    def post(self, request: Request) -> Response:
        """Store a place for backups, or replace the one of this name."""
        wishes: dict[str, Any] = bodies.read(NewPlace, request)
        team = team_choose(request, wishes.pop("team", None))
        host = wishes.pop("host", None)
        chosen = None
        if wishes["kind"] == PlaceKind.DIRECTORY:
            chosen = host_choose(user=request.user, host=host)
        place = places.place_set(user=request.user, team=team, host=chosen, **wishes)
        return Response(place_as_json(place), status=201)


class PlaceDetail(APIView):
    @operation(
        "backup_places_change", tag="backups", body=OtherPlace, answers={200: PlaceSchema}, problems=[400, 403, 404]
    )
    def patch(self, request: Request, place_id: UUID) -> Response:
        """Change a place; nothing that lies there is moved."""
        place = get_object_or_404(_places(request), pk=place_id)
        wishes: dict[str, Any] = bodies.read(OtherPlace, request)
        named = wishes.pop("host", None)
        host = host_choose(user=request.user, host=named) if named else None
        return Response(place_as_json(places.place_change(user=request.user, place=place, host=host, **wishes)))

    @operation("backup_places_delete", tag="backups", answers={204: None}, problems=[403, 404, 409])
    def delete(self, request: Request, place_id: UUID) -> Response:
        """Forget a place, and which backups are there; those stay where they are."""
        places.place_delete(user=request.user, place=get_object_or_404(_places(request), pk=place_id))
        return Response(status=204)


class PlaceTest(APIView):
    @operation("backup_places_test", tag="backups", body=TestOn, answers={202: Accepted}, problems=[400, 403, 404])
    def post(self, request: Request, place_id: UUID) -> Response:
        """Let a host write, read and remove a small file there."""
        place = get_object_or_404(_places(request), pk=place_id)
        wishes = bodies.read(TestOn, request)
        host = place.host or host_choose(user=request.user, host=wishes.get("host"))
        return Response(job_reference(places.place_try(user=request.user, place=place, host=host)), status=202)


class VolumeBackups(APIView):
    @operation(
        "volumes_backups", tag="backups", answers={200: _PAGE}, problems=[400, 404],
        parameters=list_parameters(ordering=("started_at",)),
    )  # fmt: skip
    def get(self, request: Request, volume_id: int) -> Response:
        """List a volume's backups, the newest first, with those of a removed one of its name."""
        rows = _backups(request).of(_volume(request, volume_id))
        return list_response(request, rows, backup_as_json, ordering=("started_at",))

    @operation(
        "volumes_back_up", tag="backups", body=NewBackup, answers={202: BackupBegunSchema}, problems=[400, 403, 404]
    )
    def post(self, request: Request, volume_id: int) -> Response:
        """Back a volume up; the backup's job tells how far it is, and can be cancelled."""
        volume = _volume(request, volume_id)
        wishes: dict[str, Any] = bodies.read(NewBackup, request)
        place = _place(request, wishes.pop("place"))
        backup = services.backup_create(user=request.user, volume=volume, place=place, **wishes)
        return Response({"backup": backup_as_json(backup)}, status=202)


class VolumePlans(APIView):
    @operation("volumes_plans", tag="backups", answers={200: PlansSchema}, problems=[404])
    def get(self, request: Request, volume_id: int) -> Response:
        """List the plans that back a volume up."""
        rows = _volume(request, volume_id).backup_plans.select_related("place")
        return Response({"plans": [plan_as_json(row) for row in rows]})

    @operation("volumes_plan", tag="backups", body=NewPlan, answers={201: PlanSchema}, problems=[400, 403, 404, 409])
    def post(self, request: Request, volume_id: int) -> Response:
        """Back a volume up on a schedule, and keep its last backups."""
        volume = _volume(request, volume_id)
        wishes: dict[str, Any] = bodies.read(NewPlan, request)
        place = _place(request, wishes.pop("place"))
        plan = services.plan_create(user=request.user, volume=volume, place=place, **wishes)
        return Response(plan_as_json(plan), status=201)


class PlanDetail(APIView):
    @operation(
        "backup_plans_change", tag="backups", body=OtherPlan, answers={200: PlanSchema}, problems=[400, 403, 404]
    )
    def patch(self, request: Request, plan_id: UUID) -> Response:
        """Change a plan, or let it rest (`enabled`: false)."""
        plan = _plan(request, plan_id)
        wishes: dict[str, Any] = bodies.read(OtherPlan, request)
        if "place" in wishes:
            wishes["place"] = _place(request, wishes["place"])
        return Response(plan_as_json(services.plan_change(user=request.user, plan=plan, **wishes)))

    @operation("backup_plans_delete", tag="backups", answers={204: None}, problems=[403, 404])
    def delete(self, request: Request, plan_id: UUID) -> Response:
        """Remove a plan; its backups stay."""
        services.plan_delete(user=request.user, plan=_plan(request, plan_id))
        return Response(status=204)


class BackupList(APIView):
    @operation(
        "backups_list", tag="backups", answers={200: _PAGE}, problems=[400, 404],
        parameters=list_parameters(
            ordering=("started_at",),
            filters={
                "host": "A host's name or id.",
                "volume": "What the volume was called.",
                "place": "A place's name.",
                "status": "How it ended.",
            },
            status=BackupStatus.values,
        ),
    )  # fmt: skip
    def get(self, request: Request) -> Response:
        """List the backups of your teams, also of volumes that are gone, the newest first."""
        rows = _backups(request).filter(host_filter(request))
        if volume := parameter(request, "volume"):
            rows = rows.filter(volume_name=volume)
        if place := parameter(request, "place"):
            rows = rows.filter(place__name=place)
        if status := parameter(request, "status", BackupStatus.values):
            rows = rows.filter(status=status)
        return list_response(request, rows, backup_as_json, ordering=("started_at",))


class BackupDetail(APIView):
    @operation("backups_read", tag="backups", answers={200: BackupSchema}, problems=[404])
    def get(self, request: Request, backup_id: UUID) -> Response:
        """Read a backup's state."""
        return Response(backup_as_json(get_object_or_404(_backups(request), pk=backup_id)))

    @operation("backups_remove", tag="backups", answers={202: Accepted}, problems=[403, 404, 409])
    def delete(self, request: Request, backup_id: UUID) -> Response:
        """Delete a backup where it is."""
        backup = get_object_or_404(_backups(request), pk=backup_id)
        return Response(job_reference(services.backup_remove(user=request.user, backup=backup)), status=202)


class BackupRestore(APIView):
    @operation(
        "backups_restore", tag="backups", body=RestoreWish, answers={202: Accepted}, problems=[400, 403, 404, 409]
    )
    def post(self, request: Request, backup_id: UUID) -> Response:
        """Have in a volume what a backup holds, and nothing else."""
        backup = get_object_or_404(_backups(request), pk=backup_id)
        wishes: dict[str, Any] = bodies.read(RestoreWish, request)
        named = wishes.pop("host", None)
        host = host_choose(user=request.user, host=named) if named else None
        return Response(
            job_reference(services.backup_restore(user=request.user, backup=backup, host=host, **wishes)), status=202
        )


class VolumeTar(APIView):
    content_negotiation_class = AnyAnswer

    @operation("volumes_tar", tag="backups", answers={(200, TAR): OpenApiTypes.BINARY}, problems=[403, 404, 409, 503])
    def get(self, request: Request, volume_id: int) -> HttpResponse:
        """Read all files of a volume as a tar."""
        volume = _volume(request, volume_id)
        return tar_answer(streams.volume_read(user=request.user, volume=volume), volume.name)

    @operation(
        "volumes_tar_restore",
        tag="backups",
        body={TAR: OpenApiTypes.BINARY},
        answers={200: ArchiveTakenSchema},
        problems=[400, 403, 404, 409, 503],
        parameters=[_STOP],
    )
    def put(self, request: Request, volume_id: int) -> HttpResponse:
        """Have in a volume what a tar (plain, gzip or zstd) holds, and nothing else, once all of it has come."""
        volume = _volume(request, volume_id)
        stop = parameter(request, "stop") in YES
        return tar_intake(streams.volume_write(user=request.user, volume=volume, stop=stop))


def _volume(request: Request, volume_id: int) -> Volume:
    found: Volume = get_object_or_404(visible(request), pk=volume_id)
    return found


def _places(request: Request) -> Any:
    return BackupPlace.objects.visible_to(request.user).select_related("team", "host")


def _backups(request: Request) -> Any:
    return Backup.objects.visible_to(request.user).select_related("team", "host__team", "place__team", "volume")


def _plan(request: Request, plan_id: UUID) -> BackupPlan:
    rows = BackupPlan.objects.filter(volume__in=visible(request)).select_related(
        "volume__team", "volume__host", "place"
    )
    found: BackupPlan = get_object_or_404(rows, pk=plan_id)
    return found


def _place(request: Request, place_id: UUID) -> BackupPlace:
    found: BackupPlace | None = _places(request).filter(pk=place_id).first()
    if found is None:
        raise ValidationError({"place": ["There is no such place for backups."]})
    return found
