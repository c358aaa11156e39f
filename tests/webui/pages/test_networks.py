"""The list of networks: who is on them, making one, joining one, and what is asked before something is gone."""

from __future__ import annotations

from typing import Any

import pytest
from playwright.sync_api import Page, expect

from tests.support.browser import visit
from tests.webui.pages.seed import Seeded, hex_id
from tests.webui.pages.sockets import Sockets
from tests.webui.pages.test_changing import JOB, answered
from webui.networks.models import Network

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

ACCEPTED = {"job": {"id": JOB, "url": f"/api/v1/jobs/{JOB}/"}}


def ended(sockets: Sockets, kind: str, host: Any, id: str, **more: Any) -> None:
    job = {"id": JOB, "kind": kind, "status": "succeeded", "subject": "x", "error": None, "result": {}}
    progress = {"phase": "done", "items": []}
    sockets.change("job", {**job, "host": {"id": host.pk, "name": host.name}, "progress": progress, **more}, id=id)


def test_a_network_is_made_and_shown_once_its_host_says_so(page: Page, sockets: Sockets, seeded: Seeded) -> None:
    host = seeded.hosts[0]
    visit(page, "/networks/")
    sockets.events.wait()
    row = page.locator('tr[data-name="front"]')
    expect(row).to_contain_text("10.20.0.0/24")
    expect(row.get_by_role("link", name="web", exact=True)).to_have_attribute("href", f"/containers/{hex_id('web')}/")
    expect(row.locator("[data-network-remove]")).to_be_disabled()
    expect(page.locator('tr[data-name="back-of-the-harbour"]')).to_contain_text("icc off")
    page.get_by_role("button", name="New network").click()
    dialog = page.locator("#network-dialog")
    dialog.get_by_role("button", name="Create").click()
    expect(dialog.locator('[data-problem="name"]')).to_contain_text("such as front")
    dialog.get_by_label("Name", exact=True).fill("apart")
    dialog.get_by_label("Subnet").fill("10.30.0.0/24")
    dialog.get_by_label("Internal").check()
    sent = answered(page, "networks/", 202, ACCEPTED)
    dialog.get_by_role("button", name="Create").click()
    expect(dialog.locator("[data-submit]")).to_have_attribute("aria-busy", "true")
    assert sent[0] == {"name": "apart", "internal": True, "icc": True, "host": host.pk, "subnet": "10.30.0.0/24"}
    Network.objects.create(
        team=host.team, host=host, network_id="1" * 64, name="apart", subnet="10.30.0.0/24", gateway="10.30.0.1"
    )
    ended(sockets, "network.create", host, "1000-1")
    expect(dialog).to_be_hidden()
    sockets.change("network", {"id": 1}, id="1000-2")
    expect(page.locator('tr[data-name="apart"]')).to_contain_text("none")
