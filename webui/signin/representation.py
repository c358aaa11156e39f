"""How providers, sessions and passkeys look in REST and pages. Secrets are in none of it."""

from __future__ import annotations

from typing import Any

from django.db.models import Count, QuerySet

from webui.accounts.representation import team_reference_as_json, time_as_json
from webui.signin.devices import device_name
from webui.signin.models import IdentityProvider, SignInSession


def providers_shown() -> QuerySet[IdentityProvider]:
    """All providers, with what `provider_as_json` needs of them."""
    counted = IdentityProvider.objects.annotate(people=Count("identities", distinct=True))
    return counted.prefetch_related("mappings__team")


def provider_as_json(provider: IdentityProvider) -> dict[str, Any]:
    """`provider`: one of `providers_shown`."""
    return {
        "id": str(provider.pk),
        "slug": provider.slug,
        "name": provider.name,
        "issuer": provider.issuer,
        "client_id": provider.client_id,
        "has_secret": bool(provider.sealed_secret),
        "scopes": provider.scopes,
        "groups_claim": provider.groups_claim,
        "username_claim": provider.username_claim,
        "is_enabled": provider.is_enabled,
        "creates_users": provider.creates_users,
        "only_mapped": provider.only_mapped,
        "links_by_email": provider.links_by_email,
        "asks_second_factor": provider.asks_second_factor,
        "people": provider.people,  # type: ignore[attr-defined]
        "mappings": [
            {
                "group": mapping.group,
                "team": None if mapping.team is None else team_reference_as_json(mapping.team),
                "role": mapping.role,
            }
            for mapping in provider.mappings.all()
        ],
        "created_at": time_as_json(provider.created_at),
    }


def session_as_json(row: SignInSession, key: str | None) -> dict[str, Any]:
    """`key`: the asker's own session, None if it came by a token."""
    return {
        "id": str(row.pk),
        "device": device_name(row.device),
        "user_agent": row.device,
        "address": row.address,
        "method": row.method,
        "is_current": key is not None and row.session_id == key,
        "created_at": time_as_json(row.created_at),
        "last_seen_at": time_as_json(row.last_seen_at),
    }
