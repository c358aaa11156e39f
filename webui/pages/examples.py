"""The REST calls that empty pages show, ready to be copied into a terminal."""

from __future__ import annotations

import json
import shlex

from django.http import HttpRequest

from webui.images.models import Image

HEADERS = "-H 'Authorization: Bearer TOKEN' -H 'Content-Type: application/json'"


def base_url(request: HttpRequest) -> str:
    """The site's own address as this browser knows it, without the last slash."""
    return request.build_absolute_uri("/").rstrip("/")


def first_tag(request: HttpRequest) -> str | None:
    """Some image that is here already, so that an example works as it is shown."""
    images = Image.objects.visible_to(request.user).only("tags")[:20]
    return next((tag for image in images for tag in image.tags), None)


def run_example(request: HttpRequest, image: str | None) -> str:
    loop = ["sh", "-c", "while date; do sleep 1; done"]
    body = json.dumps({"name": "hello", "image": image or "alpine", "command": loop})
    return f"curl -X POST {HEADERS} -d {shlex.quote(body)} {base_url(request)}/api/v1/containers/"


def load_example(request: HttpRequest) -> str:
    headers = "-H 'Authorization: Bearer TOKEN' -H 'Content-Type: application/x-tar'"
    return f"docker save alpine | curl -X POST {headers} -T - {base_url(request)}/api/v1/images/load/"


def pull_example(request: HttpRequest) -> str:
    body = json.dumps({"reference": "alpine"})
    return f"curl -X POST {HEADERS} -d {shlex.quote(body)} {base_url(request)}/api/v1/images/pull/"


def volume_example(request: HttpRequest) -> str:
    body = json.dumps({"name": "data", "labels": {"for": "web"}})
    return f"curl -X POST {HEADERS} -d {shlex.quote(body)} {base_url(request)}/api/v1/volumes/"


def network_example(request: HttpRequest) -> str:
    body = json.dumps({"name": "front", "subnet": "10.20.0.0/24"})
    return f"curl -X POST {HEADERS} -d {shlex.quote(body)} {base_url(request)}/api/v1/networks/"


def build_example(request: HttpRequest) -> str:
    body = json.dumps({"tags": ["hello:1"], "dockerfile_text": "FROM alpine\nCMD echo hello\n"})
    return f"curl -X POST {HEADERS} -d {shlex.quote(body)} {base_url(request)}/api/v1/builds/"
