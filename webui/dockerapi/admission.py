"""Who asks, and which host is meant.

A bearer token, a certificate that the site has issued, or root of this machine by the Unix socket, who is the
administrator. No cookie: any page could send
it along. No password: whoever guesses has to do it at the sign-in, which slows that down.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from engine.errors import NotFound, Unavailable
from webui.accounts.models import User
from webui.accounts.rates import Turn, stranger_turn, user_turn
from webui.accounts.roles import Rights
from webui.accounts.tokens import token_authenticate
from webui.asking import identified
from webui.certificates.services import certificate_authenticate
from webui.dockerapi.call import Call
from webui.dockerapi.errors import Refusal
from webui.hosts.models import Host, HostQuerySet
from webui.hosts.services import why_none
from webui.links.direct import is_near
from webui.live.admission import address_of
from webui.prepared import Prepared

_ALL = Host.objects.select_related("team")
_BY_ID = Prepared(_ALL, "pk")
_BY_NAME = Prepared(_ALL.order_by("-heartbeat_at"), "name")
_TEAMS = Prepared(Host.objects.values_list("pk", "team_id"))
NEAR_MAXIMUM = 20
"""Of so many hosts it is looked whether they are this machine."""
ROOT = 0
HOW = (
    'authentication is needed: make a token in the settings, and give it to the client as {"HttpHeaders": '
    '{"Authorization": "Bearer TOKEN"}} in its config.json'
)


def admit(call: Call) -> None:
    """Fill in `user` and `host`. Queries the database. Raises Refusal, NotFound, Unavailable.

    Who asks too often is refused, at the rate that REST is held to as well; root of this machine never is.
    """
    is_local = (call.scope.get("state") or {}).get("peer_uid") is not None
    try:
        call.user = user_of(call.scope, call.headers)
    except Refusal as refusal:
        if refusal.status == 401:
            _rate_check(stranger_turn(address_of(call.scope)))
        raise
    if not is_local:
        _rate_check(user_turn(call.user))
    identified(call.user, call.user.token_name)
    call.host = host_of(call.user, call.host_name)


def _rate_check(turn: Turn | None) -> None:
    if turn is not None and not turn.is_allowed:
        raise Refusal(429, turn.sentence, (("Retry-After", turn.retry_after),))


def user_of(scope: Mapping[str, Any], headers: Mapping[str, str]) -> User:
    uid = (scope.get("state") or {}).get("peer_uid")
    if uid is not None:
        return _root(uid)
    fingerprint = (scope.get("state") or {}).get("peer_certificate")
    if fingerprint is not None and "authorization" not in headers:
        if "origin" in headers:  # browsers show it for whatever page asks, as they send cookies
            raise Refusal(403, "pages of the web can't come by a certificate: give a token")
        holder = certificate_authenticate(fingerprint)
        if holder is None:
            raise Refusal(401, "this certificate was revoked or has ended: have another one issued")
        return holder
    scheme, _, secret = headers.get("authorization", "").partition(" ")
    user = token_authenticate(secret.strip()) if scheme.lower() == "bearer" else None
    if user is None:
        raise Refusal(401, HOW)
    return user


def _root(uid: int) -> User:
    if uid != ROOT:
        raise Refusal(403, "this socket is for root: use the site's address with a token")
    user = User.objects.filter(is_superuser=True, is_active=True).order_by("pk").first()
    if user is None:
        raise Unavailable("there is no administrator: make one, then try again")
    return user


def host_of(user: User, name: str | None) -> Host:
    """The one of this name (or id); without a name the one of this machine, else the first."""
    rights, view = Rights(user), HostQuerySet.view_action
    if name is not None:
        meant = (one for query, value in ((_BY_ID, name[:36]), (_BY_NAME, name)) for one in query.all(value))
        found = next((one for one in meant if view in rights.of(one.team_id, host=one)), None)
        if found is None:
            raise NotFound(f"there is no host {name[:120]}: the list of hosts shows names and ids")
        return found
    hosts = [pk for pk, team in _TEAMS.rows() if view in rights.of(team, host=pk)]
    near = next((pk for pk in hosts[:NEAR_MAXIMUM] if is_near(pk)), None) if len(hosts) > 1 else None
    found = _BY_ID.first(near or hosts[0]) if hosts else None
    if found is None:
        raise NotFound(why_none())
    return found
