"""People, the teams they belong to, and the tokens their scripts carry."""

from __future__ import annotations

import hashlib
import secrets
import uuid
from typing import Self, TypeVar

from django.contrib.auth.models import AbstractUser
from django.db import models
from django.utils import timezone


class User(AbstractUser):
    """A person. `is_superuser` is the administrator, who sees all teams.

    `must_change_password` holds until the one-time password of the first start has been replaced.

    The other three are not columns: whoever let the user in by a token says there what that token allows
    (`webui.accounts.tokens`), and rights are never more than that.
    """

    must_change_password = models.BooleanField(default=False)

    token_id: uuid.UUID | None = None
    token_actions: frozenset[str] | None = None
    """The only actions that the token allows; None: all that its user may do."""
    token_team: uuid.UUID | None = None
    """The only team whose objects the token reaches; None: all of its user's."""
    token_is_limited = False
    """Whether the token can do less than its user, or ends: then it makes no other tokens."""


class Role(models.TextChoices):
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
        """The teams whose objects `user` may see."""
        if not user.is_active:
            return self.none()
        found = self if user.is_superuser else self.filter(memberships__user=user)
        return found if user.token_team is None else found.filter(pk=user.token_team)


M = TypeVar("M", bound=models.Model)


class OwnedQuerySet(models.QuerySet[M]):
    """Objects that belong to a team by their field `team`."""

    def visible_to(self, user: User) -> Self:
        """Those that `user` may see. The administrator's query is not burdened with a condition that always holds."""
        if user.is_superuser and user.is_active and user.token_team is None:
            return self
        return self.filter(team__in=Team.objects.visible_to(user))


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


class Membership(models.Model):
    team = models.ForeignKey(Team, on_delete=models.CASCADE, related_name="memberships")
    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="memberships")
    role = models.CharField(max_length=20, choices=Role.choices, default=Role.DEVELOPER)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["team", "user"], name="one_membership_per_team")]

    def __str__(self) -> str:
        return f"{self.user} in {self.team}: {self.role}"


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
