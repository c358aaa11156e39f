"""What every answer gets: the header that keeps a page from running or loading anything that is not ours, and
cookies that stay on TLS."""

from __future__ import annotations

from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.utils.deprecation import MiddlewareMixin

POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self'",
        "connect-src 'self'",
        "manifest-src 'self'",
        "form-action 'self'",
        "base-uri 'none'",
        "frame-ancestors 'none'",
    )
)


class SecureCookies(MiddlewareMixin):
    """Keeps the cookies of a site behind TLS from ever being sent without; stands outside of all that set some."""

    def process_response(self, request: HttpRequest, response: HttpResponseBase) -> HttpResponseBase:
        if request.is_secure():
            for morsel in response.cookies.values():
                morsel["secure"] = True
        return response


class ContentSecurityPolicy(MiddlewareMixin):
    """Adds the policy to every response that brings none of its own: no inline script or style, nothing foreign."""

    def process_response(self, request: HttpRequest, response: HttpResponseBase) -> HttpResponseBase:
        response.headers.setdefault("Content-Security-Policy", POLICY)
        return response
