"""Pages for what went wrong. They need no database, since it may be the database that is gone."""

from __future__ import annotations

from urllib.parse import quote

from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import Resolver404, resolve

# Lists and forms; whether an object exists is not said before somebody has signed in.
PAGES = frozenset({"containers", "container-new", "images", "jobs", "settings", "login", "password", "sessions"})


def not_found(request: HttpRequest, exception: Exception) -> HttpResponse:
    """An address that only lacks its last slash is put right: people type it without."""
    if request.method in ("GET", "HEAD") and not request.path.endswith("/") and _is_page(request.path + "/"):
        query = request.META.get("QUERY_STRING", "")
        return redirect(quote(request.path + "/") + (f"?{query}" if query else ""))
    return render(request, "pages/error.html", {"code": 404}, status=404)


def _is_page(path: str) -> bool:
    try:
        return resolve(path).url_name in PAGES
    except Resolver404:
        return False


def forbidden(request: HttpRequest, exception: Exception) -> HttpResponse:
    return render(request, "pages/error.html", {"code": 403}, status=403)


def csrf_failed(request: HttpRequest, reason: str = "") -> HttpResponse:
    return render(request, "pages/error.html", {"code": 403, "stale": True}, status=403)


def server_error(request: HttpRequest) -> HttpResponse:
    return render(request, "pages/error.html", {"code": 500}, status=500)
