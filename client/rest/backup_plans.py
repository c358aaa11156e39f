"""/api/v1/backup-plans/. python -m tests.support.client_code makes this of docs/openapi-v1.yml."""

from __future__ import annotations

from typing import Unpack

from client.resource import Json, Resource
from client.rest.backup_plans_bodies import PatchedOtherPlan
from client.transport import located


class BackupPlans(Resource):
    def change(self, plan_id: str, **body: Unpack[PatchedOtherPlan]) -> Json:
        """Change a plan, or let it rest (`enabled`: false)."""
        return self._ask("PATCH", located("/api/v1/backup-plans/{}/", plan_id), body=body)

    def delete(self, plan_id: str) -> None:
        """Remove a plan; its backups stay."""
        self._ask("DELETE", located("/api/v1/backup-plans/{}/", plan_id))
