"""Images as the hosts report them, what registries have in their place, and how registries are spoken to."""

from __future__ import annotations

import uuid
from typing import Self

from django.db import models
from django.utils import timezone

from webui.accounts import seeing
from webui.accounts.models import OwnedQuerySet, Team, User
from webui.hosts.models import Host


class ImageQuerySet(OwnedQuerySet["Image"]):
    """Those of one's own teams: `visible_to`."""

    view_action = "images.view"

    def visible_to(self, user: User, action: str | None = None) -> Self:
        """As of all objects, and those of a repository for which one was granted it."""
        return seeing.images(self, user, action or self.view_action)


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
    newer = models.JSONField(default=list)
    """Those of `tags` that have moved on at their registry since this image was pulled."""
    updated_at = models.DateTimeField(default=timezone.now)

    objects = ImageQuerySet.as_manager()

    class Meta:
        ordering = ["-updated_at", "-id"]
        constraints = [models.UniqueConstraint(fields=["host", "team", "image_id"], name="one_row_per_image")]

    def __str__(self) -> str:
        return self.tags[0] if self.tags else self.short_id

    @property
    def repositories(self) -> frozenset[str]:
        """What its tags are tags of, as docker.io/library/alpine."""
        return frozenset(tag.rpartition(":")[0] for tag in self.tags)

    @property
    def short_id(self) -> str:
        return self.image_id.removeprefix("sha256:")[:12]


class RegistryCredentialQuerySet(OwnedQuerySet["RegistryCredential"]):
    """Those of one's own teams: `visible_to`."""

    view_action = "registries.view"
    host_path = None


class RegistryCredential(models.Model):
    """How a team speaks to one registry. Without `username` as nobody; the password is encrypted and never sent back.

    `plain_http`: without TLS; `ca_pem`: certificates to be trusted; without `tls_verify` any is. `mirrors` are asked
    first for what is read. `tried`: what the last test said, {"at", "host", "ok", "message", "user", "rate_limit"}.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    team = models.ForeignKey(Team, on_delete=models.CASCADE, related_name="registry_credentials")
    registry = models.CharField(max_length=255)
    username = models.CharField(max_length=255, blank=True)
    encrypted_password = models.TextField(blank=True)
    plain_http = models.BooleanField(default=False)
    tls_verify = models.BooleanField(default=True)
    ca_pem = models.TextField(blank=True)
    mirrors = models.JSONField(default=list)
    tried = models.JSONField(default=dict)
    created_at = models.DateTimeField(default=timezone.now)

    objects = RegistryCredentialQuerySet.as_manager()

    class Meta:
        ordering = ["registry"]
        constraints = [models.UniqueConstraint(fields=["team", "registry"], name="one_credential_per_registry")]

    def __str__(self) -> str:
        return f"{self.username or 'nobody'} at {self.registry}"


class SigningKeyQuerySet(OwnedQuerySet["SigningKey"]):
    """Those of one's own teams: `visible_to`."""

    view_action = "registries.view"
    host_path = None


class SigningKey(models.Model):
    """A key of a team's for signatures of images (ECDSA, P-256). `key_id`: SHA-256 of the public key, in hex.

    The private key lies sealed and is never sent back; without one the key is for looking at signatures alone.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    team = models.ForeignKey(Team, on_delete=models.CASCADE, related_name="signing_keys")
    name = models.CharField(max_length=64)
    key_id = models.CharField(max_length=64)
    public_key = models.TextField()
    sealed_private_key = models.TextField(blank=True)
    created_at = models.DateTimeField(default=timezone.now)

    objects = SigningKeyQuerySet.as_manager()

    class Meta:
        ordering = ["name"]
        constraints = [
            models.UniqueConstraint(fields=["team", "name"], name="one_signing_key_per_name"),
            models.UniqueConstraint(fields=["team", "key_id"], name="one_row_per_signing_key"),
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def can_sign(self) -> bool:
        return bool(self.sealed_private_key)


class RemoteTag(models.Model):
    """What a registry had under a team's `reference` when it was last asked; no `digest`: it said why not."""

    team = models.ForeignKey(Team, on_delete=models.CASCADE, related_name="remote_tags")
    reference = models.CharField(max_length=512)
    digest = models.CharField(max_length=140, blank=True)
    problem = models.TextField(blank=True)
    checked_at = models.DateTimeField(default=timezone.now)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["team", "reference"], name="one_row_per_remote_tag")]

    def __str__(self) -> str:
        return self.reference
