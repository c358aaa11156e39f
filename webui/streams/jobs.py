"""`/ws/jobs/{id}/`: `{"type": "job", "job": {…}}` now and at each change, until the job has ended."""

from __future__ import annotations

from webui.accounts.models import User
from webui.jobs.models import FINISHED, Job
from webui.jobs.representation import job_as_json
from webui.live.admission import Refused
from webui.live.broadcaster import listening
from webui.live.loop import in_thread
from webui.streams.socket import Socket
from worker.contract import keys


class JobSocket(Socket):
    def prepare(self, user: User) -> None:
        self.job_id = str(self.scope["url_route"]["kwargs"]["job_id"])
        jobs = Job.objects.visible_to(user).select_related("team", "host", "requested_by")
        job = jobs.filter(pk=self.job_id).first()
        if job is None:
            raise Refused(404, "there is no such job")
        self.present = job_as_json(job)

    async def run(self) -> None:
        async with listening(keys.CHANGES) as subscription:
            # The job as it was before listening began may be older than a change that nobody heard.
            await in_thread(self.prepare, self.user)
            job = self.present
            await self.send_message(type="job", job=job)
            while job["status"] not in FINISHED:
                entries = await subscription.take()
                if entries is None:
                    await in_thread(self.prepare, self.user)
                    job = self.present
                    await self.send_message(type="job", job=job)
                    continue
                for entry in entries:
                    change = entry.content
                    if change.get("kind") == "job" and change.get("id") == self.job_id and change.get("object"):
                        job = change["object"]
                        await self.send_message(type="job", job=job)
