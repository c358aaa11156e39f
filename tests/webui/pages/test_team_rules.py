"""A team's policy and webhooks on its page, in a browser."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone
from playwright.sync_api import Page, expect

from engine.oci import signing
from tests.support.browser import visit
from tests.webui.pages.seed import Seeded
from tests.webui.pages.sockets import Sockets
from webui.images.models import SigningKey
from webui.policies.models import TeamPolicy
from webui.webhooks.models import Delivery, Webhook
from webui.webhooks.sending import secret_open

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


def test_a_policy_is_read_changed_and_corrected(page: Page, sockets: Sockets, seeded: Seeded) -> None:
    TeamPolicy.objects.create(team=seeded.team, images=["ghcr.io/we/*"], containers_quota=20)
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url) if request.url.endswith("/policy/") else None)
    visit(page, f"/teams/{seeded.team.pk}/")
    page.get_by_role("tab", name="Hosts").click()
    expect(page.locator("#view-hosts")).to_be_visible()
    assert not asked
    page.get_by_role("tab", name="Policies").click()
    expect(page.get_by_label("Images come from")).to_have_value("ghcr.io/we/*")
    expect(page.locator("[data-usage]")).to_contain_text("of 20")
    page.get_by_label("Directories to mount").fill("/srv/data\nrelative")
    page.get_by_label("memory", exact=True).check()
    page.get_by_label("Memory of one, MiB").fill("512")
    page.get_by_role("button", name="Save").click()
    expect(page.locator("#policy-binds-problem")).to_contain_text("no absolute path")
    page.get_by_label("Directories to mount").fill("/srv/data")
    page.get_by_role("button", name="Save").click()
    expect(page.locator("#toasts")).to_contain_text("Saved")
    found = TeamPolicy.objects.get()
    assert (found.bind_paths, found.must_limit, found.memory_maximum_bytes) == (
        ["/srv/data"], ["memory_bytes"], 512 << 20,
    )  # fmt: skip
    assert (found.images, found.containers_quota) == (["ghcr.io/we/*"], 20)


def test_signatures_are_wanted_by_keys_that_count(page: Page, sockets: Sockets, seeded: Seeded) -> None:
    visit(page, f"/teams/{seeded.team.pk}/#policies")
    expect(page.locator("#policy-signed-help")).to_contain_text("none yet")
    page.get_by_label("Only signed images run").check()
    page.get_by_role("button", name="Save").click()
    expect(page.locator("[data-problem=signed_images]")).to_contain_text("no signing key")
    for name in ("ci", "release"):
        public = signing.new_key()[1]
        SigningKey.objects.create(team=seeded.team, name=name, key_id=signing.key_id(public), public_key=public)
    visit(page, f"/teams/{seeded.team.pk}/?again#policies")
    page.get_by_label("Only signed images run").check()
    page.get_by_label("release", exact=True).check()
    page.get_by_role("button", name="Save").click()
    expect(page.locator("#toasts")).to_contain_text("Saved")
    found = TeamPolicy.objects.get()
    assert (found.signed_images, found.signing_keys) == (True, ["release"])
    visit(page, f"/teams/{seeded.team.pk}/?read#policies")
    expect(page.get_by_label("release", exact=True)).to_be_checked()
    expect(page.get_by_label("ci", exact=True)).not_to_be_checked()


def test_a_narrow_screen_shows_the_tab_that_is_chosen(page: Page, sockets: Sockets, seeded: Seeded) -> None:
    page.set_viewport_size({"width": 390, "height": 850})
    visit(page, f"/teams/{seeded.team.pk}/#policies")
    expect(page.get_by_role("tab", name="Policies")).to_be_in_viewport(ratio=0.9)
    page.get_by_role("tab", name="Policies").press("Home")
    expect(page.get_by_role("tab", name="Members")).to_be_in_viewport(ratio=0.9)


def test_a_webhook_is_made_looked_at_and_deleted(page: Page, sockets: Sockets, seeded: Seeded) -> None:
    visit(page, f"/teams/{seeded.team.pk}/#webhooks")
    page.get_by_role("button", name="New webhook").click()
    dialog = page.locator("#webhook-dialog")
    dialog.get_by_label("Name").fill("chat")
    dialog.get_by_label("Address").fill("https://example.com/hooks/1")
    dialog.get_by_label("Told of").fill("container.die\njob.failed")
    dialog.get_by_role("button", name="Make webhook").click()
    expect(page.locator("[data-secret-text]")).to_contain_text("whsec_")
    row = page.locator("#view-webhooks tr[data-id]")
    expect(row).to_contain_text("container.die, job.failed")
    expect(page.get_by_role("button", name="New webhook")).to_be_visible()
    Delivery.objects.create(
        webhook=Webhook.objects.get(), event="container.die", body={"type": "container.die"}, status="failed",
        attempts=8, problem="It did not answer in time.",
    )  # fmt: skip
    row.get_by_role("button", name="What was sent to chat").click()
    expect(page.locator("[data-webhook-rows]")).to_contain_text("It did not answer in time, 8 tries")
    Delivery.objects.update(status="waiting", next_at=timezone.now() + timedelta(minutes=5, seconds=30))
    row.get_by_role("button", name="What was sent to chat").click()
    expect(page.locator("[data-webhook-rows]")).to_contain_text("8 tries, next try in 5 minutes")
    row.get_by_label("More about chat").click()
    row.get_by_role("button", name="Delete").click()
    page.locator("#confirm-yes").click()
    expect(page.locator("#view-webhooks")).to_contain_text("No webhooks")
    expect(page.get_by_role("button", name="New webhook")).to_have_count(1)
    assert not Webhook.objects.exists()


def test_a_webhook_is_changed_without_its_password_and_gets_another_secret(
    page: Page, sockets: Sockets, seeded: Seeded
) -> None:
    hook = Webhook.objects.create(
        team=seeded.team, name="chat", url="https://ann:pw@example.com/1", events=["container"], sealed_secret="x"
    )
    visit(page, f"/teams/{seeded.team.pk}/#webhooks")
    row = page.locator("#view-webhooks tr[data-id]")
    row.get_by_label("More about chat").click()
    row.get_by_role("button", name="Change").click()
    dialog = page.locator("#webhook-dialog")
    expect(dialog.get_by_role("heading")).to_have_text("Change chat")
    assert dialog.get_by_label("Address").input_value() == "https://(hidden)@example.com/1"
    dialog.get_by_label("Name").fill("talk")
    dialog.get_by_label("Told of").fill("")
    dialog.get_by_role("button", name="Change").click()
    expect(row).to_contain_text("everything")
    hook.refresh_from_db()
    assert (hook.name, hook.url, hook.events) == ("talk", "https://ann:pw@example.com/1", [])
    row.get_by_label("More about talk").click()
    row.get_by_role("button", name="Change").click()
    dialog.get_by_label("Address").fill("https://example.com/2")
    dialog.get_by_role("button", name="Change").click()
    expect(row).to_contain_text("https://example.com/2")
    row.get_by_label("More about talk").click()
    row.get_by_role("button", name="Another secret").click()
    page.locator("#confirm-yes").click()
    secret = page.locator("[data-secret-text]")
    expect(secret).to_contain_text("whsec_")
    assert secret_open(Webhook.objects.get().sealed_secret) == secret.inner_text()
    page.get_by_role("button", name="New webhook").click()
    expect(dialog.get_by_role("heading")).to_have_text("New webhook")
    assert dialog.get_by_label("Name").input_value() == ""
