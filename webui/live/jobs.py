"""A job as it is now and at each change, until it has ended: for its socket and its stream over REST."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

from webui.accounts.models import User
from webui.jobs.models import FINISHED, Job
from webui.jobs.representation import job_as_json
from webui.live.admission import Refused
from webui.live.broadcaster import listening
from webui.live.loop import in_thread
from worker.contract import keys


def job_seen(user: User, job_id: str) -> dict[str, Any]:
    """The job as REST shows it. Raises Refused. Queries the database."""
    jobs = Job.objects.visible_to(user).select_related("team", "host", "requested_by")
    job = jobs.filter(pk=job_id).first()
    if job is None:
        raise Refused(404, "there is no such job, or it is another team's")
    return job_as_json(job)


async def follow_job(user: User, job_id: str) -> AsyncIterator[dict[str, Any]]:
    """Raises Refused."""
    async with listening(keys.CHANGES) as subscription:
        # Read after listening began: what is older may lack a change that nobody heard.
        job = await in_thread(job_seen, user, job_id)
        yield job
        while job["status"] not in FINISHED:
            entries = await subscription.take()
            if entries is None:
                job = await in_thread(job_seen, user, job_id)
                yield job
                continue
            for entry in entries:
                change = entry.content
                if change.get("kind") == "job" and change.get("id") == job_id and change.get("object"):
                    job = change["object"]
                    yield job
