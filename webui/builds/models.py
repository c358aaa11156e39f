"""Builds that somebody asked for: what was wished, and once they have ended, how it went."""

from __future__ import annotations

import uuid

from django.db import models
from django.utils import timezone

from webui.accounts.models import OwnedQuerySet, Team, User
from webui.hosts.models import Host
from webui.jobs.models import Job


class BuildContextQuerySet(OwnedQuerySet["BuildContext"]):
    """Those of one's own teams: `visible_to`."""

    view_action = "builds.view"


class BuildContext(models.Model):
    """A folder that was sent to a host for builds, which keeps it for a while. Its id without dashes is the host's."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    team = models.ForeignKey(Team, on_delete=models.PROTECT, related_name="build_contexts")
    host = models.ForeignKey(Host, on_delete=models.CASCADE, related_name="build_contexts")
    sent_by = models.ForeignKey(User, on_delete=models.SET_NULL, null=True, related_name="build_contexts")
    name = models.CharField(max_length=255, blank=True)
    size_bytes = models.BigIntegerField(default=0)
    files = models.PositiveIntegerField(default=0)
    created_at = models.DateTimeField(default=timezone.now)

    objects = BuildContextQuerySet.as_manager()

    class Meta:
        ordering = ["-created_at", "id"]

    def __str__(self) -> str:
        return self.name or self.pk.hex[:12]


class BuildQuerySet(OwnedQuerySet["Build"]):
    """Those of one's own teams: `visible_to`."""

    view_action = "builds.view"


class Build(models.Model):
    """One build on one host. Its id without dashes is the host's name for it, and that of its record there.

    `wish`: the fields of `BuildRequest`, without secrets, which lie sealed in `secrets` until the job has ended.
    `steps`: as the record has them, each as it was last. `commit`: of a repository, what was built. `trigger`: what
    has begun it if no person has by a page, {"kind": "token" | "webhook", "name": …, …}.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    team = models.ForeignKey(Team, on_delete=models.PROTECT, related_name="builds")
    host = models.ForeignKey(Host, on_delete=models.CASCADE, related_name="builds")
    requested_by = models.ForeignKey(User, on_delete=models.SET_NULL, null=True, related_name="builds")
    job = models.OneToOneField(Job, on_delete=models.PROTECT, related_name="build")
    again_of = models.ForeignKey("self", on_delete=models.SET_NULL, null=True, related_name="again")
    name = models.CharField(max_length=512)
    wish = models.JSONField(default=dict)
    secrets = models.TextField(blank=True)
    context = models.ForeignKey(BuildContext, on_delete=models.SET_NULL, null=True, related_name="builds")
    steps = models.JSONField(default=list)
    image_id = models.CharField(max_length=80, blank=True)
    commit = models.CharField(max_length=64, blank=True)
    trigger = models.JSONField(default=dict)
    created_at = models.DateTimeField(default=timezone.now)

    objects = BuildQuerySet.as_manager()

    class Meta:
        ordering = ["-created_at", "id"]
        indexes = [models.Index(fields=["team", "-created_at"])]

    def __str__(self) -> str:
        return self.name


class GitServerQuerySet(OwnedQuerySet["GitServer"]):
    """Those of one's own teams: `visible_to`."""

    view_action = "registries.view"
    host_path = None


class GitServer(models.Model):
    """Who a team is at a server of repositories (`server`: its name, with a port if needed); the password is sealed."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    team = models.ForeignKey(Team, on_delete=models.CASCADE, related_name="git_servers")
    server = models.CharField(max_length=255)
    username = models.CharField(max_length=255, blank=True)
    sealed_password = models.TextField(blank=True)
    ca_pem = models.TextField(blank=True)
    created_at = models.DateTimeField(default=timezone.now)

    objects = GitServerQuerySet.as_manager()

    class Meta:
        ordering = ["server"]
        constraints = [models.UniqueConstraint(fields=["team", "server"], name="one_credential_per_git_server")]

    def __str__(self) -> str:
        return f"{self.username or 'nobody'} at {self.server}"


class SshKeyQuerySet(OwnedQuerySet["SshKey"]):
    """Those of one's own teams: `visible_to`."""

    view_action = "registries.view"
    host_path = None


class SshKey(models.Model):
    """A key that a team's builds sign in with elsewhere (`RUN --mount=type=ssh`); the private half lies sealed."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    team = models.ForeignKey(Team, on_delete=models.CASCADE, related_name="ssh_keys")
    name = models.CharField(max_length=64)
    fingerprint = models.CharField(max_length=60)
    public_key = models.TextField()
    sealed_private_key = models.TextField()
    created_at = models.DateTimeField(default=timezone.now)

    objects = SshKeyQuerySet.as_manager()

    class Meta:
        ordering = ["name"]
        constraints = [
            models.UniqueConstraint(fields=["team", "name"], name="one_ssh_key_per_name"),
            models.UniqueConstraint(fields=["team", "fingerprint"], name="one_row_per_ssh_key"),
        ]

    def __str__(self) -> str:
        return self.name


class BuildRuleQuerySet(OwnedQuerySet["BuildRule"]):
    """Those of one's own teams: `visible_to`."""

    view_action = "builds.view"


class BuildRule(models.Model):
    """What is built when a forge tells of a push: see `rules.RuleWish` for the fields of `wish`.

    `sealed_secret`: what the forge signs with. `created_by`: whose rights its builds have. `refused_at`, `refusal`: the
    last call that was no delivery, since whoever has the address may send those without end.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    team = models.ForeignKey(Team, on_delete=models.CASCADE, related_name="build_rules")
    host = models.ForeignKey(Host, on_delete=models.CASCADE, related_name="build_rules")
    created_by = models.ForeignKey(User, on_delete=models.SET_NULL, null=True, related_name="build_rules")
    name = models.CharField(max_length=100)
    wish = models.JSONField(default=dict)
    sealed_secret = models.TextField()
    enabled = models.BooleanField(default=True)
    refused_at = models.DateTimeField(null=True)
    refusal = models.CharField(max_length=300, blank=True)
    created_at = models.DateTimeField(default=timezone.now)

    objects = BuildRuleQuerySet.as_manager()

    class Meta:
        ordering = ["name", "id"]

    def __str__(self) -> str:
        return self.name


class BuildDelivery(models.Model):
    """One push that a forge told a rule of, under the forge's own id. `outcome`: built, ignored or refused.

    `body_sha256`: of what was signed, in hex; empty where the forge signs nothing, or for one of before there was this.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    rule = models.ForeignKey(BuildRule, on_delete=models.CASCADE, related_name="deliveries")
    delivery_id = models.CharField(max_length=100)
    event = models.CharField(max_length=60, blank=True)
    ref = models.CharField(max_length=512, blank=True)
    commit = models.CharField(max_length=64, blank=True)
    sender = models.CharField(max_length=150, blank=True)
    outcome = models.CharField(max_length=10)
    reason = models.CharField(max_length=500, blank=True)
    build = models.ForeignKey(Build, on_delete=models.SET_NULL, null=True, related_name="deliveries")
    received_at = models.DateTimeField(default=timezone.now)
    body_sha256 = models.CharField(max_length=64, blank=True)

    class Meta:
        ordering = ["-received_at", "id"]
        constraints = [models.UniqueConstraint(fields=["rule", "delivery_id"], name="a_delivery_once")]

    def __str__(self) -> str:
        return f"{self.event} {self.ref}"
