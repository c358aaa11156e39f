"""Webhooks: where a team wants to be told of what happens, and what it was told."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.shortcuts import get_object_or_404
from drf_spectacular.utils import OpenApiExample, extend_schema_serializer
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from webui.api import bodies
from webui.api.lists import list_parameters, list_response, parameter
from webui.api.operations import operation, page_of
from webui.api.schemas import TeamReference
from webui.api.views.registries import team_choose
from webui.webhooks import services
from webui.webhooks.models import Delivery, DeliveryStatus, Webhook, WebhookQuerySet
from webui.webhooks.representation import delivery_as_json, webhook_as_json

ORDERING = ("created_at", "name")
DELIVERY_ORDERING = ("created_at",)


class WebhookChanges(bodies.Body):
    """What is left out stays as it is."""

    name = bodies.Text(max_length=80, required=False, help_text="What no other webhook of the team is called.")
    url = bodies.Text(max_length=2000, required=False, help_text="Where messages are posted to, http or https.")
    events = serializers.ListField(
        child=bodies.Text(max_length=60),
        max_length=100,
        required=False,
        help_text="container, container.die, image.pull, job.failed …; empty: all.",
    )
    reaches_local = bodies.Flag(
        required=False, help_text="Whether the address may be this host or near it. For administrators."
    )
    is_enabled = bodies.Flag(
        required=False, help_text="One that is switched on again is told of what happens from now."
    )


@extend_schema_serializer(
    examples=[
        OpenApiExample(
            "Told of ends",
            value={"name": "chat", "url": "https://example.com/hooks/1", "events": ["container.die", "job.failed"]},
        )
    ]
)
class NewWebhook(bodies.Body):
    team = bodies.Text(required=False, help_text="A team's name or id; may be left out by who is in one only.")
    name = bodies.Text(max_length=80, help_text="What no other webhook of the team is called.")
    url = bodies.Text(max_length=2000, help_text="Where messages are posted to, http or https.")
    events = serializers.ListField(
        child=bodies.Text(max_length=60),
        max_length=100,
        required=False,
        help_text="container, container.die, image.pull, job.failed …; empty: all.",
    )
    reaches_local = bodies.Flag(
        required=False, help_text="Whether the address may be this host or near it. For administrators."
    )


class WebhookSchema(serializers.Serializer):
    id = serializers.UUIDField()
    team = TeamReference()
    name = serializers.CharField()
    url = serializers.CharField()
    events = serializers.ListField(child=serializers.CharField())
    is_enabled = serializers.BooleanField()
    reaches_local = serializers.BooleanField()
    problem = serializers.CharField(allow_blank=True, help_text="Why it was switched off.")
    failures = serializers.IntegerField(help_text="In a row.")
    waits_until = serializers.DateTimeField(
        allow_null=True, help_text="Nothing is sent before: its receiver has asked for that (Retry-After)."
    )
    created_at = serializers.DateTimeField()


class NewWebhookSchema(WebhookSchema):
    secret = serializers.CharField(help_text="Signs what is sent (standardwebhooks.com); shown this once.")


class WebhookSecretSchema(serializers.Serializer):
    secret = serializers.CharField(help_text="Signs what is sent (standardwebhooks.com); shown this once.")


class DeliverySchema(serializers.Serializer):
    id = serializers.UUIDField(help_text="The header webhook-id.")
    event = serializers.CharField()
    status = serializers.ChoiceField(DeliveryStatus.choices)
    attempts = serializers.IntegerField()
    next_at = serializers.DateTimeField(allow_null=True, help_text="When it is sent next.")
    answer_status = serializers.IntegerField(allow_null=True)
    answer = serializers.CharField(allow_blank=True, help_text="How the last answer began.")
    problem = serializers.CharField(allow_blank=True)
    seconds = serializers.FloatField(allow_null=True)
    body = serializers.DictField()
    created_at = serializers.DateTimeField()
    finished_at = serializers.DateTimeField(allow_null=True)


def visible(request: Request) -> WebhookQuerySet:
    return Webhook.objects.visible_to(request.user).select_related("team")


def _found(request: Request, webhook_id: UUID) -> Webhook:
    return get_object_or_404(visible(request), pk=webhook_id)


class WebhookList(APIView):
    @operation(
        "webhooks_list",
        tag="webhooks",
        answers={200: page_of(WebhookSchema)},
        problems=[400, 404],
        parameters=list_parameters(ordering=ORDERING, search="Part of the name."),
    )
    def get(self, request: Request) -> Response:
        """List webhooks of the teams that you manage."""
        rows = visible(request)
        if search := parameter(request, "search"):
            rows = rows.filter(name__icontains=search)
        return list_response(request, rows, webhook_as_json, ordering=ORDERING)

    @operation("webhooks_create", tag="webhooks", body=NewWebhook, answers={201: NewWebhookSchema}, problems=[403, 409])
    def post(self, request: Request) -> Response:
        """Make a webhook. Its secret is in this answer and nowhere else."""
        wish: dict[str, Any] = bodies.read(NewWebhook, request)
        team = team_choose(request, wish.pop("team", None))
        hook, secret = services.webhook_create(user=request.user, team=team, **wish)
        body = {**webhook_as_json(hook), "secret": secret}
        return Response(body, status=201, headers={"Cache-Control": "no-store"})


class WebhookDetail(APIView):
    @operation("webhooks_read", tag="webhooks", answers={200: WebhookSchema}, problems=[404])
    def get(self, request: Request, webhook_id: UUID) -> Response:
        """Read a webhook."""
        return Response(webhook_as_json(_found(request, webhook_id)))

    @operation(
        "webhooks_update", tag="webhooks", body=WebhookChanges, answers={200: WebhookSchema}, problems=[403, 404, 409]
    )
    def patch(self, request: Request, webhook_id: UUID) -> Response:
        """Change a webhook, or switch it on and off."""
        changes, hook = bodies.read(WebhookChanges, request), _found(request, webhook_id)
        return Response(webhook_as_json(services.webhook_update(user=request.user, webhook=hook, **changes)))

    @operation("webhooks_delete", tag="webhooks", answers={204: None}, problems=[403, 404])
    def delete(self, request: Request, webhook_id: UUID) -> Response:
        """Remove a webhook with its log."""
        services.webhook_remove(user=request.user, webhook=_found(request, webhook_id))
        return Response(status=204)


class WebhookTest(APIView):
    @operation(
        "webhooks_test",
        tag="webhooks",
        body=bodies.EmptyBody,
        answers={202: DeliverySchema},
        problems=[403, 404, 409],
    )
    def post(self, request: Request, webhook_id: UUID) -> Response:
        """Send a ping; its delivery tells what came of it."""
        bodies.read(bodies.EmptyBody, request)
        delivery = services.webhook_test(user=request.user, webhook=_found(request, webhook_id))
        return Response(delivery_as_json(delivery), status=202)


class WebhookSecret(APIView):
    @operation(
        "webhooks_new_secret",
        tag="webhooks",
        body=bodies.EmptyBody,
        answers={200: WebhookSecretSchema},
        problems=[403, 404],
    )
    def post(self, request: Request, webhook_id: UUID) -> Response:
        """Make another secret; what is sent from now on is signed with it."""
        bodies.read(bodies.EmptyBody, request)
        secret = services.webhook_new_secret(user=request.user, webhook=_found(request, webhook_id))
        return Response({"secret": secret}, headers={"Cache-Control": "no-store"})


class WebhookDeliveries(APIView):
    @operation(
        "webhooks_deliveries_list",
        tag="webhooks",
        answers={200: page_of(DeliverySchema)},
        problems=[400, 404],
        parameters=list_parameters(
            ordering=DELIVERY_ORDERING, filters={"status": "How it stands."}, status=DeliveryStatus.values
        ),
    )
    def get(self, request: Request, webhook_id: UUID) -> Response:
        """List what was sent, the newest first; it is kept for a week."""
        rows = Delivery.objects.filter(webhook=_found(request, webhook_id))
        if status := parameter(request, "status", DeliveryStatus.values):
            rows = rows.filter(status=status)
        return list_response(request, rows, delivery_as_json, ordering=DELIVERY_ORDERING)


class DeliveryAgain(APIView):
    @operation(
        "webhooks_deliveries_again",
        tag="webhooks",
        body=bodies.EmptyBody,
        answers={202: DeliverySchema},
        problems=[403, 404, 409],
    )
    def post(self, request: Request, webhook_id: UUID, message_id: UUID) -> Response:
        """Send a message once more."""
        bodies.read(bodies.EmptyBody, request)
        found = Delivery.objects.select_related("webhook__team").filter(webhook=_found(request, webhook_id))
        again = services.delivery_again(user=request.user, delivery=get_object_or_404(found, pk=message_id))
        return Response(delivery_as_json(again), status=202)
