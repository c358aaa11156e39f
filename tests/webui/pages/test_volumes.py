"""The list of volumes: who has them, making one, and what is asked before something is gone."""

from __future__ import annotations

from typing import Any

import pytest
from playwright.sync_api import Page, expect

from tests.support.browser import visit
from tests.webui.pages.seed import Seeded, hex_id
from tests.webui.pages.sockets import Sockets
from tests.webui.pages.test_changing import JOB, answered
from webui.volumes.models import Volume

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

ACCEPTED = {"job": {"id": JOB, "url": f"/api/v1/jobs/{JOB}/"}}


def ended(sockets: Sockets, kind: str, host: Any, id: str, **more: Any) -> None:
    job = {"id": JOB, "kind": kind, "status": "succeeded", "subject": "x", "error": None, "result": {}}
    progress = {"phase": "done", "items": []}
    sockets.change("job", {**job, "host": {"id": host.pk, "name": host.name}, "progress": progress, **more}, id=id)


def test_a_volume_is_made_and_shown_once_its_host_says_so(page: Page, sockets: Sockets, seeded: Seeded) -> None:
    visit(page, "/volumes/")
    sockets.events.wait()
    used = page.locator('tr[data-name="site-data"]')
    expect(used.get_by_role("link", name="web")).to_have_attribute("href", f"/containers/{hex_id('web')}/")
    expect(used.get_by_role("button", name="Remove")).to_be_disabled()
    page.get_by_role("button", name="New volume").click()
    dialog = page.locator("#volume-dialog")
    dialog.get_by_role("button", name="Create").click()
    expect(dialog.locator('[data-problem="name"]')).to_contain_text("Give the volume a name")
    dialog.get_by_label("Name").fill("scratch")
    dialog.get_by_label("Where its files are").select_option("tmpfs")
    expect(dialog.get_by_label("Directory")).to_be_hidden()
    dialog.get_by_label("Mount options").fill("size=8m")
    dialog.get_by_label("Labels").fill("a=b=c\n\nd")
    sent = answered(page, "volumes/", 202, ACCEPTED)
    dialog.get_by_role("button", name="Create").click()
    expect(dialog.locator("[data-submit]")).to_have_attribute("aria-busy", "true")
    pier = seeded.hosts[0]
    Volume.objects.create(team=seeded.team, host=pier, name="scratch")
    sockets.change("volume", {"id": 1}, id="2-0")
    ended(sockets, "volume.create", pier, "3-0")
    expect(dialog).to_be_hidden()
    expect(page.locator('tr[data-name="scratch"]')).to_be_visible()
    options = {"type": "tmpfs", "device": "tmpfs", "o": "size=8m"}
    assert sent == [{"name": "scratch", "host": pier.pk, "driver_opts": options, "labels": {"a": "b=c", "d": ""}}]


def test_what_would_go_is_named_before_it_goes(page: Page, sockets: Sockets, seeded: Seeded) -> None:
    visit(page, "/volumes/")
    sockets.events.wait()
    page.get_by_role("button", name="Remove unused").click()
    dialog = page.locator("#prune-dialog")
    expect(dialog.locator("[data-prune-sum]")).to_have_text("1 volume would go.")
    expect(dialog.locator("[data-prune-list]")).to_have_text(hex_id("volume"))
    dialog.get_by_label("Which").select_option("all")
    expect(dialog.locator("[data-prune-sum]")).to_have_text("3 volumes would go.")
    expect(dialog.locator("[data-prune-list]")).not_to_contain_text("site-data")
    sent = answered(page, "volumes/prune/", 200, {"volumes": [], **ACCEPTED})
    dialog.get_by_role("button", name="Remove 3").click()
    expect(dialog.locator("[data-prune-go]")).to_have_attribute("aria-busy", "true")
    ended(sockets, "volume.prune", seeded.hosts[0], "2-0", result={"removed": ["a", "b"], "reclaimed_bytes": 2048})
    expect(page.locator("#toasts")).to_contain_text("2 removed, 2 KiB free again.")
    assert sent == [{"all": True, "host": seeded.hosts[0].pk}]
    refused = answered(page, "volumes/*/", 409, {"detail": "it is used by web"})
    page.get_by_role("button", name="Remove cache").click()
    expect(page.locator("#confirm-text")).to_contain_text("The volume cache and all that is in it")
    page.locator("#confirm-yes").click()
    expect(page.locator("#toasts")).to_contain_text("it is used by web")
    assert refused == [None]


def test_the_page_of_a_volume_follows_who_has_it_and_leaves_when_it_is_gone(
    page: Page, sockets: Sockets, seeded: Seeded
) -> None:
    archive = next(one for one in seeded.volumes if one.name == "archive")
    visit(page, f"/volumes/{archive.pk}/#users")
    sockets.events.wait()
    expect(page.get_by_role("heading", name="No container has it")).to_be_visible()
    hog = seeded.containers["hog"]
    hog.mounted = [{"type": "volume", "name": "archive", "destination": "/srv/<b>x", "read_only": True}]
    hog.save()
    sockets.change("container", {"id": hog.pk, "mounted": hog.mounted}, id="2-0")
    row = page.locator(f'#view-users tr[data-id="{hog.pk}"]')
    expect(row).to_contain_text("/srv/<b>x")
    expect(row).to_contain_text("read-only")
    expect(page.locator('[data-fragment="users-count"]')).to_have_text("1")
    page.locator('summary[aria-label="More actions"]').click()
    expect(page.get_by_role("button", name="Remove")).to_be_disabled()
    page.keyboard.press("Escape")
    hog.mounted = []
    hog.save()
    sockets.change("container", {"id": hog.pk, "mounted": []}, id="3-0")
    expect(page.get_by_role("heading", name="No container has it")).to_be_visible()
    page.get_by_role("tab", name="Details").click()
    expect(page.locator("#view-details")).to_contain_text(":/export/harbour/long/path")
    page.locator('summary[aria-label="More actions"]').click()
    sent = answered(page, f"volumes/{archive.pk}/", 202, ACCEPTED)
    page.get_by_role("button", name="Remove").click()
    expect(page.locator("#confirm-text")).to_contain_text("The volume archive and all that is in it")
    page.locator("#confirm-yes").click()
    ended(sockets, "volume.remove", seeded.hosts[0], "4-0")
    page.wait_for_url("**/volumes/")
    assert sent == [None]


def test_a_container_is_run_with_a_volume_from_its_page(page: Page, sockets: Sockets, seeded: Seeded) -> None:
    visit(page, f"/volumes/{seeded.volumes[0].pk}/")
    page.get_by_role("link", name="Run with it").click()
    expect(page.locator("#volumes")).to_have_value("site-data:/data")
    expect(page.locator("#volumes")).to_be_visible()
