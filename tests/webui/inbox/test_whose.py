"""What a host may tell of: its own alone."""

from __future__ import annotations

import pytest

from tests.webui.inbox.conftest import FakeHost
from webui.hosts.models import Host
from webui.inbox.reader import Inbox
from webui.jobs.services import job_create
from worker.contract.commands import PullImage

pytestmark = pytest.mark.django_db(transaction=True)


def test_a_job_is_told_of_by_its_own_host_alone(
    pier: FakeHost, inbox: Inbox, host: Host, caplog: pytest.LogCaptureFixture
) -> None:
    job = job_create(team=host.team, host=host, requested_by=None, command=PullImage(reference="alpine"))
    quay = Host.objects.create(id="quay-id", name="quay", team=host.team)
    other = FakeHost(pier.server, quay.pk)
    other.say("job.finished", str(job.pk), {"status": "succeeded", "result": {"images": ["forged"]}})
    inbox.read_once()
    job.refresh_from_db()
    assert (job.status, job.result) == ("queued", {})
    assert "another host's" in caplog.text
    assert other.acknowledged() == 1, "one bad event held the others up"
