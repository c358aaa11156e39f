"""The shapes of answers about images and registries, for the OpenAPI document."""

from __future__ import annotations

from rest_framework import serializers

from webui.api.schemas import ChangeSchema, HostReference, JobReference, TeamReference


class ImageSchema(serializers.Serializer):
    id = serializers.IntegerField()
    image_id = serializers.CharField(help_text="The digest of the image's config: sha256:…")
    short_id = serializers.CharField()
    tags = serializers.ListField(child=serializers.CharField())
    digests = serializers.ListField(child=serializers.CharField())
    size_bytes = serializers.IntegerField(help_text="What the unpacked layers take on disk.")
    layers = serializers.IntegerField()
    newer = serializers.ListField(
        child=serializers.CharField(), help_text="Those of the tags that have moved on at their registry."
    )
    architecture = serializers.CharField(allow_blank=True)
    os = serializers.CharField(allow_blank=True)
    host = HostReference()
    team = TeamReference()
    config = serializers.DictField()
    built_at = serializers.DateTimeField(allow_null=True)
    updated_at = serializers.DateTimeField()
    url = serializers.CharField()


class HistoryEntrySchema(serializers.Serializer):
    id = serializers.CharField(help_text="The image's for its last step; <missing> for those before.")
    created_at = serializers.CharField(allow_null=True, help_text="RFC 3339, as its builder wrote it.")
    created_by = serializers.CharField(allow_blank=True)
    comment = serializers.CharField(allow_blank=True)
    author = serializers.CharField(allow_blank=True)
    size_bytes = serializers.IntegerField()
    tags = serializers.ListField(child=serializers.CharField())
    is_empty = serializers.BooleanField(help_text="The step made no layer.")
    digest = serializers.CharField(allow_blank=True, help_text="Of the layer's blob, where it is known.")
    diff_id = serializers.CharField(allow_blank=True)


class HistorySchema(serializers.Serializer):
    layers = HistoryEntrySchema(many=True, help_text="The newest first, steps without a layer among them.")


class LayerFilesSchema(serializers.Serializer):
    layer = serializers.CharField(help_text="Its diff id.")
    path = serializers.CharField()
    files = ChangeSchema(many=True, help_text="What lies right below the path; of a directory, all below it counts.")
    more = serializers.BooleanField(help_text="There are more than are told here.")


class WastedFileSchema(serializers.Serializer):
    path = serializers.CharField()
    size_bytes = serializers.IntegerField(help_text="What earlier layers hold of it in vain.")
    count = serializers.IntegerField(help_text="How many layers hold it in vain.")


class WasteSchema(serializers.Serializer):
    wasted_bytes = serializers.IntegerField()
    efficiency = serializers.FloatField(help_text="1: nothing is wasted.")
    files = WastedFileSchema(many=True, help_text="The largest, at most a thousand.")
    is_cut = serializers.BooleanField(help_text="There were too many files to look at all of them.")


class ImageUsageSchema(serializers.Serializer):
    id = serializers.CharField()
    tags = serializers.ListField(child=serializers.CharField())
    created_at = serializers.CharField(allow_null=True)
    size_bytes = serializers.IntegerField()
    shared_bytes = serializers.IntegerField(help_text="Of layers that other images have as well.")
    unique_bytes = serializers.IntegerField()
    containers = serializers.IntegerField()


class ContainerUsageSchema(serializers.Serializer):
    id = serializers.CharField()
    name = serializers.CharField()
    image_id = serializers.CharField(allow_null=True)
    is_running = serializers.BooleanField()
    writable_bytes = serializers.IntegerField(help_text="What it wrote over its image, on the disk.")
    file_bytes = serializers.IntegerField(required=False, help_text="How long these files are, with their holes.")
    log_bytes = serializers.IntegerField()


class DiskUsageSchema(serializers.Serializer):
    images = ImageUsageSchema(many=True)
    layers_bytes = serializers.IntegerField(help_text="All unpacked layers, each once.")
    blobs_bytes = serializers.IntegerField(help_text="What was downloaded and is kept packed.")
    ingests_bytes = serializers.IntegerField(help_text="Downloads that are not finished.")
    containers = ContainerUsageSchema(many=True)
    containers_bytes = serializers.IntegerField()
    logs_bytes = serializers.IntegerField()
    kept_logs_bytes = serializers.IntegerField(help_text="Logs of removed containers, among logs_bytes.")
    volumes = serializers.ListField()
    build_cache_bytes = serializers.IntegerField()


