"""What is stated about an image, on its page; and keys for signatures, where registries are kept."""

from __future__ import annotations

import json
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from tests.support.browser import visit
from tests.webui.pages.seed import Seeded
from tests.webui.pages.sockets import Sockets
from webui.images.models import Image, SigningKey

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

KEY, OTHER = "d" * 64, "e" * 64


def one(slot: str) -> dict[str, Any]:
    return {
        "digest": f"sha256:{'1' * 64}", "subject": f"sha256:{'a' * 64}", "slot": slot, "artifact_type": "x",
        "content": "c", "size_bytes": 2048, "created_at": 1.5,
    }  # fmt: skip


@pytest.fixture
def image(seeded: Seeded) -> Image:
    return Image.objects.filter(host=seeded.hosts[0]).exclude(digests=[])[0]


def test_statements_are_listed_and_registries_asked(page: Page, sockets: Sockets, image: Image) -> None:
    here = {
        "attachments": [one("sbom:spdx"), one(f"signature:{KEY}"), one(f"signature:{OTHER}")],
        "signed": [{"key_id": KEY, "digest": "x", "place": "here"}],
    }
    there = {"attachments": [], "signed": [{"key_id": KEY, "digest": "x", "place": "registry.example/app@sha256:1"}]}
    page.route(
        "**/attachments/**",
        lambda route: route.fulfill(
            status=200,
            content_type="application/json",
            body=json.dumps(there if "registries=true" in route.request.url else here),
        ),
    )
    visit(page, f"/images/{image.image_id.removeprefix('sha256:')}/")
    page.get_by_role("tab", name="Statements").click()
    rows = page.locator("[data-attached-list] tbody tr")
    expect(rows).to_have_count(3)
    expect(rows.nth(0)).to_contain_text("Its software, as SPDX")
    expect(rows.nth(1)).to_contain_text("verified")
    expect(rows.nth(2)).to_contain_text("unknown key")
    expect(page.locator("[data-attached-note]")).to_contain_text("Signed by a key of the team.")
    page.get_by_role("button", name="Ask its registries").click()
    expect(page.locator("[data-attached-note]")).to_contain_text("as registry.example/app@sha256:1 has it")


def test_a_key_is_made_and_forgotten(page: Page, sockets: Sockets, seeded: Seeded) -> None:
    visit(page, "/registries/")
    page.get_by_role("button", name="Add key").click()
    dialog = page.locator("#signing-dialog")
    dialog.get_by_label("Name").fill("not a name")
    dialog.get_by_role("button", name="Add", exact=True).click()
    expect(dialog.locator('[data-problem="name"]')).to_contain_text("letters, digits")
    dialog.get_by_label("Name").fill("release")
    dialog.get_by_role("button", name="Add", exact=True).click()
    row = page.locator("[data-signing]")
    expect(row).to_contain_text("release")
    assert SigningKey.objects.get().can_sign
    row.get_by_role("button", name="Forget release").click()
    page.locator("#confirm-dialog").get_by_role("button", name="Forget").click()
    expect(page.locator("[data-signing]")).to_have_count(0)
    assert not SigningKey.objects.exists()
