"""The shapes of answers about files of a volume, for the OpenAPI document."""

from __future__ import annotations

from rest_framework import serializers


class FileSchema(serializers.Serializer):
    name = serializers.CharField(help_text="Bytes that are no UTF-8 as \\xff.", allow_blank=True)
    path = serializers.CharField(allow_null=True, help_text="From the volume's top; null if it is no UTF-8: use url.")
    type = serializers.CharField(help_text="file, directory, link, pipe, socket or device.")
    size_bytes = serializers.IntegerField()
    mode = serializers.CharField(help_text="Four octal digits.")
    uid = serializers.IntegerField(help_text="As containers see it.")
    gid = serializers.IntegerField()
    modified_at = serializers.DateTimeField()
    links = serializers.IntegerField(help_text="How many names it has.")
    etag = serializers.CharField(help_text="Another one when the content was changed; If-Match takes it in quotes.")
    target = serializers.CharField(allow_null=True, help_text="A link's text.")
    leads_to = serializers.CharField(
        allow_null=True, help_text="The type of what a link leads to inside of the volume; null for nowhere or out."
    )
    url = serializers.CharField(help_text="Its own address, whatever bytes its name has.")

    class Meta:
        ref_name = "File"


class FilesSchema(serializers.Serializer):
    entry = FileSchema()
    entries = FileSchema(many=True, allow_null=True, help_text="null if it is no directory.")
    offset = serializers.IntegerField()
    total = serializers.IntegerField(help_text="Entries of the directory that were counted.")
    more = serializers.BooleanField(help_text="There are more than were counted.")
    next = serializers.CharField(allow_null=True, help_text="The address of the next part.")
