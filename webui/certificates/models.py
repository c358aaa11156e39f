"""TLS client certificates that the site has issued: who comes with one is its user."""

from __future__ import annotations

import uuid

from django.db import models
from django.utils import timezone

from webui.accounts.models import User


class ClientCertificate(models.Model):
    """`fingerprint`: SHA-256 of the certificate in DER, in hex. The key is its user's alone; the site keeps none.

    One that is revoked has no row any more, and opens nothing though it is signed.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="certificates")
    name = models.CharField(max_length=80)
    fingerprint = models.CharField(max_length=64, unique=True)
    created_at = models.DateTimeField(default=timezone.now)
    expires_at = models.DateTimeField()
    last_used_at = models.DateTimeField(null=True)

    class Meta:
        ordering = ["-created_at", "id"]

    def __str__(self) -> str:
        return self.name
