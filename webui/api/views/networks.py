"""Networks of a name on the hosts, and which containers are on them."""

from __future__ import annotations

from typing import Any

from django.db.models import Q
from django.shortcuts import get_object_or_404
from drf_spectacular.utils import OpenApiParameter
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from engine.options.networks import MTU_RANGE
from webui.api import bodies
from webui.api.lists import host_filter, list_parameters, list_response, parameter
from webui.api.network_schemas import NetworkNamesSchema, NetworkSchema, NetworksPruneSchema, TopologySchema
from webui.api.operations import job_reference, operation, page_of
from webui.api.schemas import Accepted
from webui.api.views.images import OnHost
from webui.api.views.pruning import UNTIL_MAXIMUM
from webui.hosts.services import host_choose
from webui.networks.models import Network, NetworkQuerySet
from webui.networks.names import network_names
from webui.networks.representation import network_as_json
from webui.networks.services import (
    container_named,
    default_connect,
    default_disconnect,
    network_connect,
    network_create,
    network_disconnect,
    network_prune,
    network_remove,
    networks_prunable,
)
from webui.networks.topology import topology_of

ORDERING = ("created_at", "name")
ADDRESS_LENGTH = 60


class NewNetwork(OnHost):
    name = bodies.Text(max_length=63, help_text="Letters, digits, '_', '.' and '-'.")
    driver = bodies.Text(
        required=False, max_length=ADDRESS_LENGTH, help_text="bridge if left out; macvlan and ipvlan need loosen."
    )
    parent = bodies.Text(
        required=False,
        allow_null=True,
        max_length=ADDRESS_LENGTH,
        help_text="Of macvlan and ipvlan: the host's device whose wire it is, as eth0, or eth0.100 for VLAN 100.",
    )
    mode = bodies.Text(
        required=False,
        allow_null=True,
        max_length=ADDRESS_LENGTH,
        help_text="Of macvlan: bridge (if left out), private, vepa; of ipvlan: l2 (if left out), l3, l3s.",
    )
    subnet = bodies.Text(
        required=False, allow_null=True, max_length=ADDRESS_LENGTH, help_text="As 10.20.0.0/24; a free one if left out."
    )
    gateway = bodies.Text(
        required=False, allow_null=True, max_length=ADDRESS_LENGTH, help_text="The host's address; the subnet's first."
    )
    ip_range = bodies.Text(
        required=False, allow_null=True, max_length=ADDRESS_LENGTH, help_text="The part that addresses are given from."
    )
    ipv6 = bodies.Flag(required=False, help_text="Containers have an IPv6 address, too.")
    subnet6 = bodies.Text(
        required=False,
        allow_null=True,
        max_length=ADDRESS_LENGTH,
        help_text="As fd12:3456:789a::/64; a unique local one of its own if left out.",
    )
    gateway6 = bodies.Text(required=False, allow_null=True, max_length=ADDRESS_LENGTH)
    ip_range6 = bodies.Text(required=False, allow_null=True, max_length=ADDRESS_LENGTH)
    mtu = bodies.Whole(MTU_RANGE, required=False, allow_null=True, help_text="Bytes.")
    internal = bodies.Flag(required=False, help_text="No way out or in.")
    icc = bodies.Flag(
        required=False, help_text="false: its containers reach one another by published ports alone. true if left out."
    )
    labels = bodies.Strings(required=False)


class OfContainer(bodies.Body):
    container = bodies.Text(max_length=128, help_text="Name or id of a container on the network's host.")


class Joining(OfContainer):
    ip = bodies.Text(
        required=False, allow_null=True, max_length=ADDRESS_LENGTH, help_text="A free address of the subnet."
    )
    ip6 = bodies.Text(
        required=False, allow_null=True, max_length=ADDRESS_LENGTH, help_text="A free address of subnet6."
    )
    mac_address = bodies.Text(required=False, allow_null=True, max_length=ADDRESS_LENGTH)
    aliases = bodies.serializers.ListField(
        child=bodies.Text(max_length=200), required=False, help_text="Further names of the container on this network."
    )


class OnDefault(OnHost):
    container = bodies.Text(max_length=128, help_text="Its id, or its name.")
    host = bodies.Text(required=False, allow_null=True, help_text="A name or an id, where a name is on several hosts.")


class PruneNetworks(OnHost):
    until = bodies.Whole((0, UNTIL_MAXIMUM), required=False, help_text="Only those made before (Unix seconds).")
    labels = bodies.serializers.ListField(
        child=bodies.Text(), required=False, help_text="Only those with all of them: KEY or KEY=VALUE."
    )
    not_labels = bodies.serializers.ListField(
        child=bodies.Text(), required=False, help_text="Not those with all of these: KEY or KEY=VALUE."
    )
    dry_run = bodies.Flag(required=False, help_text="Only tell what would go.")


def visible(request: Request) -> NetworkQuerySet:
    found = Network.objects.visible_to(request.user).select_related("team", "host")
    return found.prefetch_related("endpoints__container")


def find(request: Request, network_id: int) -> Network:
    """The network, if the caller may see it; 404 otherwise."""
    return get_object_or_404(visible(request), pk=network_id)


