"""How images and registry credentials look in REST, broadcasts and pages."""

from __future__ import annotations

from typing import Any

from webui.accounts.representation import team_reference_as_json, time_as_json
from webui.hosts.representation import host_reference_as_json
from webui.images.models import Image, RegistryCredential


def image_as_json(image: Image) -> dict[str, Any]:
    return {
        "id": image.pk,
        "image_id": image.image_id,
        "short_id": image.short_id,
        "tags": image.tags,
        "digests": image.digests,
        "size_bytes": image.size_bytes,
        "layers": image.layers,
        "newer": image.newer,
        "architecture": image.architecture,
        "os": image.os,
        "host": host_reference_as_json(image.host),
        "team": team_reference_as_json(image.team),
        "config": image.config,
        "built_at": time_as_json(image.built_at),
        "updated_at": time_as_json(image.updated_at),
        "url": f"/api/v1/images/{image.pk}/",
    }


def credential_as_json(credential: RegistryCredential) -> dict[str, Any]:
    """The password stays where it is: it can be replaced, never read. `tried` is what the last test said, or None."""
    return {
        "id": str(credential.pk),
        "registry": credential.registry,
        "username": credential.username,
        "plain_http": credential.plain_http,
        "tls_verify": credential.tls_verify,
        "ca_pem": credential.ca_pem,
        "mirrors": credential.mirrors,
        "tried": credential.tried or None,
        "team": team_reference_as_json(credential.team),
        "created_at": time_as_json(credential.created_at),
        "url": f"/api/v1/registries/{credential.pk}/",
    }
