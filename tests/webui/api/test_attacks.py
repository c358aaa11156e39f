"""Every writing route against forms of other sites and against fields that nobody offers; every page against leading
a browser elsewhere. That ids and names of other teams lead nowhere is `test_every_route.py`."""

from __future__ import annotations

import dataclasses
from typing import Any
from urllib.parse import urlsplit

import pytest
from django.test import Client
from django.urls import URLPattern

from tests.support.valkey import Valkey
from tests.webui.api.test_every_route import BODIES, routes, snapshot, world  # noqa: F401
from tests.webui.cast import CONTAINER_ID, Caller
from webui.accounts.models import User
from webui.pages import urls as pages

pytestmark = pytest.mark.django_db(transaction=True)

WRITING = ("post", "put", "patch", "delete")
EVIL = "https://evil.example"
NOT_OFFERED = {
    "is_superuser": True,
    "is_staff": True,
    "service_of": None,
    "token_team": None,
    "team_id": "8f5a3c1e-0000-4000-8000-000000000009",
    "host_id": "elsewhere",
    "created_by": 1,
    "requested_by_id": 1,
    "observed_status": "running",
    "sealed_secret": "x",
    "encrypted_password": "x",
    "digest_of_token": "x",
    "accepted_by": 1,
    "pk": 1,
    "_state": {},
    "__class__": "x",
}
"""Columns and attributes of models, and words of Python's, that are no field of any body."""

WITHOUT_FIELDS = frozenset(
    {"images-import", "images-load", "builds-contexts", "container-archive", "volume-tar", "volume-file-content"}
    | {"build-rule-secret", "build-delivery-again", "build-shell", "container-wait", "user-password"}
    | {"identity-provider"}
)
"""Archives; what reads no body at all; what the world here has none of (`tests/webui/signin/test_openid.py`)."""


@pytest.fixture
def administrator(owner: Caller, settings: Any) -> Caller:
    """The owner with all rights, so that nothing is refused for want of them before its body is read."""
    User.objects.filter(pk=owner.user.pk).update(is_superuser=True)  # type: ignore[union-attr]
    settings.PORTSIDE = dataclasses.replace(settings.PORTSIDE, rate_limit=0)
    return owner


@pytest.fixture
def browser(administrator: Caller) -> Client:
    """Signed in by a session, as somebody is whom another site's page makes ask for something."""
    client = Client(enforce_csrf_checks=True, raise_request_exception=False)
    client.force_login(User.objects.get(pk=administrator.user.pk))  # type: ignore[union-attr]
    return client


def test_no_write_takes_a_field_that_nobody_offers(world: dict[str, Any], administrator: Caller) -> None:  # noqa: F811
    before, taken, walked = snapshot(), {}, 0
    for name, method, path in routes(world):
        if method not in ("post", "put", "patch") or name in WITHOUT_FIELDS:
            continue
        walked += 1
        answer = administrator.call(method, path, {**BODIES.get(name, {}), **NOT_OFFERED})
        errors = answer.json().get("errors", {}) if answer.status_code == 400 else {}
        if not {*NOT_OFFERED} <= {*errors}:
            taken[name, method] = (answer.status_code, answer.content[:200])
    assert taken == {}
    assert walked > 40
    assert snapshot() == before


@pytest.mark.parametrize("with_token", [False, True])
def test_a_page_of_another_site_writes_nothing_by_rest(
    with_token: bool,
    world: dict[str, Any],  # noqa: F811
    browser: Client,
) -> None:
    """Without the session's token, or with it (say, found out) but from another origin."""
    before = snapshot()
    browser.get("/settings/")
    headers = {"X-CSRFToken": browser.cookies["csrftoken"].value, "Origin": EVIL} if with_token else {}
    assert browser.get("/api/v1/hosts/").status_code == 200
    for name, method, path in routes(world):
        if method in WRITING:
            body = {"data": BODIES.get(name, {}), "content_type": "application/json"}
            answer = getattr(browser, method)(path, **body, headers=headers)
            assert answer.status_code == 403, f"{method} {path}: {answer.status_code}"
            assert b"CSRF" in answer.content, path
    assert snapshot() == before


def page_paths(world: dict[str, Any]) -> list[str]:  # noqa: F811
    """An address of every page; which object it is about doesn't matter."""
    found = []
    for pattern in pages.urlpatterns:
        assert isinstance(pattern, URLPattern)
        path = str(pattern.pattern)
        for name, value in {**world, "slug": "x", "secret": "x", "digits": "ab" * 32}.items():
            for kind in ("word", "slug", "int", "uuid"):
                path = path.replace(f"<{kind}:{name}>", str(value))
        assert "<" not in path, f"give {path} an object in this test"
        found.append("/" + path)
    return found


def test_a_page_of_another_site_posts_no_form(world: dict[str, Any], browser: Client) -> None:  # noqa: F811
    before = snapshot()
    browser.get("/settings/")
    token = browser.cookies["csrftoken"].value
    for path in page_paths(world):
        for headers in ({}, {"X-CSRFToken": token, "Origin": EVIL}):
            answer = browser.post(path, {"action": "remove", "next": EVIL}, headers=headers)
            assert answer.status_code in (403, 405), f"{path}: {answer.status_code}"
    assert snapshot() == before
    assert browser.get("/settings/").status_code == 200, "still signed in"


ELSEWHERE = (
    EVIL,
    "//evil.example/",
    "///evil.example",
    "/\\evil.example",
    "\\\\evil.example",
    "https:evil.example",
    "javascript:alert(1)",
    " //evil.example",
    "/\t/evil.example",
    "http://testserver@evil.example/",
)


@pytest.mark.parametrize("is_signed_in", [False, True])
def test_no_address_of_this_site_leads_to_another(
    is_signed_in: bool,
    world: dict[str, Any],  # noqa: F811
    browser: Client,
) -> None:
    client = browser if is_signed_in else Client(raise_request_exception=False)
    leading = [path for path in page_paths(world) if 300 <= client.get(path, {"next": EVIL}).status_code < 400]
    assert "/login/" in leading if is_signed_in else len(leading) > 20
    asked = [
        *((path, {"next": evil}) for path in leading for evil in ELSEWHERE),
        *((f"{evil}/../containers", {}) for evil in ("//evil.example", "/\\evil.example", "/%2f/evil.example")),
        *((f"/{path}", {}) for path in ("/evil.example", "/containers", "/evil.example/login", "\\evil.example/x")),
        (f"/containers/{CONTAINER_ID}", {"next": EVIL}),
    ]
    for path, query in asked:
        answer = client.get(path, query)
        if 300 <= answer.status_code < 400:
            where = answer.headers["Location"]
            assert urlsplit(where.replace("\\", "/").strip()).netloc in ("", "testserver"), (path, query, where)
            assert where.startswith("/") and not where.replace("\\", "/").startswith("//"), (path, query, where)


def test_a_bearers_token_is_taken_from_no_address(site_broker: Valkey, owner: Caller, nobody: Caller) -> None:
    """Addresses end up in logs, histories and referrers."""
    secret = owner.headers["Authorization"].removeprefix("Bearer ")
    for query in (f"token={secret}", f"access_token={secret}", f"api_key={secret}", f"authorization=Bearer%20{secret}"):
        assert nobody.get(f"hosts/?{query}").status_code == 401
