"""The shapes of answers about volumes, for the OpenAPI document."""

from __future__ import annotations

from rest_framework import serializers

from webui.api.schemas import ContainerReference, HostReference, JobReference, TeamReference


class VolumeSchema(serializers.Serializer):
    id = serializers.IntegerField()
    name = serializers.CharField()
    driver = serializers.CharField()
    driver_opts = serializers.DictField(child=serializers.CharField(allow_blank=True))
    labels = serializers.DictField(child=serializers.CharField(allow_blank=True))
    anonymous = serializers.BooleanField(help_text="Made for a container that asked for none by name.")
    used_by = ContainerReference(many=True, help_text="Containers that have it, running or not.")
    host = HostReference()
    team = TeamReference()
    created_at = serializers.DateTimeField()
    url = serializers.CharField()

    class Meta:
        ref_name = "Volume"


class VolumesPruneSchema(serializers.Serializer):
    volumes = VolumeSchema(many=True, help_text="Those that would go, if that was asked; the job says which went.")
    job = JobReference(allow_null=True, help_text="null: nothing was asked to be done.")
