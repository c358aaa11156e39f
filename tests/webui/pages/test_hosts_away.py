"""A host that is away: its jobs say what they wait for, and it can be forgotten."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest
from django.utils import timezone
from playwright.sync_api import Page, expect

from tests.support.browser import visit
from tests.webui.cast import Caller
from tests.webui.pages.seed import Seeded
from tests.webui.pages.test_access import browser_of
from webui.containers.models import Container
from webui.hosts.models import Host
from webui.jobs.models import Job
from webui.volumes.models import Volume


@pytest.fixture
def away(host: Host) -> Host:
    Host.objects.filter(pk=host.pk).update(heartbeat_at=timezone.now() - timedelta(days=3))
    return host


def shown(who: Caller, path: str) -> str:
    response = browser_of(who).get(path)
    assert response.status_code == 200
    return str(response.content.decode())


def test_a_job_of_a_host_that_is_away_says_when_it_begins(owner: Caller, host: Host, job: Job) -> None:
    assert "is back" not in shown(owner, f"/jobs/{job.pk}/")
    Host.objects.update(heartbeat_at=timezone.now() - timedelta(days=3))
    assert "as soon as pier is back" in shown(owner, f"/jobs/{job.pk}/")
    Job.objects.update(status="succeeded")
    text = shown(owner, f"/jobs/{job.pk}/")
    assert "is back" not in text and ">offline<" in text


def test_who_manages_hosts_is_offered_to_forget_one_that_is_away(
    owner: Caller, teammate: Caller, away: Host, container: Container, volume: Volume
) -> None:
    path, offer = f"/hosts/{away.pk}/", "data-host-forget"
    assert offer not in shown(teammate, path)
    assert offer in shown(owner, path) and 'data-held="1 container and 1 volume"' in shown(owner, path)
    Host.objects.update(heartbeat_at=timezone.now())
    assert offer not in shown(owner, path)


def test_a_host_is_forgotten_on_its_page(page: Page, seeded: Seeded) -> None:
    host = seeded.hosts[1]
    Host.objects.filter(pk=host.pk).update(heartbeat_at=timezone.now() - timedelta(days=3))
    visit(page, f"/hosts/{host.pk}/")
    page.get_by_role("button", name="Forget this host").click()
    dialog = page.locator("#confirm-dialog")
    expect(dialog).to_contain_text(f"Forget {host.name}?")
    dialog.get_by_role("button", name="Forget", exact=True).click()
    expect(page).to_have_url(re.compile(r"://[^/]+/$"))
    assert not Host.objects.filter(pk=host.pk).exists()
