"""Rules that build when a forge tells of a push, their deliveries, and who a team is at git servers."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.db.models import QuerySet
from django.shortcuts import get_object_or_404
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from webui.api import bodies
from webui.api.build_rule_schemas import (
    BuildDeliverySchema,
    BuildRuleMade,
    BuildRuleSchema,
    GitServerSchema,
    RuleSecret,
)
from webui.api.build_schemas import BuildStarted
from webui.api.lists import list_parameters, list_response
from webui.api.operations import operation, page_of
from webui.api.views.builds import started
from webui.api.views.images import OnHost
from webui.api.views.registries import team_choose
from webui.builds.git_servers import git_server_as_json, git_server_delete, git_server_set
from webui.builds.models import BuildDelivery, BuildRule, BuildRuleQuerySet, GitServer
from webui.builds.representation import delivery_as_json, rule_as_json
from webui.builds.rules import (
    RuleWish,
    delivery_again,
    rule_create,
    rule_delete,
    rule_new_secret,
    rule_update,
)
from webui.hosts.services import host_choose

ORDERING = ("created_at", "name")


class RuleBody(OnHost):
    name = bodies.Text(max_length=100, required=False, help_text="What people call it.")
    repository = bodies.Text(max_length=2048, required=False, help_text="https://git.example.com/team/app.git")
    branches = bodies.serializers.ListField(
        child=bodies.Text(max_length=200), required=False, help_text="Patterns such as main or release/*."
    )
    tags = bodies.serializers.ListField(child=bodies.Text(max_length=200), required=False, help_text="Such as v*.")
    directory = bodies.Text(max_length=1024, required=False, allow_blank=True, help_text="The context in it.")
    dockerfile = bodies.Text(max_length=1024, required=False, help_text="Its path in that; Dockerfile if left out.")
    target = bodies.Text(max_length=128, required=False, allow_blank=True)
    names = bodies.serializers.ListField(
        child=bodies.Text(max_length=1024),
        required=False,
        help_text="The image's: app:{branch}, app:{tag}, app:{sha7}; one that a push has no value for is left out.",
    )
    build_args = bodies.Strings(required=False)
    push = bodies.Flag(required=False, help_text="Push the image once it is built.")
    ssh_keys = bodies.Strings(
        required=False,
        help_text="id → the name of one of the team's SSH keys, for RUN --mount=type=ssh: who pushes may sign with it.",
    )


class NewRule(RuleBody):
    name = bodies.Text(max_length=100)
    repository = bodies.Text(max_length=2048)


class RuleChanges(RuleBody):
    """Only what shall be otherwise."""

    host = None  # type: ignore[assignment]
    enabled = bodies.Flag(required=False)


class NewGitServer(bodies.Body):
    server = bodies.Text(max_length=255, help_text="Its name, with a port if needed: git.example.com:3000.")
    username = bodies.Text(max_length=255, required=False, allow_blank=True)
    password = bodies.Text(
        max_length=4096, required=False, allow_blank=True, write_only=True, help_text="A password or an access token."
    )
    ca_pem = bodies.Text(required=False, allow_blank=True, help_text="Certificates to be trusted too, as PEM.")
    team = bodies.Text(required=False, allow_null=True, help_text="Id or name; may be left out with only one team.")


def visible(request: Request) -> BuildRuleQuerySet:
    return BuildRule.objects.visible_to(request.user).select_related("team", "host", "created_by")


def _deliveries(rule: BuildRule) -> QuerySet[BuildDelivery]:
    return BuildDelivery.objects.filter(rule=rule).select_related("rule__team", "rule__host", "build")


class BuildRules(APIView):
    @operation(
        "builds_rules_list", tag="builds", answers={200: page_of(BuildRuleSchema)}, problems=[400, 404],
        parameters=list_parameters(ordering=ORDERING),
    )  # fmt: skip
    def get(self, request: Request) -> Response:
        """List the rules by which forges have something built."""
        return list_response(request, visible(request), rule_as_json, ordering=ORDERING)

    @operation("builds_rules_create", tag="builds", body=NewRule, answers={201: BuildRuleMade}, problems=[403, 404])
    def post(self, request: Request) -> Response:
        """Make a rule. The answer has the secret for the forge's webhook, this once."""
        wishes: dict[str, Any] = bodies.read(NewRule, request)
        host = host_choose(user=request.user, host=wishes.pop("host", None))
        name = wishes.pop("name")
        rule, secret = rule_create(user=request.user, host=host, name=name, wish=RuleWish(**wishes))
        body = {"rule": rule_as_json(rule), "secret": secret}
        return Response(body, status=201, headers={"Cache-Control": "no-store"})


