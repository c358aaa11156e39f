"""Networks of a name as the hosts report them, and which container is on which."""

from __future__ import annotations

from django.db import models
from django.utils import timezone

from webui.accounts.models import OwnedQuerySet, Team
from webui.containers.models import Container
from webui.hosts.models import Host


class NetworkQuerySet(OwnedQuerySet["Network"]):
    """Those of one's own teams: `visible_to`."""

    view_action = "networks.view"


class Network(models.Model):
    """A network of one host. `network_id` is 64 hex digits; `gateway` the host's own address on it.

    `ip_range`, if any, is the part of `subnet` that addresses are given from; `mtu` in bytes, None for the host's own.
    `internal`: no way out or in; without `icc` its containers reach one another by published ports alone. With `ipv6`
    it has the same of that family. With `driver` macvlan or ipvlan it is on the wire of the host's device `parent`.
    `attachable` and `options` mean nothing here, and are kept for docker's clients, who ask what they have said.
    """

    team = models.ForeignKey(Team, on_delete=models.PROTECT, related_name="networks")
    host = models.ForeignKey(Host, on_delete=models.CASCADE, related_name="networks")
    network_id = models.CharField(max_length=64)
    name = models.CharField(max_length=64)
    driver = models.CharField(max_length=16, default="bridge")
    parent = models.CharField(max_length=15, blank=True)
    mode = models.CharField(max_length=16, blank=True)
    subnet = models.CharField(max_length=18)
    gateway = models.CharField(max_length=15)
    ip_range = models.CharField(max_length=18, blank=True)
    ipv6 = models.BooleanField(default=False)
    subnet6 = models.CharField(max_length=43, blank=True)
    gateway6 = models.CharField(max_length=39, blank=True)
    ip_range6 = models.CharField(max_length=43, blank=True)
    mtu = models.PositiveIntegerField(null=True)
    internal = models.BooleanField(default=False)
    icc = models.BooleanField(default=True)
    labels = models.JSONField(default=dict)
    attachable = models.BooleanField(default=False)
    options = models.JSONField(default=dict)
    created_at = models.DateTimeField(default=timezone.now)

    objects = NetworkQuerySet.as_manager()

    class Meta:
        ordering = ["name", "id"]
        constraints = [models.UniqueConstraint(fields=["host", "network_id"], name="one_row_per_network")]

    def __str__(self) -> str:
        return self.name

    @property
    def short_id(self) -> str:
        return self.network_id[:12]


class Endpoint(models.Model):
    """A container's place on a network, as its host sees it; `interface` is what it is called inside (eth0, …).

    `ip6` is empty without IPv6, `mac` where it is the parent's (ipvlan). `asked`: those of `ip` and `ip6` that were
    wished for.
    """

    network = models.ForeignKey(Network, on_delete=models.CASCADE, related_name="endpoints")
    container = models.ForeignKey(Container, on_delete=models.CASCADE, related_name="endpoints")
    ip = models.CharField(max_length=15)
    ip6 = models.CharField(max_length=39, blank=True)
    mac = models.CharField(max_length=17, blank=True)
    interface = models.CharField(max_length=15)
    aliases = models.JSONField(default=list)
    asked = models.JSONField(default=dict)

    class Meta:
        ordering = ["id"]
        constraints = [models.UniqueConstraint(fields=["network", "container"], name="once_on_a_network")]

    def __str__(self) -> str:
        return f"{self.container_id[:12]} as {self.ip}"
