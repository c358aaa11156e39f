"""Images as the hosts report them, and the credentials that pull them."""

from __future__ import annotations

import uuid

from django.db import models
from django.utils import timezone

from webui.accounts.models import OwnedQuerySet, Team
from webui.hosts.models import Host


class ImageQuerySet(OwnedQuerySet["Image"]):
    """Those of one's own teams: `visible_to`."""


class Image(models.Model):
    """One image on one host, as seen by one team. `image_id` is the config's digest (`sha256:…`)."""

    team = models.ForeignKey(Team, on_delete=models.PROTECT, related_name="images")
    host = models.ForeignKey(Host, on_delete=models.CASCADE, related_name="images")
    image_id = models.CharField(max_length=80)
    tags = models.JSONField(default=list)
    digests = models.JSONField(default=list)
    size_bytes = models.BigIntegerField(default=0)
    layers = models.PositiveIntegerField(default=0)
    architecture = models.CharField(max_length=40, blank=True)
    os = models.CharField(max_length=40, blank=True)
    config = models.JSONField(default=dict)
    built_at = models.DateTimeField(null=True)
    updated_at = models.DateTimeField(default=timezone.now)

    objects = ImageQuerySet.as_manager()

    class Meta:
        ordering = ["-updated_at", "-id"]
        constraints = [models.UniqueConstraint(fields=["host", "team", "image_id"], name="one_row_per_image")]

    def __str__(self) -> str:
        return self.tags[0] if self.tags else self.short_id

    @property
    def short_id(self) -> str:
        return self.image_id.removeprefix("sha256:")[:12]


class RegistryCredentialQuerySet(OwnedQuerySet["RegistryCredential"]):
    """Those of one's own teams: `visible_to`."""


class RegistryCredential(models.Model):
    """A user name and a password for one registry; the password is encrypted and never sent back."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    team = models.ForeignKey(Team, on_delete=models.CASCADE, related_name="registry_credentials")
    registry = models.CharField(max_length=255)
    username = models.CharField(max_length=255)
    encrypted_password = models.TextField()
    created_at = models.DateTimeField(default=timezone.now)

    objects = RegistryCredentialQuerySet.as_manager()

    class Meta:
        ordering = ["registry"]
        constraints = [models.UniqueConstraint(fields=["team", "registry"], name="one_credential_per_registry")]

    def __str__(self) -> str:
        return f"{self.username} at {self.registry}"
