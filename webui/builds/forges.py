"""What a forge says in a webhook: who signed it, and which branch or tag now has which commit. Pure.

GitHub    X-Hub-Signature-256, X-GitHub-Event, X-GitHub-Delivery    docs.github.com/webhooks
GitLab    X-Gitlab-Token, X-Gitlab-Event, X-Gitlab-Event-UUID       docs.gitlab.com/user/project/integrations/webhooks
Gitea     X-Gitea-Signature, X-Gitea-Event, X-Gitea-Delivery        docs.gitea.com/usage/webhooks; Forgejo's are like it
"""

from __future__ import annotations

import hashlib
import hmac
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from engine.errors import InvalidArgument, PermissionDenied

BODY_BYTES = 5 << 20
"""Of one delivery: a push of thousands of commits is cut by forges themselves."""
_COMMIT = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")
_NOTHING = re.compile(r"0+")


@dataclass(frozen=True, slots=True)
class Push:
    """`delivery`: the forge's id of it; `kind`: push, or ping, or another event; `repositories`: addresses that the
    repository has there, as `normalized` gives them."""

    delivery: str
    kind: str
    ref: str = ""
    commit: str = ""
    sender: str = ""
    repositories: frozenset[str] = frozenset()

    @property
    def branch(self) -> str:
        return self.ref.removeprefix("refs/heads/") if self.ref.startswith("refs/heads/") else ""

    @property
    def tag(self) -> str:
        return self.ref.removeprefix("refs/tags/") if self.ref.startswith("refs/tags/") else ""


def check_signature(headers: Mapping[str, str], body: bytes, secret: str) -> str:
    """SHA-256 of the body in hex, if it is what was signed; empty for a forge that shows the secret itself.

    Raises `PermissionDenied` unless `body` comes from who knows `secret`. `headers`: by names in small letters; none of
    them is ever signed.
    """
    right = hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()
    for name, begin in (
        ("x-gitea-signature", ""), ("x-forgejo-signature", ""), ("x-gogs-signature", ""),
        ("x-hub-signature-256", "sha256="),
    ):  # fmt: skip
        given = headers.get(name)
        if given:
            _compare(given.strip().lower(), begin + right)
            return hashlib.sha256(body).hexdigest()
    token = headers.get("x-gitlab-token")
    if token:
        _compare(token, secret)
        return ""
    raise PermissionDenied("the call is not signed: enter the rule's secret in the forge's settings of the webhook")


def _compare(given: str, right: str) -> None:
    if not hmac.compare_digest(given.encode(errors="surrogatepass"), right.encode()):
        raise PermissionDenied("the signature is wrong: the forge has another secret than the rule")


def read(headers: Mapping[str, str], body: bytes) -> Push:
    """What it tells. Raises `InvalidArgument` for what can't be read."""
    event = next((headers[name] for name in _EVENTS if headers.get(name)), "")
    delivery = next((headers[name] for name in _IDS if headers.get(name)), "") or hashlib.sha256(body).hexdigest()
    kind = event.lower().removesuffix(" hook").replace("tag push", "push")
    if kind != "push":
        return Push(delivery[:100], kind[:60])
    try:
        told = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise InvalidArgument("the body is not JSON: choose application/json as the webhook's content type") from error
    if not isinstance(told, dict):
        raise InvalidArgument("the body is not what a forge sends")
    return Push(
        delivery=delivery[:100],
        kind=kind,
        ref=_text(told.get("ref"))[:512],
        commit=_commit(told),
        sender=_sender(told)[:150],
        repositories=_repositories(told),
    )


_EVENTS = ("x-gitea-event", "x-forgejo-event", "x-gogs-event", "x-github-event", "x-gitlab-event")
_IDS = (
    "x-gitea-delivery", "x-forgejo-delivery", "x-gogs-delivery", "x-github-delivery", "x-gitlab-event-uuid",
    "idempotency-key",
)  # fmt: skip


def _text(value: Any) -> str:
    return value if isinstance(value, str) and "\0" not in value else ""


def _of(told: Any, *names: str) -> str:
    for name in names:
        told = told.get(name) if isinstance(told, dict) else None
    return _text(told)


def _commit(told: dict[str, Any]) -> str:
    """Empty for a branch that was removed."""
    after = _text(told.get("after"))
    if told.get("deleted") is True or _NOTHING.fullmatch(after):
        return ""
    for found in (_of(told, "head_commit", "id"), _text(told.get("checkout_sha")), after):
        if _COMMIT.fullmatch(found) and not _NOTHING.fullmatch(found):
            return found
    return ""


def _sender(told: dict[str, Any]) -> str:
    return (
        _of(told, "pusher", "login") or _of(told, "sender", "login") or _of(told, "pusher", "name")
        or _text(told.get("user_username"))
    )  # fmt: skip


def _repositories(told: dict[str, Any]) -> frozenset[str]:
    found = set()
    for part in ("repository", "project"):
        for name in (
            "clone_url",
            "html_url",
            "ssh_url",
            "git_http_url",
            "git_ssh_url",
            "web_url",
            "homepage",
            "git_url",
        ):
            if address := _of(told, part, name):
                found.add(normalized(address))
    return frozenset(found - {""})


def normalized(address: str) -> str:
    """host/path of a repository's address, without user, port and .git; empty for what is none."""
    if "://" not in address and (match := re.fullmatch(r"[^@/]+@([^:/]+):(.+)", address)):
        return f"{match[1]}/{match[2]}".lower().strip("/").removesuffix(".git")
    try:
        parts = urlsplit(address)
        host = parts.hostname or ""
    except ValueError:
        return ""
    return f"{host}{parts.path}".lower().rstrip("/").removesuffix(".git") if host else ""
