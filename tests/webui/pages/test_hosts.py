"""Several hosts: one is chosen; one that is away is said to be, and can be forgotten."""

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


def test_the_list_of_containers_is_one_hosts_where_it_is_asked_for(
    owner: Caller, host: Host, container: Container
) -> None:
    assert "data-list-select" not in shown(owner, "/containers/"), "there is but one"
    other = Host.objects.create(pk="quay", team=host.team, name="quay")
    Container.objects.create(id="d0" * 32, team=host.team, host=other, name="elsewhere", image="alpine")
    for wanted in ("quay", other.pk):
        text = shown(owner, f"/containers/?host={wanted}")
        assert ">elsewhere</a>" in text and ">web</a>" not in text
        assert "?q=&amp;host=quay&amp;status=running" in text and '<option value="quay" selected>' in text
    assert "No container of this host is running" in shown(owner, "/containers/?host=quay&status=running")
    both = shown(owner, "/containers/?host=nowhere")
    assert ">elsewhere</a>" in both and ">web</a>" in both


def test_the_list_says_whose_state_is_of_the_past(owner: Caller, host: Host, container: Container) -> None:
    assert "host offline" not in shown(owner, "/containers/")
    Host.objects.update(heartbeat_at=timezone.now() - timedelta(days=3))
    Host.objects.create(pk="quay", team=host.team, name="quay", heartbeat_at=timezone.now())
    text = shown(owner, "/containers/")
    assert text.count(">host offline<") == 1 and "pier (offline)</option>" in text
    assert "quay</option>" in text


def test_a_host_is_chosen_above_the_list(page: Page, seeded: Seeded) -> None:
    visit(page, "/containers/")
    rows = page.locator("tbody tr")
    before = rows.count()
    page.get_by_label("Host", exact=True).select_option(seeded.hosts[1].pk)
    expect(page).to_have_url(re.compile(rf"host={seeded.hosts[1].pk}"))
    expect(page.get_by_text("This host has no container.")).to_be_visible()
    page.get_by_label("Host", exact=True).select_option(label="All hosts")
    expect(rows).to_have_count(before)


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
