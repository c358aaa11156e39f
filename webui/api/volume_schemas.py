"""The shapes of answers about volumes, for the OpenAPI document."""

from __future__ import annotations

from rest_framework import serializers

from webui.api.schemas import ContainerReference, HostReference, JobReference, TeamReference


class SnapshotSchema(serializers.Serializer):
    name = serializers.CharField()
    created_at = serializers.DateTimeField()
    size_bytes = serializers.IntegerField()

    class Meta:
        ref_name = "VolumeSnapshot"


class SizesSchema(serializers.Serializer):
    at = serializers.DateTimeField()
    size_bytes = serializers.IntegerField()

    class Meta:
        ref_name = "VolumeSize"


class VolumeSizesSchema(serializers.Serializer):
    sizes = SizesSchema(many=True, help_text="Each holds until the next one's time; the oldest first.")


class VolumeSchema(serializers.Serializer):
    id = serializers.IntegerField()
    name = serializers.CharField()
    driver = serializers.CharField()
    driver_opts = serializers.DictField(child=serializers.CharField(allow_blank=True))
    labels = serializers.DictField(child=serializers.CharField(allow_blank=True))
    anonymous = serializers.BooleanField(help_text="Made for a container that asked for none by name.")
    size_bytes = serializers.IntegerField(allow_null=True, help_text="On the disk; null of what lies elsewhere.")
    files = serializers.IntegerField(allow_null=True)
    measured_at = serializers.DateTimeField(allow_null=True)
    limit_bytes = serializers.IntegerField(allow_null=True)
    quota = serializers.ChoiceField(
        ["kernel", "counted"],
        allow_null=True,
        help_text="How the limit holds: the kernel refuses what is beyond it, or it is looked at now and then.",
    )
    over_limit = serializers.BooleanField()
    snapshots = SnapshotSchema(many=True, help_text="The oldest first.")
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