class BuildRuleDetail(APIView):
    @operation("builds_rules_read", tag="builds", answers={200: BuildRuleSchema}, problems=[404])
    def get(self, request: Request, rule_id: str) -> Response:
        """Read a rule."""
        return Response(rule_as_json(get_object_or_404(visible(request), pk=rule_id)))

    @operation(
        "builds_rules_change", tag="builds", body=RuleChanges, answers={200: BuildRuleSchema}, problems=[403, 404]
    )
    def patch(self, request: Request, rule_id: str) -> Response:
        """Change a rule; its builds have your rights from then on."""
        rule = get_object_or_404(visible(request), pk=rule_id)
        wishes: dict[str, Any] = bodies.read(RuleChanges, request)
        name, enabled = wishes.pop("name", None), wishes.pop("enabled", None)
        wish = RuleWish(**{**rule.wish, **wishes}) if wishes else None
        changed = rule_update(user=request.user, rule=rule, name=name, wish=wish, enabled=enabled)
        return Response(rule_as_json(changed))

    @operation("builds_rules_delete", tag="builds", answers={204: None}, problems=[403, 404])
    def delete(self, request: Request, rule_id: str) -> Response:
        """Delete a rule and its deliveries; what was built stays."""
        rule_delete(user=request.user, rule=get_object_or_404(visible(request), pk=rule_id))
        return Response(status=204)


class BuildRuleSecret(APIView):
    @operation("builds_rules_new_secret", tag="builds", body=None, answers={200: RuleSecret}, problems=[403, 404])
    def post(self, request: Request, rule_id: str) -> Response:
        """Make another secret; the one that the forge has holds no longer."""
        rule = get_object_or_404(visible(request), pk=rule_id)
        body = {"secret": rule_new_secret(user=request.user, rule=rule)}
        return Response(body, headers={"Cache-Control": "no-store"})


class BuildDeliveries(APIView):
    @operation(
        "builds_rules_deliveries", tag="builds", answers={200: page_of(BuildDeliverySchema)}, problems=[400, 404],
        parameters=list_parameters(ordering=("received_at",)),
    )  # fmt: skip
    def get(self, request: Request, rule_id: str) -> Response:
        """List what a forge has told a rule, the newest first."""
        rule = get_object_or_404(visible(request), pk=rule_id)
        return list_response(request, _deliveries(rule), delivery_as_json, ordering=("received_at",))


class BuildDeliveryAgain(APIView):
    @operation("builds_rules_redeliver", tag="builds", body=None, answers={202: BuildStarted}, problems=[400, 403, 404])
    def post(self, request: Request, rule_id: str, delivery_id: str) -> Response:
        """Build once more what a delivery told, by the rule as it is now."""
        rule = get_object_or_404(visible(request), pk=rule_id)
        delivery = get_object_or_404(_deliveries(rule), pk=delivery_id)
        return started(delivery_again(user=request.user, delivery=delivery))


class GitServers(APIView):
    @operation(
        "builds_git_servers_list", tag="builds", answers={200: page_of(GitServerSchema)}, problems=[400, 404],
        parameters=list_parameters(ordering=("created_at", "server")),
    )  # fmt: skip
    def get(self, request: Request) -> Response:
        """List the git servers that your teams sign in to."""
        rows = GitServer.objects.visible_to(request.user).select_related("team")
        return list_response(request, rows, git_server_as_json, ordering=("created_at", "server"))

    @operation(
        "builds_git_servers_set", tag="builds", body=NewGitServer, answers={201: GitServerSchema}, problems=[403]
    )
    def post(self, request: Request) -> Response:
        """Store who a team is at a git server, or replace it."""
        wishes = bodies.read(NewGitServer, request)
        team = team_choose(request, wishes.pop("team", None))
        return Response(git_server_as_json(git_server_set(user=request.user, team=team, **wishes)), status=201)


class GitServerDetail(APIView):
    @operation("builds_git_servers_delete", tag="builds", answers={204: None}, problems=[403, 404])
    def delete(self, request: Request, server_id: UUID) -> Response:
        """Forget who a team is at a git server."""
        rows = GitServer.objects.visible_to(request.user).select_related("team")
        git_server_delete(user=request.user, row=get_object_or_404(rows, pk=server_id))
        return Response(status=204)
