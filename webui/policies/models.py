"""What a team's members may do beyond, and not even within, what their roles say; and how much of a host is theirs."""

from __future__ import annotations

from django.db import models

from webui.accounts.models import Team

NAMESPACES = ("network", "pid", "ipc", "uts", "cgroupns", "userns")
LIMITS = ("memory_bytes", "cpus", "pids_limit")


class TeamPolicy(models.Model):
    """One a team, once something was changed; what is left at its default loosens nothing and limits nothing.

    The first part loosens, and is for administrators: what members may have that else needs the right to loosen. The
    second tightens what everybody may do. The last says how much there is: of each host, held by its kernel
    (`host_*`), and together.
    """

    team = models.OneToOneField(Team, on_delete=models.CASCADE, related_name="policy")

    bind_paths = models.JSONField(default=list)
    """Directories of the hosts that members may mount, with all below them; links in them lead nowhere."""
    privileged = models.BooleanField(default=False)
    host_namespaces = models.JSONField(default=list)
    capabilities = models.JSONField(default=list)
    devices = models.JSONField(default=list)

    images = models.JSONField(default=list)
    """Repositories that images may come from, as docker.io/library/* or whole names; empty: any."""
    signed_images = models.BooleanField(default=False)
    """Whether only images run that a key of the team's has signed."""
    signing_keys = models.JSONField(default=list)
    """Names of the team's keys that count for `signed_images`; empty: all of them."""
    port_ranges = models.JSONField(default=list)
    """Ports of the host at which members may publish, as 8000-8999; empty: any."""
    must_limit = models.JSONField(default=list)
    """Limits without which no container may be made: some of `LIMITS`."""
    memory_maximum_bytes = models.BigIntegerField(null=True)
    cpus_maximum = models.FloatField(null=True)
    pids_maximum = models.PositiveIntegerField(null=True)

    host_memory_bytes = models.BigIntegerField(null=True)
    host_cpus = models.FloatField(null=True)
    host_pids = models.PositiveIntegerField(null=True)
    containers_quota = models.PositiveIntegerField(null=True)
    volumes_quota = models.PositiveIntegerField(null=True)
    networks_quota = models.PositiveIntegerField(null=True)
    disk_quota_bytes = models.BigIntegerField(null=True)
    """Of images and volumes together, as their hosts measure them."""

    def __str__(self) -> str:
        return f"the policy of {self.team}"
