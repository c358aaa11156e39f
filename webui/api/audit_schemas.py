"""The shapes of the audit log's answers."""

from __future__ import annotations

from rest_framework import serializers

from webui.api.schemas import HostReference, TeamReference
from webui.audit.models import Result


class AuditEntrySchema(serializers.Serializer):
    id = serializers.IntegerField(help_text="Rises; ?before= and ?after= go on from here.")
    at = serializers.DateTimeField()
    actor = serializers.CharField(allow_null=True, help_text="The user's name then; null: the site, or nobody known.")
    token = serializers.CharField(allow_null=True, help_text="The name of the token that was shown.")
    door = serializers.CharField(help_text="pages, rest, socket, docker, console or site.")
    address = serializers.CharField(allow_null=True)
    agent = serializers.CharField(allow_blank=True, help_text="What the program called itself.")
    action = serializers.CharField(help_text="resource.verb, such as container.create.")
    team = TeamReference(allow_null=True)
    host = HostReference(allow_null=True)
    object_id = serializers.CharField(allow_blank=True)
    object_name = serializers.CharField(allow_blank=True)
    result = serializers.ChoiceField(Result.choices, help_text="asked: a job that has not ended.")
    error = serializers.CharField(allow_blank=True)
    job = serializers.UUIDField(allow_null=True)
    before = serializers.DictField(allow_null=True, help_text="The fields that changed, as they were.")
    after = serializers.DictField(allow_null=True, help_text="The fields that changed, or what was asked for.")


class AuditPageSchema(serializers.Serializer):
    next = serializers.CharField(allow_null=True)
    results = AuditEntrySchema(many=True)
