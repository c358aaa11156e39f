"""The shapes of answers about backups, for the OpenAPI document."""

from __future__ import annotations

from rest_framework import serializers

from webui.api.schemas import HostReference, TeamReference


class NamedReference(serializers.Serializer):
    id = serializers.CharField()
    name = serializers.CharField()

    class Meta:
        ref_name = "BackupPlaceReference"


class VolumeReference(serializers.Serializer):
    id = serializers.IntegerField(allow_null=True, help_text="null: it was removed.")
    name = serializers.CharField()

    class Meta:
        ref_name = "BackupVolumeReference"


class PlaceTried(serializers.Serializer):
    at = serializers.DateTimeField()
    host = serializers.CharField()
    ok = serializers.BooleanField()
    message = serializers.CharField()

    class Meta:
        ref_name = "BackupPlaceTried"


class PlaceSchema(serializers.Serializer):
    id = serializers.UUIDField()
    name = serializers.CharField()
    kind = serializers.ChoiceField(["directory", "s3"])
    host = HostReference(allow_null=True, help_text="Of a directory.")
    directory = serializers.CharField(allow_blank=True)
    endpoint = serializers.CharField(allow_blank=True)
    bucket = serializers.CharField(allow_blank=True)
    prefix = serializers.CharField(allow_blank=True)
    region = serializers.CharField(allow_blank=True)
    tls_verify = serializers.BooleanField()
    reaches_local = serializers.BooleanField()
    access_key = serializers.CharField(allow_blank=True)
    tried = PlaceTried(allow_null=True)
    team = TeamReference()
    created_at = serializers.DateTimeField()
    url = serializers.CharField()

    class Meta:
        ref_name = "BackupPlace"


class PlanSchema(serializers.Serializer):
    id = serializers.UUIDField()
    place = NamedReference()
    schedule = serializers.CharField(help_text="minute hour day month weekday, as cron has them, in UTC.")
    keep = serializers.IntegerField(help_text="How many of its backups stay.")
    pause = serializers.BooleanField()
    enabled = serializers.BooleanField()
    next_at = serializers.DateTimeField()
    url = serializers.CharField()

    class Meta:
        ref_name = "BackupPlan"


class PlansSchema(serializers.Serializer):
    plans = PlanSchema(many=True)

    class Meta:
        ref_name = "BackupPlans"


class BackupSchema(serializers.Serializer):
    id = serializers.UUIDField()
    volume = VolumeReference()
    place = NamedReference()
    plan = serializers.UUIDField(allow_null=True)
    key = serializers.CharField(help_text="What it is called in its place.")
    status = serializers.ChoiceField(["running", "succeeded", "failed"])
    size_bytes = serializers.IntegerField(allow_null=True, help_text="In its place.")
    files_bytes = serializers.IntegerField(allow_null=True, help_text="Unpacked.")
    digest = serializers.CharField(allow_null=True)
    error = serializers.CharField(allow_null=True)
    job = serializers.UUIDField(allow_null=True)
    host = HostReference()
    started_at = serializers.DateTimeField()
    finished_at = serializers.DateTimeField(allow_null=True)
    url = serializers.CharField()

    class Meta:
        ref_name = "Backup"


class BackupBegunSchema(serializers.Serializer):
    backup = BackupSchema()

    class Meta:
        ref_name = "BackupBegun"
