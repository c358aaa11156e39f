"""Out to an identity provider and back, as a browser goes."""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qs, urlsplit

from django.test import Client

from tests.support.openid_provider import Provider
from webui.accounts.models import User
from webui.signin.models import IdentityProvider
from webui.signin.openid.providers import provider_save

SECRET = "s3cret&of=the client"


def add(admin: User, issuer: str, **wish: Any) -> IdentityProvider:
    usual = {"name": "Company", "issuer": issuer, "client_id": "portside", "client_secret": SECRET}
    return provider_save(user=admin, **{**usual, **wish})


def go(client: Client, slug: str = "company", **query: str) -> dict[str, str]:
    """Out to the provider: what the browser is sent there with."""
    answer = client.get(f"/login/with/{slug}/", query)
    assert answer.status_code == 302, answer.content
    return {name: values[0] for name, values in parse_qs(urlsplit(answer.url).query).items()}


def back(client: Client, evil: Provider, slug: str = "company", **changes: str | None) -> Any:
    """Out and back again, with an ID token that answers this nonce unless `evil.claims` says otherwise."""
    sent = go(client, slug)
    evil.claims = {"nonce": sent["nonce"], **evil.claims}
    answer = {"state": sent["state"], "code": "c", **changes}
    return client.get(f"/login/with/{slug}/callback/", {name: value for name, value in answer.items() if value})
