"""`/ws/jobs/{id}/`: `{"type": "job", "job": {…}}` now and at each change, until the job has ended."""

from __future__ import annotations

from webui.accounts.models import User
from webui.live.jobs import follow_job, job_seen
from webui.streams.socket import Socket


class JobSocket(Socket):
    def prepare(self, user: User) -> None:
        self.job_id = str(self.scope["url_route"]["kwargs"]["job_id"])
        job_seen(user, self.job_id)

    async def run(self) -> None:
        async for job in follow_job(self.user, self.job_id):
            await self.send_message(type="job", job=job)
