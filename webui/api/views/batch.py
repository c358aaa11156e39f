"""Several requests in one: what is done to many objects at once, each with its own answer."""

from __future__ import annotations

import json
from typing import Any

from django.http import HttpResponse
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from webui.api import bodies
from webui.api.errors import problem
from webui.api.inner import PREFIX, inner_request
from webui.api.operations import operation

REQUESTS_MAXIMUM = 100
METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")


class Inner(bodies.Body):
    method = bodies.Choice(METHODS)
    path = bodies.Text(max_length=2000, help_text="Such as /api/v1/containers/ID/stop/.")
    body = serializers.JSONField(required=False, allow_null=True)


class BatchRequests(bodies.Body):
    requests = Inner(
        many=True, max_length=REQUESTS_MAXIMUM, help_text="Done one after the other, whatever becomes of each."
    )


class BatchAnswer(serializers.Serializer[Any]):
    status = serializers.IntegerField()
    body = serializers.JSONField(allow_null=True)


class BatchAnswers(serializers.Serializer[Any]):
    responses = BatchAnswer(many=True)


class BatchDo(APIView):
    @operation("batch", tag="batch", body=BatchRequests, answers={200: BatchAnswers})
    def post(self, request: Request) -> Response:
        """Do up to 100 requests in one, with an answer for each; one that fails stops none of the others."""
        wanted = bodies.read(BatchRequests, request)["requests"]
        headers: dict[str, str] = {}
        return Response({"responses": [_answer(request, one, headers) for one in wanted]}, headers=headers)


def _answer(request: Request, wanted: dict[str, Any], headers: dict[str, str]) -> dict[str, Any]:
    path = wanted["path"]
    if not path.startswith(PREFIX) or path.startswith(f"{PREFIX}batch"):
        body = problem(400, f"The path has to begin with {PREFIX}, and a batch can't hold another.")
        return {"status": 400, "body": body}
    answer = inner_request(request._request, wanted["method"], path, wanted.get("body"))
    if answer.streaming or hasattr(answer, "take_over") or not isinstance(answer, HttpResponse):
        answer.close()
        return {"status": 400, "body": problem(400, "What is answered in a stream can't be part of a batch.")}
    if "no-store" in answer.get("Cache-Control", ""):  # it holds a secret, and so does the whole
        headers["Cache-Control"] = "no-store"
    if "json" not in answer.get("Content-Type", ""):
        return {"status": answer.status_code, "body": answer.content.decode(errors="replace") or None}
    return {"status": answer.status_code, "body": json.loads(answer.content or b"null")}
