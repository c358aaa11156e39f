"""How sessions, identity providers and the policy of signing in look over REST."""

from __future__ import annotations

from rest_framework import serializers

from webui.api import bodies
from webui.api.schemas import TeamReference


class SessionSchema(serializers.Serializer):
    id = serializers.UUIDField()
    device = serializers.CharField(help_text="As Firefox on Linux; a guess.")
    user_agent = serializers.CharField(allow_blank=True)
    address = serializers.CharField(allow_blank=True)
    method = serializers.CharField(
        allow_blank=True,
        help_text="Password, Passkey, or a provider's name; with what was shown besides: Password and recovery code.",
    )
    is_current = serializers.BooleanField()
    created_at = serializers.DateTimeField()
    last_seen_at = serializers.DateTimeField()


class MappingSchema(serializers.Serializer):
    group = serializers.CharField()
    team = TeamReference(allow_null=True)
    role = serializers.CharField()


class IdentityProviderSchema(serializers.Serializer):
    id = serializers.UUIDField()
    slug = serializers.CharField(help_text="In the redirect URI: /login/with/{slug}/callback/.")
    name = serializers.CharField()
    issuer = serializers.CharField()
    client_id = serializers.CharField()
    has_secret = serializers.BooleanField(help_text="The secret itself never comes out.")
    scopes = serializers.CharField()
    groups_claim = serializers.CharField()
    username_claim = serializers.CharField()
    is_enabled = serializers.BooleanField()
    creates_users = serializers.BooleanField()
    only_mapped = serializers.BooleanField()
    links_by_email = serializers.BooleanField()
    asks_second_factor = serializers.BooleanField()
    people = serializers.IntegerField()
    mappings = MappingSchema(many=True)
    created_at = serializers.DateTimeField()


class SignInPolicySchema(serializers.Serializer):
    require_second_factor = serializers.BooleanField()


class GroupRole(bodies.Body):
    group = bodies.Text(max_length=200, help_text="As the provider's claim names it.")
    team = bodies.Text(required=False, allow_null=True, max_length=80, help_text="Name or id; null: the whole site.")
    role = bodies.Text(max_length=40, help_text="A role in the team, or `administrator` without a team.")


class ProviderChanges(bodies.Body):
    """What is left out stays as it is."""

    name = bodies.Text(required=False, max_length=80)
    issuer = bodies.Text(required=False, max_length=300, help_text="https://…, as the provider calls itself.")
    client_id = bodies.Text(required=False, max_length=300)
    client_secret = bodies.Text(required=False, max_length=1000, allow_blank=True, help_text="Kept encrypted.")
    scopes = bodies.Text(required=False, max_length=300)
    groups_claim = bodies.Text(required=False, max_length=80)
    username_claim = bodies.Text(required=False, max_length=80)
    is_enabled = bodies.Flag(required=False)
    creates_users = bodies.Flag(required=False, help_text="Whether who is new gets a user here.")
    only_mapped = bodies.Flag(required=False, help_text="Whether only people in a mapped group are let in.")
    links_by_email = bodies.Flag(required=False, help_text="Whether a verified address joins the user made for it.")
    asks_second_factor = bodies.Flag(required=False, help_text="Whether its sign-in counts as two factors.")
    mappings = bodies.serializers.ListField(
        child=GroupRole(), required=False, max_length=500, help_text="In the place of all that are there."
    )


class NewProvider(ProviderChanges):
    name = bodies.Text(max_length=80)
    issuer = bodies.Text(max_length=300, help_text="https://…, as the provider calls itself.")
    client_id = bodies.Text(max_length=300)


class SignInPolicy(bodies.Body):
    require_second_factor = bodies.Flag(help_text="Of everybody; teams have a field of their own.")
