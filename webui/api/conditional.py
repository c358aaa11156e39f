"""Entity tags: what is known already is not sent again, and what has changed meanwhile is not overwritten.

    GET               answers with `ETag`; with the same in `If-None-Match` 304 and nothing more
    PUT PATCH DELETE  with `If-Match` only while the resource is as that tag says; else 412  (RFC 9110, 13.1)

A tag is a digest of the answer, so it is weak, changes with `?fields=`, and costs no column.
"""

from __future__ import annotations

import hashlib
import re

from django.http import HttpRequest, HttpResponse, HttpResponseBase

from webui.api.errors import problem_response
from webui.api.inner import inner_request

_TAG = re.compile(r'(?:W/)?"([^"]*)"')
_KEPT = ("ETag", "Cache-Control", "Vary", "RateLimit-Limit", "RateLimit-Remaining", "RateLimit-Reset")


def tag_of(response: HttpResponse) -> str:
    return f'W/"{hashlib.blake2b(response.content, digest_size=15).hexdigest()}"'


def with_tag(request: HttpRequest, response: HttpResponseBase) -> HttpResponseBase:
    """A GET's answer with its tag, or the 304 that says it is known."""
    if response.status_code != 200 or response.streaming or not isinstance(response, HttpResponse):
        return response
    if "ETag" in response or hasattr(response, "take_over"):
        return response
    response["ETag"] = tag_of(response)
    response.setdefault("Cache-Control", "private, no-cache")
    if not _names(request.headers.get("If-None-Match"), response["ETag"]):
        return response
    unchanged = HttpResponse(status=304, headers={name: response[name] for name in _KEPT if name in response})
    del unchanged["Content-Type"]
    return unchanged


def mismatch(request: HttpRequest) -> HttpResponse | None:
    """The 412 for a change whose `If-Match` names another state than there is; None if it may be made."""
    wanted = request.headers.get("If-Match")
    if wanted is None or wanted.strip() == "*":
        return None
    present = inner_request(request, "GET", request.path)
    if present.status_code != 200 or not isinstance(present, HttpResponse):
        return None  # the change itself says what is wrong: not there, not allowed
    if _names(wanted, tag_of(present)):
        return None
    detail = "It has changed since you read it: read it again, and decide anew."
    return problem_response(412, detail, family="conflict")


def _names(header: str | None, tag: str) -> bool:
    """Whether a list of tags has this one, or is `*`."""
    if header is None:
        return False
    opaque = _TAG.fullmatch(tag)
    assert opaque is not None
    return header.strip() == "*" or opaque.group(1) in _TAG.findall(header)
