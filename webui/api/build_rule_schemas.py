"""The shapes of answers about rules of builds and git servers, for the OpenAPI document."""

from __future__ import annotations

from rest_framework import serializers

from webui.api.schemas import HostReference, TeamReference


class BuildRuleSchema(serializers.Serializer):
    id = serializers.CharField()
    url = serializers.CharField()
    hook = serializers.CharField(help_text="The path that the forge's webhook calls.")
    name = serializers.CharField()
    repository = serializers.CharField()
    branches = serializers.ListField(child=serializers.CharField())
    tags = serializers.ListField(child=serializers.CharField())
    directory = serializers.CharField(allow_blank=True)
    dockerfile = serializers.CharField()
    target = serializers.CharField(allow_blank=True)
    names = serializers.ListField(child=serializers.CharField())
    build_args = serializers.DictField(child=serializers.CharField(allow_blank=True))
    push = serializers.BooleanField()
    ssh_keys = serializers.DictField(child=serializers.CharField(), help_text="id of an agent → a key of the team.")
    enabled = serializers.BooleanField()
    refused_at = serializers.DateTimeField(allow_null=True, help_text="When a call was last refused.")
    refusal = serializers.CharField(allow_blank=True, help_text="Why.")
    created_by = serializers.CharField(allow_null=True, help_text="Whose rights its builds have.")
    host = HostReference()
    team = TeamReference()
    created_at = serializers.DateTimeField()

    class Meta:
        ref_name = "BuildRule"


class BuildRuleMade(serializers.Serializer):
    rule = BuildRuleSchema()
    secret = serializers.CharField(help_text="For the forge's webhook; it is not shown again.")


class RuleSecret(serializers.Serializer):
    secret = serializers.CharField(help_text="For the forge's webhook; it is not shown again.")


class BuildDeliverySchema(serializers.Serializer):
    id = serializers.CharField()
    url = serializers.CharField()
    delivery_id = serializers.CharField(help_text="The forge's own.")
    event = serializers.CharField(allow_blank=True)
    ref = serializers.CharField(allow_blank=True)
    commit = serializers.CharField(allow_blank=True)
    sender = serializers.CharField(allow_blank=True)
    outcome = serializers.ChoiceField(["built", "ignored", "refused"])
    reason = serializers.CharField(allow_blank=True)
    build = serializers.CharField(allow_null=True, help_text="The build that it began.")
    received_at = serializers.DateTimeField()

    class Meta:
        ref_name = "BuildDelivery"


class GitServerSchema(serializers.Serializer):
    id = serializers.CharField()
    url = serializers.CharField()
    server = serializers.CharField()
    username = serializers.CharField(allow_blank=True)
    has_password = serializers.BooleanField()
    ca_pem = serializers.CharField(allow_blank=True)
    team = TeamReference()
    created_at = serializers.DateTimeField()

    class Meta:
        ref_name = "GitServer"


class SshKeySchema(serializers.Serializer):
    id = serializers.CharField()
    url = serializers.CharField()
    name = serializers.CharField()
    fingerprint = serializers.CharField(help_text="SHA256:…, as ssh-keygen -l shows it.")
    public_key = serializers.CharField(help_text="In one line, for authorized_keys and forges.")
    team = TeamReference()
    created_at = serializers.DateTimeField()

    class Meta:
        ref_name = "SshKey"
