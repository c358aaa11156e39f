"""Pages for what went wrong. They need no database, since it may be the database that is gone."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render


def not_found(request: HttpRequest, exception: Exception) -> HttpResponse:
    return render(request, "pages/error.html", {"code": 404}, status=404)


def forbidden(request: HttpRequest, exception: Exception) -> HttpResponse:
    return render(request, "pages/error.html", {"code": 403}, status=403)


def csrf_failed(request: HttpRequest, reason: str = "") -> HttpResponse:
    return render(request, "pages/error.html", {"code": 403, "stale": True}, status=403)


def server_error(request: HttpRequest) -> HttpResponse:
    return render(request, "pages/error.html", {"code": 500}, status=500)