class PrunableSchema(serializers.Serializer):
    id = serializers.CharField(help_text="The image's id.")
    tags = serializers.ListField(child=serializers.CharField())
    size_bytes = serializers.IntegerField()
    unique_bytes = serializers.IntegerField()


class ImagesPruneSchema(serializers.Serializer):
    images = PrunableSchema(many=True, help_text="What would go; empty when it was asked to be done.")
    reclaimed_bytes = serializers.IntegerField(help_text="At least so much would be free again.")
    job = JobReference(allow_null=True, help_text="null: nothing was asked to be done.")


class TakenImageSchema(serializers.Serializer):
    id = serializers.CharField()
    tags = serializers.ListField(child=serializers.CharField())


class ImagesTakenSchema(serializers.Serializer):
    images = TakenImageSchema(many=True)
    job = JobReference(help_text="It tells how far it is while it runs, and can be cancelled.")


class RemoteTagsSchema(serializers.Serializer):
    tags = serializers.ListField(child=serializers.CharField(), help_text="5,000 at most, the last in its order.")
    count = serializers.IntegerField(help_text="How many there are.")


class ReferrerSchema(serializers.Serializer):
    digest = serializers.CharField()
    media_type = serializers.CharField()
    artifact_type = serializers.CharField()
    size_bytes = serializers.IntegerField()
    annotations = serializers.DictField(child=serializers.CharField())


class ReferrersSchema(serializers.Serializer):
    referrers = ReferrerSchema(many=True, help_text="500 at most.")
    count = serializers.IntegerField(help_text="How many there are.")


class LookupSchema(serializers.Serializer):
    jobs = JobReference(many=True, help_text="One for each host and registry; none if no tag came from a registry.")


class CredentialSchema(serializers.Serializer):
    id = serializers.UUIDField()
    registry = serializers.CharField()
    username = serializers.CharField(allow_blank=True, help_text="Empty: as nobody.")
    plain_http = serializers.BooleanField(help_text="Spoken to without TLS.")
    tls_verify = serializers.BooleanField(help_text="false: any certificate is taken.")
    ca_pem = serializers.CharField(allow_blank=True, help_text="Certificates that are trusted too.")
    mirrors = serializers.ListField(child=serializers.CharField())
    tried = serializers.DictField(allow_null=True, help_text="What the last test said.")
    team = TeamReference()
    created_at = serializers.DateTimeField()
    url = serializers.CharField()


class SigningKeySchema(serializers.Serializer):
    id = serializers.CharField()
    url = serializers.CharField()
    name = serializers.CharField()
    key_id = serializers.CharField(help_text="SHA-256 of the public key.")
    public_key = serializers.CharField(help_text="PEM, for cosign verify --key.")
    can_sign = serializers.BooleanField(help_text="Whether its private key is here.")
    team = TeamReference()
    created_at = serializers.DateTimeField()

    class Meta:
        ref_name = "SigningKey"


class AttachmentSchema(serializers.Serializer):
    digest = serializers.CharField(help_text="Of its manifest.")
    subject = serializers.CharField(help_text="Digest of the manifest that it is about.")
    slot = serializers.CharField(help_text="sbom:spdx, sbom:cyclonedx, provenance, signature:KEY.")
    artifact_type = serializers.CharField()
    content = serializers.CharField(help_text="Digest of what it says.")
    size_bytes = serializers.IntegerField()
    created_at = serializers.FloatField(help_text="Unix time.")

    class Meta:
        ref_name = "ImageAttachment"


class SignedSchema(serializers.Serializer):
    key_id = serializers.CharField(help_text="Of one of the team's keys.")
    digest = serializers.CharField(help_text="The manifest or index that it has signed.")
    place = serializers.CharField(help_text="here, or a registry's name of the image.")

    class Meta:
        ref_name = "ImageSigned"


class AttachedSchema(serializers.Serializer):
    attachments = AttachmentSchema(many=True)
    signed = SignedSchema(many=True)

    class Meta:
        ref_name = "ImageAttached"
