"""People, the teams they belong to, and the tokens their scripts carry."""

from __future__ import annotations

import hashlib
import secrets
import uuid
from typing import Any, ClassVar, Self, TypeVar

from django.contrib.auth.models import AbstractUser
from django.db import models
from django.utils import timezone

from webui.accounts import seeing


class User(AbstractUser):
    """A person, or a service account. `is_superuser` is the administrator, who sees all teams.

    `must_change_password` holds until the one-time password of the first start has been replaced. A service account
    (`service_of`, the team that made it) has no password and no sessions, only tokens.

    The others are not columns: whoever let the user in by a token says there what that token allows
    (`webui.accounts.tokens`), and rights are never more than that.
    """

    must_change_password = models.BooleanField(default=False)
    service_of = models.ForeignKey("Team", on_delete=models.CASCADE, null=True, related_name="service_accounts")

    token_id: uuid.UUID | None = None
    token_name = ""
    token_actions: frozenset[str] | None = None
    """The only actions that the token allows; None: all that its user may do."""
    token_team: uuid.UUID | None = None
    """The only team whose objects the token reaches; None: all of its user's."""
    token_is_limited = False
    """Whether the token can do less than its user, or ends: then it makes no other tokens."""

    @property
    def is_unlimited(self) -> bool:
        """An active administrator, by no token that allows less: whose queries need no conditions."""
        is_administrator = self.is_active and self.is_superuser
        return is_administrator and self.token_actions is None and self.token_team is None


class Role(models.TextChoices):
    """The built-in ones; `webui.accounts.actions` says what each may do, and rows of `CustomRole` are further ones."""

    VIEWER = "viewer", "Viewer"
    OPERATOR = "operator", "Operator"
    DEVELOPER = "developer", "Developer"
    MAINTAINER = "maintainer", "Maintainer"


class RecordTerminals(models.TextChoices):
    """Which terminal sessions of a team are recorded: none, those whose user wants it, all."""

    NEVER = "never", "Never"
    ASKED = "asked", "When asked"
    ALWAYS = "always", "Always"


class TeamQuerySet(models.QuerySet["Team"]):
    def visible_to(self, user: User) -> TeamQuerySet:
        """The teams that `user` is in, whatever the role: what to see of their objects is another question."""
        return seeing.teams(self, user)


M = TypeVar("M", bound=models.Model)


class OwnedQuerySet(models.QuerySet[M]):
    """Objects that belong to a team by their field `team`, and may lie on a host.

    `view_action` is what one needs in order to see them (as it is here, any role in the whole team), `host_path` where
    their host is, None: a team's own.
    """

    view_action: ClassVar[str] = "members.view"
    host_path: ClassVar[str | None] = "host"

    def visible_to(self, user: User, action: str | None = None) -> Self:
        """Those that `user` may see; with `action`, those with which he may do that. One query, whatever the rights."""
        return seeing.objects(self, user, action or self.view_action, self.host_path)


class Team(models.Model):
    """Who owns an object: every image, container, job and host has one."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    name = models.CharField(max_length=80, unique=True)
    created_at = models.DateTimeField(default=timezone.now)
    keep_logs_days = models.PositiveIntegerField(default=7)
    """How long its hosts keep the logs of removed containers; 0: they go with the container."""
    require_second_factor = models.BooleanField(default=False)
    """Whether its members need a second factor before they are let in by a session."""
    record_terminals = models.CharField(max_length=10, choices=RecordTerminals.choices, default=RecordTerminals.ASKED)
    keep_recordings_days = models.PositiveIntegerField(default=90)
    publish_addresses = models.JSONField(default=list)
    """Addresses and networks of its hosts at which members may publish ports, besides loopback."""
    publish_default = models.CharField(max_length=39, default="127.0.0.1")

    objects = TeamQuerySet.as_manager()

    class Meta:
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name


class MembershipQuerySet(OwnedQuerySet["Membership"]):
    """Of teams whose members one may see."""

    host_path = None


class Membership(models.Model):
    """Somebody in a team. `role` holds for the whole team: a built-in one, the key of a custom one, or none ("").

    What is unknown, as a role that was deleted, allows nothing.
    """

    team = models.ForeignKey(Team, on_delete=models.CASCADE, related_name="memberships")
    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="memberships")
    role = models.CharField(max_length=40, default=Role.DEVELOPER, blank=True)
    created_at = models.DateTimeField(default=timezone.now)

    objects = MembershipQuerySet.as_manager()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["team", "user"], name="one_membership_per_team")]

    def __str__(self) -> str:
        return f"{self.user} in {self.team}: {self.role}"


class CustomRole(models.Model):
    """A role of this installation. `key` is made of its first name and stays; memberships and grants refer to it."""

    key = models.CharField(primary_key=True, max_length=40)
    name = models.CharField(max_length=80, unique=True)
    description = models.CharField(max_length=300, blank=True)
    created_at = models.DateTimeField(default=timezone.now)

    class Meta:
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name


class CustomRoleAction(models.Model):
    """One action of a custom role; rows, so that the database can ask for it in any dialect."""

    role = models.ForeignKey(CustomRole, on_delete=models.CASCADE, related_name="allowed")
    action = models.CharField(max_length=40)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["role", "action"], name="once_in_a_role")]
        indexes = [models.Index(fields=["action", "role"])]

    def __str__(self) -> str:
        return f"{self.role_id}: {self.action}"


class HostGroupQuerySet(OwnedQuerySet["HostGroup"]):
    """Of teams whose members one may see."""

    host_path = None


class HostGroup(models.Model):
    """Some of a team's hosts under a name, for grants: who joins the group later is meant as well."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    team = models.ForeignKey(Team, on_delete=models.CASCADE, related_name="host_groups")
    name = models.CharField(max_length=80)
    hosts = models.ManyToManyField("hosts.Host", related_name="groups")
    created_at = models.DateTimeField(default=timezone.now)

    objects = HostGroupQuerySet.as_manager()

    class Meta:
        ordering = ["name", "id"]
        constraints = [models.UniqueConstraint(fields=["team", "name"], name="one_host_group_per_name")]

    def __str__(self) -> str:
        return self.name


