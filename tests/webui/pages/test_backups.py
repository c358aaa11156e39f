"""Plans and places for backups on a volume's page: made by one dialog, changed by the same."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone
from playwright.sync_api import Page, expect

from tests.support.browser import visit
from tests.support.valkey import Valkey
from tests.webui.pages.seed import Seeded
from tests.webui.pages.sockets import Sockets
from webui.backups.models import Backup, BackupPlace, BackupPlan
from webui.jobs.models import Job
from webui.jobs.representation import job_as_json
from webui.volumes.models import Volume

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


def test_a_plan_and_a_place_are_changed_by_the_dialogs_that_make_them(
    page: Page, sockets: Sockets, seeded: Seeded, site_broker: Valkey
) -> None:
    volume = Volume.objects.get(name="site-data")
    settings = {"endpoint": "https://s3.example.com", "bucket": "backups"}
    place = BackupPlace.objects.create(
        team=seeded.team, name="vault", kind="s3", settings=settings, access_key="AK", encrypted_secret_key="sealed"
    )
    plan = BackupPlan.objects.create(
        volume=volume, place=place, schedule="0 3 * * *", keep=2, pause=True, next_at=volume.created_at
    )
    visit(page, f"/volumes/{volume.pk}/#backups")
    sockets.events.wait()
    page.get_by_role("row", name="0 3 * * *").get_by_role("button", name="Change").click()
    dialog = page.locator("#plan-dialog")
    expect(dialog.get_by_role("heading")).to_have_text("Change a plan")
    assert dialog.get_by_label("How many to keep").input_value() == "2"
    assert dialog.get_by_label("Let the containers").is_checked()
    dialog.get_by_label("Let the containers").uncheck()
    dialog.get_by_label("Back up at these times").uncheck()
    dialog.get_by_label("Schedule").fill("0 4 * * *")
    dialog.get_by_role("button", name="Change").click()
    expect(dialog).to_be_hidden()
    expect(page.get_by_role("row", name="0 4 * * *")).to_contain_text("rests")
    BackupPlan.objects.update(is_enabled=True, next_at=timezone.now() + timedelta(hours=5, minutes=30))
    page.reload()
    expect(page.get_by_role("row", name="0 4 * * *")).to_contain_text("in 5 hours")
    BackupPlan.objects.update(is_enabled=False)
    plan.refresh_from_db()
    assert (plan.schedule, plan.keep, plan.pause, plan.is_enabled) == ("0 4 * * *", 2, False, False)
    page.get_by_role("button", name="New plan").click()
    expect(dialog.get_by_role("heading")).to_have_text("Back up again and again")
    assert dialog.get_by_label("Schedule").input_value() == "0 3 * * *"
    dialog.get_by_role("button", name="Cancel").click()

    page.get_by_role("button", name="Change vault").click()
    dialog = page.locator("#place-dialog")
    expect(dialog.get_by_label("What it is")).to_be_hidden()
    assert dialog.get_by_label("Bucket").input_value() == "backups"
    dialog.get_by_label("Below").fill("box")
    with page.expect_navigation():
        dialog.get_by_role("button", name="Change").click()
    place.refresh_from_db()
    assert (place.settings["prefix"], place.access_key, place.encrypted_secret_key) == ("box", "AK", "sealed")


def test_what_is_no_number_is_refused_and_a_restoration_is_told_of(
    page: Page, sockets: Sockets, seeded: Seeded, site_broker: Valkey
) -> None:
    volume = Volume.objects.get(name="site-data")
    volume.limit_bytes = 1 << 30
    volume.save()
    place = BackupPlace.objects.create(team=seeded.team, name="vault", kind="directory", host=volume.host)
    BackupPlace.objects.update(settings={"directory": "/srv"})
    Backup.objects.create(
        team=seeded.team, host=volume.host, volume=volume, volume_name=volume.name, place=place, key="x.tar.zst",
        status="succeeded", size_bytes=84, digest="sha256:0",
    )  # fmt: skip
    visit(page, f"/volumes/{volume.pk}/#backups")
    sockets.events.wait()
    page.get_by_role("button", name="New plan").click()
    page.get_by_label("How many to keep").fill("seven")
    page.get_by_role("button", name="Plan", exact=True).click()
    expect(page.locator("#plan-keep-problem")).to_have_text("Give a whole number.")
    page.keyboard.press("Escape")

    page.get_by_role("button", name="Restore", exact=True).click()
    dialog = page.locator("#restore-dialog")
    assert dialog.get_by_label("Into the volume").input_value() == "site-data"
    expect(dialog.get_by_role("button", name="Cancel")).to_be_focused()
    dialog.get_by_role("button", name="Replace all files").click()
    expect(dialog).to_contain_text("is in use by")
    dialog.get_by_label("Into the volume").fill("site-data-of-friday")
    dialog.get_by_role("button", name="Replace all files").click()
    expect(dialog).to_be_hidden()
    page.wait_for_load_state("networkidle")
    job = Job.objects.get(kind="volume.restore")
    sockets.change("job", job_as_json(job) | {"status": "succeeded"})
    expect(page.locator(".toast")).to_have_text("site-data-of-friday has the files of the backup.")
    assert job.command["name"] == "site-data-of-friday"

    page.locator("[data-open=limit-volume-dialog]").evaluate("button => button.click()")
    page.get_by_label("Mebibytes").fill("10 GB")
    page.get_by_role("button", name="Set", exact=True).click()
    expect(page.locator("#limit-volume-problem")).to_have_text("Give a whole number.")  # an empty field has no limit
    volume.refresh_from_db()
    assert volume.limit_bytes == 1 << 30
