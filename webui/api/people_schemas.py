"""The shapes of people, members, roles and invitations, for the OpenAPI document."""

from __future__ import annotations

from rest_framework import serializers

from webui.api.schemas import HostReference, TeamReference, TokenSchema

ROLE = "viewer, operator, developer, maintainer or a custom role's key."


class PersonReference(serializers.Serializer):
    id = serializers.IntegerField()
    username = serializers.CharField()
    name = serializers.CharField(allow_blank=True)


class TeamOfPerson(TeamReference):
    role = serializers.CharField(allow_blank=True, help_text="In the whole team; empty: at some places alone.")


class PersonSchema(PersonReference):
    email = serializers.CharField(allow_blank=True)
    administrator = serializers.BooleanField()
    active = serializers.BooleanField(help_text="false: locked out; nothing lets them in.")
    service_account = serializers.BooleanField()
    teams = TeamOfPerson(many=True, help_text="Those whose members you may see.")
    joined_at = serializers.DateTimeField()
    last_login_at = serializers.DateTimeField(allow_null=True)

    class Meta:
        ref_name = "Person"


class NewPersonSchema(PersonSchema):
    password = serializers.CharField(help_text="For the first sign-in, which asks for another; shown this once.")

    class Meta:
        ref_name = "PersonWithPassword"


class PasswordSchema(serializers.Serializer):
    password = serializers.CharField(help_text="For one sign-in; shown this once.")


class GroupReference(serializers.Serializer):
    id = serializers.UUIDField()
    name = serializers.CharField()


class GrantSchema(serializers.Serializer):
    id = serializers.UUIDField()
    role = serializers.CharField(help_text=ROLE)
    host = HostReference(allow_null=True)
    group = GroupReference(allow_null=True)
    repository = serializers.CharField(allow_blank=True, help_text="A whole name, or all below one (ghcr.io/we/*).")
    created_at = serializers.DateTimeField()


class MemberSchema(serializers.Serializer):
    user = PersonReference()
    role = serializers.CharField(allow_blank=True, help_text=f"In the whole team: {ROLE}")
    active = serializers.BooleanField()
    service_account = serializers.BooleanField()
    grants = GrantSchema(many=True, help_text="Further roles, each at one place: a host, a group or a repository.")
    created_at = serializers.DateTimeField()


class InvitationSchema(serializers.Serializer):
    id = serializers.UUIDField()
    team = TeamReference()
    role = serializers.CharField(help_text=ROLE)
    note = serializers.CharField(allow_blank=True, help_text="For whom it is meant.")
    invited_by = PersonReference()
    created_at = serializers.DateTimeField()
    expires_at = serializers.DateTimeField()
    accepted_at = serializers.DateTimeField(allow_null=True)
    accepted_by = PersonReference(allow_null=True)


class NewInvitationSchema(InvitationSchema):
    url = serializers.CharField(help_text="The link, which is shown this once: who has it can join.")
    secret = serializers.CharField(help_text="What the link ends with; for POST /invitations/accept/.")


class ServiceAccountSchema(PersonReference):
    team = TeamReference()
    role = serializers.CharField(allow_blank=True)
    active = serializers.BooleanField()
    tokens = TokenSchema(many=True)
    joined_at = serializers.DateTimeField()


class HostGroupSchema(GroupReference):
    team = TeamReference()
    hosts = HostReference(many=True)
    created_at = serializers.DateTimeField()


class RoleSchema(serializers.Serializer):
    key = serializers.CharField(help_text="What memberships and invitations name; it stays when the name changes.")
    name = serializers.CharField()
    description = serializers.CharField(allow_blank=True)
    built_in = serializers.BooleanField()
    actions = serializers.ListField(child=serializers.CharField(), help_text="GET /actions/ says what they mean.")

    class Meta:
        ref_name = "Role"


class RolesSchema(serializers.Serializer):
    results = RoleSchema(many=True)


class ActionSchema(serializers.Serializer):
    name = serializers.CharField()
    words = serializers.CharField()
    level = serializers.ChoiceField(
        ["site", "team", "host", "repository"], help_text="The narrowest grant that can give it."
    )
    roles = serializers.ListField(child=serializers.CharField(), help_text="The built-in roles that have it.")

    class Meta:
        ref_name = "Action"


class ActionsSchema(serializers.Serializer):
    results = ActionSchema(many=True)
