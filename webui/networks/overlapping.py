"""Which subnets of a new network are taken on its host, as far as the site knows; the host itself has the last word."""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import IPv4Network, IPv6Network, ip_network

from engine.options.networks import NetworkSpec, default_place
from webui.containers.default_network import is_on_default
from webui.containers.models import Container
from webui.hosts.models import Host


def overlaps_of(host: Host, spec: NetworkSpec) -> Iterator[tuple[str, str]]:
    """A field and a sentence for each chosen subnet of `spec` that overlaps one of another network of `host`."""
    for field, text in (("subnet", spec.subnet), ("subnet6", spec.subnet6)):
        if not text:
            continue
        wanted = ip_network(text)
        for name, other in _taken(host):
            if wanted.version == other.version and wanted.overlaps(other):
                yield field, f"{wanted} overlaps {other} of {name}: choose another, or leave it out to get a free one."
                break


def _taken(host: Host) -> Iterator[tuple[str, IPv4Network | IPv6Network]]:
    for name, *subnets in host.networks.values_list("name", "subnet", "subnet6"):
        yield from ((f"the network {name}", ip_network(subnet)) for subnet in subnets if subnet)
    # Nobody tells the site of the default network's subnet; whoever is or was on it has an address there.
    on_it = Container.objects.filter(host=host).exclude(ip_address=None).exclude(on_default=False)
    for ip, on_default, network in on_it.values_list("ip_address", "on_default", "spec__network").iterator():
        if is_on_default(on_default, str(network or "")) and (subnet := default_place(ip).subnet):
            yield "the default network", ip_network(subnet)
            return