class NetworkList(APIView):
    @operation(
        "networks_list",
        tag="networks",
        answers={200: page_of(NetworkSchema)},
        problems=[400, 404],
        parameters=list_parameters(
            ordering=ORDERING,
            search="Part of the name, a subnet or the id.",
            filters={"host": "A host's name or id.", "name": "The whole name."},
        ),
    )
    def get(self, request: Request) -> Response:
        """List networks, with the containers that are on them."""
        rows = visible(request).filter(host_filter(request))
        if name := parameter(request, "name"):
            rows = rows.filter(name=name)
        if search := parameter(request, "search"):
            part = (
                Q(name__icontains=search)
                | Q(subnet__contains=search)
                | Q(subnet6__contains=search.lower())
                | Q(network_id__startswith=search.lower())
            )
            rows = rows.filter(part)
        return list_response(request, rows, network_as_json, ordering=ORDERING)

    @operation("networks_create", tag="networks", body=NewNetwork, answers={202: Accepted}, problems=[403, 404, 409])
    def post(self, request: Request) -> Response:
        """Make a network on a host. The job's `result` has its subnets and gateways."""
        wishes = bodies.read(NewNetwork, request)
        host = host_choose(user=request.user, host=wishes.pop("host", None))
        return Response(job_reference(network_create(user=request.user, host=host, **wishes)), status=202)


class NetworkDetail(APIView):
    @operation("networks_read", tag="networks", answers={200: NetworkSchema}, problems=[404])
    def get(self, request: Request, network_id: int) -> Response:
        """Read a network, and who is on it."""
        return Response(network_as_json(find(request, network_id)))

    @operation("networks_remove", tag="networks", answers={202: Accepted}, problems=[403, 404, 409])
    def delete(self, request: Request, network_id: int) -> Response:
        """Remove a network that no container is on."""
        job = network_remove(user=request.user, network=find(request, network_id))
        return Response(job_reference(job), status=202)


class NetworkNames(APIView):
    @operation("networks_names", tag="networks", answers={200: NetworkNamesSchema}, problems=[404])
    def get(self, request: Request, network_id: int) -> Response:
        """Which names containers on it can ask for, and what is answered."""
        return Response({"names": network_names(find(request, network_id))})


class NetworkConnect(APIView):
    @operation("networks_connect", tag="networks", body=Joining, answers={202: Accepted}, problems=[403, 404])
    def post(self, request: Request, network_id: int) -> Response:
        """Let a container join, at once if it runs, and for as long as it exists."""
        network = find(request, network_id)
        job = network_connect(user=request.user, network=network, **bodies.read(Joining, request))
        return Response(job_reference(job), status=202)


class NetworkDisconnect(APIView):
    @operation("networks_disconnect", tag="networks", body=OfContainer, answers={202: Accepted}, problems=[403, 404])
    def post(self, request: Request, network_id: int) -> Response:
        """Let a container leave, at once if it runs."""
        network = find(request, network_id)
        job = network_disconnect(user=request.user, network=network, **bodies.read(OfContainer, request))
        return Response(job_reference(job), status=202)


class DefaultConnect(APIView):
    @operation("networks_connect_default", tag="networks", body=OnDefault, answers={202: Accepted}, problems=[403, 404])
    def post(self, request: Request) -> Response:
        """Let a container join its host's default network, at once if it runs. Its address there is not chosen."""
        container = container_named(user=request.user, **bodies.read(OnDefault, request))
        return Response(job_reference(default_connect(user=request.user, container=container)), status=202)


class DefaultDisconnect(APIView):
    @operation(
        "networks_disconnect_default", tag="networks", body=OnDefault, answers={202: Accepted}, problems=[403, 404]
    )
    def post(self, request: Request) -> Response:
        """Let a container leave its host's default network, at once if it runs."""
        container = container_named(user=request.user, **bodies.read(OnDefault, request))
        return Response(job_reference(default_disconnect(user=request.user, container=container)), status=202)


class NetworksTopology(APIView):
    @operation(
        "networks_topology",
        tag="networks",
        answers={200: TopologySchema},
        problems=[400, 404],
        parameters=[OpenApiParameter("host", str, description="A host's name or id: that one alone.")],
    )
    def get(self, request: Request) -> Response:
        """Read who is connected to what: hosts, networks, containers, published ports, as far as you may see them.

        Traffic is in the figures of each container: `GET /api/v1/containers/stats/`.
        """
        name = parameter(request, "host")
        return Response(topology_of(request.user, host_choose(user=request.user, host=name) if name else None))


class NetworksPrune(APIView):
    @operation(
        "networks_prune", tag="networks", body=PruneNetworks, answers={200: NetworksPruneSchema}, problems=[403, 404]
    )
    def post(self, request: Request) -> Response:
        """Remove the networks that no container is on, running or not."""
        wishes: dict[str, Any] = bodies.read(PruneNetworks, request)
        rehearsal = wishes.pop("dry_run", False)
        host = host_choose(user=request.user, host=wishes.pop("host", None))
        until = wishes.get("until")
        if until is not None and not 0 <= until <= UNTIL_MAXIMUM:
            raise bodies.serializers.ValidationError({"until": ["Give Unix seconds, such as 1700000000."]})
        if rehearsal:
            found = networks_prunable(user=request.user, host=host, **wishes)
            return Response({"networks": [{"id": one.pk, "name": one.name} for one in found], "job": None})
        job = network_prune(user=request.user, host=host, **wishes)
        return Response({"networks": [], **job_reference(job)})
