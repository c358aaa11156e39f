"""The shapes of answers about networks; `webui.networks.representation` makes them."""

from __future__ import annotations

from rest_framework import serializers

from webui.api.schemas import HostReference, JobReference, TeamReference


class EndpointSchema(serializers.Serializer):
    id = serializers.CharField(help_text="The container's.")
    name = serializers.CharField()
    status = serializers.CharField(help_text="The container's.")
    ip = serializers.CharField()
    ip6 = serializers.CharField(allow_null=True, help_text="null: the network has no IPv6.")
    mac = serializers.CharField(allow_null=True, help_text="null: its parent's, with ipvlan.")
    interface = serializers.CharField(help_text="What it is called in the container: eth0, …")
    aliases = serializers.ListField(child=serializers.CharField())
    url = serializers.CharField()


class NetworkSchema(serializers.Serializer):
    id = serializers.IntegerField()
    network_id = serializers.CharField(help_text="64 hex digits.")
    short_id = serializers.CharField()
    name = serializers.CharField()
    driver = serializers.CharField(help_text="bridge, macvlan or ipvlan.")
    parent = serializers.CharField(allow_null=True, help_text="The host's device whose wire it is; null for a bridge.")
    mode = serializers.CharField(allow_null=True, help_text="Of macvlan and ipvlan; null for a bridge.")
    subnet = serializers.CharField()
    gateway = serializers.CharField(help_text="The host's own address on it; a router's with a parent.")
    ip_range = serializers.CharField(allow_null=True, help_text="Addresses are given from here; null: anywhere.")
    ipv6 = serializers.BooleanField()
    subnet6 = serializers.CharField(allow_null=True)
    gateway6 = serializers.CharField(allow_null=True)
    ip_range6 = serializers.CharField(allow_null=True)
    mtu = serializers.IntegerField(allow_null=True, help_text="Bytes; null: what the host's way to the world carries.")
    internal = serializers.BooleanField(help_text="No way out or in.")
    icc = serializers.BooleanField(help_text="false: its containers reach one another by published ports alone.")
    labels = serializers.DictField(child=serializers.CharField(allow_blank=True))
    containers = EndpointSchema(many=True)
    host = HostReference()
    team = TeamReference()
    created_at = serializers.DateTimeField()
    url = serializers.CharField()


class TopologyLinkSchema(serializers.Serializer):
    network = serializers.IntegerField(allow_null=True, help_text="null: the host's default network.")
    ip = serializers.CharField(allow_null=True)
    ip6 = serializers.CharField(allow_null=True)
    interface = serializers.CharField(help_text="As in the container, and in the figures of its traffic.")


class TopologyPortSchema(serializers.Serializer):
    container = serializers.IntegerField()
    host = serializers.IntegerField(allow_null=True)
    protocol = serializers.CharField()
    address = serializers.CharField()


class TopologyContainerSchema(serializers.Serializer):
    id = serializers.CharField()
    name = serializers.CharField()
    image = serializers.CharField()
    status = serializers.CharField()
    error = serializers.CharField(allow_null=True)
    health = serializers.CharField(allow_null=True)
    mode = serializers.CharField(help_text="bridge, none, host or container.")
    shares = serializers.CharField(allow_null=True, help_text="The container whose network it has.")
    links = TopologyLinkSchema(many=True)
    ports = TopologyPortSchema(many=True, help_text="What it publishes now.")
    url = serializers.CharField()


class TopologyNetworkSchema(serializers.Serializer):
    id = serializers.IntegerField()
    name = serializers.CharField()
    driver = serializers.CharField()
    parent = serializers.CharField(allow_null=True)
    subnet = serializers.CharField()
    subnet6 = serializers.CharField(allow_null=True)
    internal = serializers.BooleanField()
    icc = serializers.BooleanField()
    url = serializers.CharField()


class TopologyHostSchema(serializers.Serializer):
    id = serializers.CharField()
    name = serializers.CharField()
    online = serializers.BooleanField()
    url = serializers.CharField()
    networks = TopologyNetworkSchema(many=True)
    containers = TopologyContainerSchema(many=True)


class TopologySchema(serializers.Serializer):
    results = TopologyHostSchema(many=True, help_text="The hosts.")


class NameOfSchema(serializers.Serializer):
    id = serializers.CharField()
    name = serializers.CharField()


class NetworkNameSchema(serializers.Serializer):
    name = serializers.CharField(help_text="In lower case; asked for in any.")
    kinds = serializers.ListField(
        child=serializers.CharField(), help_text="name, hostname, service, id or alias; several may have it as another."
    )
    addresses = serializers.ListField(child=serializers.CharField(), help_text="All are answered, in turn.")
    containers = NameOfSchema(many=True, help_text="Those that run.")


class NetworkNamesSchema(serializers.Serializer):
    names = NetworkNameSchema(many=True)


class PrunedNetworkSchema(serializers.Serializer):
    id = serializers.IntegerField()
    name = serializers.CharField()


class NetworksPruneSchema(serializers.Serializer):
    networks = PrunedNetworkSchema(many=True, help_text="What would go; only of a dry run.")
    job = JobReference(allow_null=True, help_text="null: nothing was asked to be done.")