class Grant(models.Model):
    """A further role of a member, on one host, on a group of hosts or on repositories alone.

    `repository`: a whole name, as docker.io/library/alpine, or all below one, as registry.example.com/team/*.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    membership = models.ForeignKey(Membership, on_delete=models.CASCADE, related_name="grants")
    role = models.CharField(max_length=40)
    host = models.ForeignKey("hosts.Host", on_delete=models.CASCADE, null=True, related_name="grants")
    group = models.ForeignKey(HostGroup, on_delete=models.CASCADE, null=True, related_name="grants")
    repository = models.CharField(max_length=300, blank=True)
    needle = models.CharField(max_length=310, blank=True, editable=False)
    """How a tag of such a repository begins in an image's JSON list of tags; filled with `repository`."""
    created_at = models.DateTimeField(default=timezone.now)

    class Meta:
        ordering = ["created_at", "id"]
        constraints = [
            models.CheckConstraint(
                name="a_grant_has_one_place",
                condition=models.Q(host__isnull=False, group=None, repository="")
                | models.Q(host=None, group__isnull=False, repository="")
                | (models.Q(host=None, group=None) & ~models.Q(repository="")),
            )
        ]

    def __str__(self) -> str:
        return f"{self.role} on {self.host_id or self.group_id or self.repository}"

    def save(self, *arguments: Any, **named: Any) -> None:
        below = self.repository.endswith("/*")
        self.needle = self.repository and '"' + (self.repository[:-1] if below else f"{self.repository}:")
        super().save(*arguments, **named)


class InvitationQuerySet(OwnedQuerySet["Invitation"]):
    """Of teams in which one may invite."""

    view_action = "members.manage"
    host_path = None


class Invitation(models.Model):
    """A link by which one person joins a team. Only a digest of its secret is kept; it is used once, until it ends."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    team = models.ForeignKey(Team, on_delete=models.CASCADE, related_name="invitations")
    invited_by = models.ForeignKey(User, on_delete=models.CASCADE, related_name="invitations")
    role = models.CharField(max_length=40)
    note = models.CharField(max_length=120, blank=True)
    digest = models.CharField(max_length=64, unique=True)
    created_at = models.DateTimeField(default=timezone.now)
    expires_at = models.DateTimeField()
    accepted_at = models.DateTimeField(null=True)
    accepted_by = models.ForeignKey(User, on_delete=models.SET_NULL, null=True, related_name="+")

    objects = InvitationQuerySet.as_manager()

    class Meta:
        ordering = ["-created_at", "id"]

    def __str__(self) -> str:
        return self.known_as

    @property
    def known_as(self) -> str:
        """What people know it by: for whom it is meant, or as what it invites."""
        return self.note or f"as {self.role}"


class ApiToken(models.Model):
    """A bearer token; only its SHA-256 is kept, so a stolen database opens no door.

    `scopes` None allows all that the user may do; else a list of actions, and `read` for all that only look.
    """

    PREFIX = "ps_"

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="tokens")
    name = models.CharField(max_length=80)
    digest = models.CharField(max_length=64, unique=True)
    created_at = models.DateTimeField(default=timezone.now)
    last_used_at = models.DateTimeField(null=True)
    scopes = models.JSONField(null=True)
    team = models.ForeignKey(Team, on_delete=models.CASCADE, null=True, related_name="+")
    """The only team it reaches. It goes with the team: without its limit it would reach all."""
    expires_at = models.DateTimeField(null=True)

    class Meta:
        ordering = ["-created_at"]

    def __str__(self) -> str:
        return self.name

    @staticmethod
    def new_secret() -> str:
        return ApiToken.PREFIX + secrets.token_urlsafe(32)

    @staticmethod
    def digest_of(secret: str) -> str:
        return hashlib.sha256(secret.encode()).hexdigest()


class SignInFailures(models.Model):
    """Wrong passwords lately, for one user name from one address (`webui.accounts.throttle`)."""

    key = models.CharField(primary_key=True, max_length=64)
    failures = models.PositiveIntegerField(default=0)
    last_at = models.DateTimeField(default=timezone.now)

    def __str__(self) -> str:
        return f"{self.failures} since {self.last_at}"
