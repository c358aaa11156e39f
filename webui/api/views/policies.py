"""A team's policy and quotas."""

from __future__ import annotations

from uuid import UUID

from drf_spectacular.utils import OpenApiExample, extend_schema_serializer
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from webui.accounts.roles import require
from webui.api import bodies
from webui.api.operations import operation
from webui.api.views.members import team_of
from webui.policies.models import LIMITS, NAMESPACES
from webui.policies.reading import policy_of
from webui.policies.representation import policy_as_json
from webui.policies.services import policy_update


def _texts(help_text: str) -> serializers.ListField:
    return serializers.ListField(
        child=bodies.Text(max_length=1024, allow_blank=True), max_length=100, required=False, help_text=help_text
    )


_ADMIN = "For administrators."


@extend_schema_serializer(
    examples=[
        OpenApiExample("Limits for all", value={"must_limit": ["memory_bytes"], "memory_maximum_bytes": 4294967296}),
        OpenApiExample("Signed images only", value={"signed_images": True, "signing_keys": ["release"]}),
        OpenApiExample("A quota", value={"host_memory_bytes": 8589934592, "host_cpus": 4, "containers_quota": 50}),
    ]
)
class PolicyChanges(bodies.Body):
    """What is left out stays as it is; null is no limit, an empty list no rule."""

    bind_paths = _texts(f"Directories of the hosts that members may mount, with all below. {_ADMIN}")
    privileged = bodies.Flag(required=False, help_text=f"Whether members may run privileged containers. {_ADMIN}")
    host_namespaces = _texts(f"Of {', '.join(NAMESPACES)}: those of the host that members may share. {_ADMIN}")
    capabilities = _texts(f"Those that members may add beyond Docker's default, as NET_ADMIN. {_ADMIN}")
    devices = _texts(f"Those of the host that members may use, as /dev/fuse. {_ADMIN}")
    images = _texts("Where images come from: docker.io/library/*, registry.example.com/app. Empty: anywhere.")
    signed_images = bodies.Flag(
        required=False, help_text="Whether only images run, and are built on, that a key of the team's has signed."
    )
    signing_keys = _texts("Names of the keys that count for it (`signing-keys/`). Empty: all of the team's.")
    port_ranges = _texts("Ports of the host at which members publish: 8000-8999. Empty: any.")
    must_limit = _texts(f"Limits that every container needs: of {', '.join(LIMITS)}.")
    memory_maximum_bytes = bodies.Whole(
        (6 << 20, 1 << 60), required=False, allow_null=True, help_text="Of a container."
    )
    cpus_maximum = bodies.Number(required=False, allow_null=True, help_text="Of a container.")
    pids_maximum = bodies.Whole((1, 4_194_304), required=False, allow_null=True, help_text="Of a container.")
    host_memory_bytes = bodies.Whole(
        (16 << 20, 1 << 60),
        required=False,
        allow_null=True,
        help_text=f"Of all containers of a host together. {_ADMIN}",
    )
    host_cpus = bodies.Number(
        required=False, allow_null=True, help_text=f"Of all containers of a host together. {_ADMIN}"
    )
    host_pids = bodies.Whole(
        (16, 4_194_304), required=False, allow_null=True, help_text=f"Of all containers of a host together. {_ADMIN}"
    )
    containers_quota = bodies.Whole((0, 1_000_000), required=False, allow_null=True, help_text=_ADMIN)
    volumes_quota = bodies.Whole((0, 1_000_000), required=False, allow_null=True, help_text=_ADMIN)
    networks_quota = bodies.Whole((0, 1_000_000), required=False, allow_null=True, help_text=_ADMIN)
    disk_quota_bytes = bodies.Whole(
        (0, 1 << 60), required=False, allow_null=True, help_text=f"Of images and volumes, on all hosts. {_ADMIN}"
    )


class QuotaSchema(serializers.Serializer):
    used = serializers.IntegerField()
    quota = serializers.IntegerField(allow_null=True)


class UsageSchema(serializers.Serializer):
    containers = QuotaSchema()
    volumes = QuotaSchema()
    networks = QuotaSchema()
    disk_bytes = QuotaSchema()


def _list() -> serializers.ListField:
    return serializers.ListField(child=serializers.CharField())


class PolicySchema(serializers.Serializer):
    bind_paths = _list()
    privileged = serializers.BooleanField()
    host_namespaces = _list()
    capabilities = _list()
    devices = _list()
    images = _list()
    signed_images = serializers.BooleanField()
    signing_keys = _list()
    port_ranges = _list()
    must_limit = _list()
    memory_maximum_bytes = serializers.IntegerField(allow_null=True)
    cpus_maximum = serializers.FloatField(allow_null=True)
    pids_maximum = serializers.IntegerField(allow_null=True)
    host_memory_bytes = serializers.IntegerField(allow_null=True)
    host_cpus = serializers.FloatField(allow_null=True)
    host_pids = serializers.IntegerField(allow_null=True)
    containers_quota = serializers.IntegerField(allow_null=True)
    volumes_quota = serializers.IntegerField(allow_null=True)
    networks_quota = serializers.IntegerField(allow_null=True)
    disk_quota_bytes = serializers.IntegerField(allow_null=True)
    usage = UsageSchema(help_text="How much of what is counted is used.")


class TeamPolicyDetail(APIView):
    @operation("teams_policy_read", tag="teams", answers={200: PolicySchema}, problems=[403, 404])
    def get(self, request: Request, team_id: UUID) -> Response:
        """Read what a team's members may do beyond their roles, and how much there is for them."""
        team = team_of(request, team_id)
        require(request.user, "members.view", team)
        return Response(policy_as_json(policy_of(team)))

    @operation("teams_policy_update", tag="teams", body=PolicyChanges, answers={200: PolicySchema}, problems=[403, 404])
    def patch(self, request: Request, team_id: UUID) -> Response:
        """Change a team's policy. What loosens, and quotas, are for administrators."""
        team, changes = team_of(request, team_id), bodies.read(PolicyChanges, request)
        return Response(policy_as_json(policy_update(user=request.user, team=team, changes=changes)))
