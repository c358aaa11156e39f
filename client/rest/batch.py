"""/api/v1/batch/. python -m tests.support.client_code makes this of docs/openapi-v1.yml."""

from __future__ import annotations

from typing import Unpack

from client.resource import Json, Resource
from client.rest.batch_bodies import BatchRequests


class Batch(Resource):
    def batch(self, **body: Unpack[BatchRequests]) -> Json:
        """Do up to 100 requests in one, with an answer for each; one that fails stops none of the others."""
        return self._ask("POST", "/api/v1/batch/", body=body)
