"""The list of images and the page of one: what is shown, what is sent, what is asked before something is gone."""

from __future__ import annotations

import json
from typing import Any

import pytest
from playwright.sync_api import Page, Route, expect

from tests.support.browser import visit
from tests.webui.pages.seed import Seeded
from tests.webui.pages.sockets import Sockets
from tests.webui.pages.test_changing import JOB, answered
from webui.images.models import Image, RegistryCredential
from webui.images.representation import image_as_json
from webui.pages import image_rows

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

ACCEPTED = {"job": {"id": JOB, "url": f"/api/v1/jobs/{JOB}/"}}
NGINX = "nginx:1.29-alpine"


@pytest.fixture
def nginx(seeded: Seeded) -> Image:
    image: Image = seeded.images[1]
    return image


def ended(sockets: Sockets, kind: str, host: Any, id: str, **more: Any) -> None:
    """The job that was asked for is over."""
    job = {"id": JOB, "kind": kind, "status": "succeeded", "subject": NGINX, "error": None, "result": {}}
    progress = {"phase": "done", "items": []}
    sockets.change("job", {**job, "host": {"id": host.pk, "name": host.name}, "progress": progress, **more}, id=id)


def path_of(image: Image) -> str:
    return f"/images/{image.image_id[7:]}/"


def test_an_image_on_two_hosts_is_one_row_with_what_it_takes(
    page: Page, sockets: Sockets, seeded: Seeded, nginx: Image
) -> None:
    pier = nginx.image_id
    Image.objects.create(team=seeded.team, host=seeded.hosts[1], image_id=pier, tags=["mine:1"], newer=["mine:1"])
    sockets.host_images.has(pier, shared=9 << 20, unique=43 << 20)
    visit(page, "/images/")
    row = page.locator(f'tr[data-image="{pier}"]')
    expect(row).to_have_count(1)
    expect(row).to_contain_text("mine:1newer exists")
    expect(row).to_contain_text("buoy-north, pier")
    expect(row.locator("[data-own]")).to_have_text("43 MiB its own")
    expect(page.locator("[data-disk-legend]")).to_contain_text("Layers that images share")
    sent: list[str] = []

    def answer(route: Route) -> None:
        sent.append(route.request.method)
        route.fulfill(status=409, content_type="application/json", body='{"detail": "it is used"}')

    page.route("**/api/v1/images/*/", answer)
    row.get_by_role("button", name="Remove").click()
    expect(page.locator("#confirm-text")).to_contain_text("its 2 hosts")
    page.locator("#confirm-yes").click()
    expect(page.locator("#toasts")).to_contain_text("it is used")
    assert sent == ["DELETE", "DELETE"]


def test_layers_show_their_files_and_what_is_in_vain(page: Page, sockets: Sockets, nginx: Image) -> None:
    visit(page, path_of(nginx))
    steps = page.locator("[data-steps] li")
    expect(steps).to_have_count(3)
    expect(steps.nth(0)).to_contain_text("ADD file:1 in /")
    expect(steps.nth(1)).to_contain_text("RUN apk add nginx")
    tree = page.locator("[data-tree]")
    expect(tree).to_contain_text("bin/")  # the largest layer's, at once
    tree.get_by_role("button", name="bin/").click()
    expect(tree).to_contain_text("busybox")
    steps.nth(1).get_by_role("button").click()
    expect(tree).to_contain_text("left<b>")
    expect(tree.locator(".tree-bad")).to_have_text("\N{MINUS SIGN}deleted")
    page.get_by_role("tab", name="Waste").click()
    expect(page.locator("[data-efficiency]")).to_have_text("81.4 %")
    expect(page.locator("[data-waste-files]")).to_contain_text("/var/cache/<b>apk")


def test_a_push_shows_how_far_it_is_and_can_be_cancelled(
    page: Page, sockets: Sockets, seeded: Seeded, nginx: Image
) -> None:
    visit(page, path_of(nginx))
    sockets.events.wait()
    wrong = {"status": 400, "detail": "wrong", "errors": {"reference": ["That is no name."]}}
    answered(page, f"images/{nginx.pk}/push/", 400, wrong)
    page.get_by_role("button", name="Push", exact=True).click()
    dialog = page.locator("#push-dialog")
    expect(dialog.get_by_label("Where to")).to_have_value(NGINX)
    dialog.get_by_label("Where to").fill("A")
    dialog.get_by_role("button", name="Push").click()
    expect(dialog.locator('[data-problem="reference"]')).to_have_text("That is no name.")
    queued = {"id": JOB, "kind": "image.push", "subject": "r.example/a:1", "status": "queued", "error": None,
              "progress": {"phase": "", "items": []}, "host": {"id": nginx.host_id, "name": "pier"}}  # fmt: skip
    answered(page, f"jobs/{JOB}/", 200, queued)
    sent = answered(page, f"images/{nginx.pk}/push/", 202, ACCEPTED)
    cancels = answered(page, f"jobs/{JOB}/cancel/", 202, {})
    dialog.get_by_label("Where to").fill("r.example/a:1")
    dialog.get_by_role("button", name="Push").click()
    expect(dialog).to_be_hidden()
    assert sent == [{"reference": "r.example/a:1", "all_platforms": False}]
    card = page.locator(f'[data-pull="{JOB}"]')
    expect(card).to_contain_text("Push r.example/a:1")
    layers = [{"id": "sha256:" + "ab" * 32, "status": "uploading", "done_bytes": 5 << 20, "total_bytes": 10 << 20}]
    sockets.change("job", {**queued, "status": "running", "progress": {"phase": "pushing", "items": layers}}, id="2-0")
    expect(card).to_contain_text("Uploading")
    expect(card).to_contain_text("5 MiB of 10 MiB")
    card.get_by_role("button", name="Cancel").click()
    expect(card.get_by_role("button", name="Cancel")).to_be_enabled()
    assert cancels == [{}]
    result = {"uploaded": 1, "existed": 2, "mounted": 0}
    ended(sockets, "image.push", nginx.host, "3-0", subject="r.example/a:1", result=result)
    expect(page.locator("#toasts")).to_contain_text("1 blob sent, 2 were there")


def test_names_are_given_and_taken(page: Page, sockets: Sockets, nginx: Image) -> None:
    visit(page, path_of(nginx))
    sockets.events.wait()
    tagged = answered(page, f"images/{nginx.pk}/tag/", 202, ACCEPTED)
    page.get_by_role("button", name="Tag", exact=True).click()
    page.get_by_label("Tag", exact=True).fill("team/web:2")
    page.locator("#tag-dialog").get_by_role("button", name="Tag").click()
    expect(page.locator("#tag-dialog [data-submit]")).to_have_attribute("aria-busy", "true")
    ended(sockets, "image.tag", nginx.host, "2-0")
    expect(page.locator("#tag-dialog")).to_be_hidden()
    assert tagged == [{"reference": "team/web:2"}]
    nginx.tags = [*nginx.tags, "team/web:2"]
    nginx.save()
    sockets.change("image", image_as_json(nginx), id="3-0")
    page.get_by_role("tab", name="Configuration").click()
    button = page.get_by_role("button", name="Untag team/web:2")
    expect(button).to_be_visible()
    untagged = answered(page, f"images/{nginx.pk}/untag/", 409, {"detail": "something has it"})
    button.click()
    page.locator("#confirm-yes").click()
    expect(page.locator("#toasts")).to_contain_text("something has it")
    assert untagged == [{"reference": "team/web:2"}]


def test_a_newer_image_is_offered_where_it_is_used(page: Page, sockets: Sockets, seeded: Seeded, nginx: Image) -> None:
    Image.objects.filter(pk=nginx.pk).update(newer=nginx.tags)
    visit(page, path_of(nginx))
    expect(page.locator('[data-fragment="news"]')).to_contain_text(f"{NGINX} has moved on")
    page.get_by_role("tab", name="Used by").click()
    expect(page.get_by_role("link", name="Recreate")).to_have_attribute(
        "href", f"/containers/new/?like={seeded.containers['web'].pk}&replace"
    )
    visit(page, f"/containers/{seeded.containers['web'].pk}/")
    expect(page.get_by_text("newer exists")).to_be_visible()
    page.get_by_role("button", name="Update").click()
    expect(page.locator("#confirm-check")).to_be_checked()
    Image.objects.create(team=seeded.team, host=nginx.host, image_id="sha256:" + "ee" * 32, tags=[NGINX])
    visit(page, f"/containers/{seeded.containers['web'].pk}/")
    expect(page.get_by_text(f"A newer {NGINX} is on this host.")).to_be_visible()
    page.get_by_role("button", name="Update").click()
    expect(page.locator("#confirm-check")).not_to_be_checked()


def test_a_prune_says_before_what_would_go(page: Page, sockets: Sockets, seeded: Seeded) -> None:
    sent: list[Any] = []

    def answer(route: Route) -> None:
        wish = json.loads(route.request.post_data or "{}")
        sent.append(wish)
        image = {"id": "sha256:" + "aa" * 32, "tags": ["old:1"], "size_bytes": 5 << 20, "unique_bytes": 4 << 20}
        found = [image] if wish["all"] else []
        body = {"images": found, "reclaimed_bytes": len(found) * (4 << 20), "job": None}
        route.fulfill(json=body if wish.get("dry_run") else {"images": [], "reclaimed_bytes": 0, **ACCEPTED})

    page.route("**/api/v1/images/prune/", answer)
    visit(page, "/images/")
    sockets.events.wait()
    page.get_by_label("More actions").click()
    page.get_by_role("button", name="Remove unused").click()
    dialog = page.locator("#prune-dialog")
    expect(dialog.locator("[data-prune-sum]")).to_contain_text("Nothing would go")
    expect(dialog.locator("[data-prune-go]")).to_be_disabled()
    dialog.get_by_label("Which").select_option("all")
    expect(dialog.locator("[data-prune-sum]")).to_have_text("1 image would go, and at least 4 MiB be free again.")
    expect(dialog.locator("[data-prune-list]")).to_contain_text("old:1")
    dialog.get_by_role("button", name="Remove 1").click()
    expect(dialog.locator("[data-prune-go]")).to_have_attribute("aria-busy", "true")
    result = {"deleted": ["sha256:aa"], "untagged": ["old:1"], "reclaimed_bytes": 4 << 20}
    ended(sockets, "image.prune", seeded.hosts[0], "2-0", result=result)
    expect(page.locator("#toasts")).to_contain_text("1 removed, 4 MiB free again.")
    assert "dry_run" not in sent[-1] and sent[-1]["all"] is True


def test_a_file_is_loaded_and_its_refusal_stands_in_the_dialog(page: Page, sockets: Sockets, seeded: Seeded) -> None:
    asked: list[str] = []

    def answer(route: Route) -> None:
        asked.append(route.request.url.partition("/api/v1/")[2].partition("?")[0])
        assert route.request.headers["x-csrftoken"]
        if "import" in route.request.url:
            route.fulfill(status=400, json={"detail": "wrong", "errors": {"reference": ["No name."]}})
        else:
            route.fulfill(json={"images": [{"id": "sha256:" + "ab" * 32, "tags": ["loaded:1"]}]})

    page.route("**/api/v1/images/load/**", answer)
    page.route("**/api/v1/images/import/**", answer)
    visit(page, "/images/")
    page.get_by_role("button", name="Load", exact=True).click()
    dialog = page.locator("#load-dialog")
    dialog.get_by_role("button", name="Load", exact=True).click()
    expect(dialog.get_by_role("alert")).to_have_text("Choose a file first.")
    page.locator("#load-file").set_input_files([{"name": "a.tar", "mimeType": "application/x-tar", "buffer": b"tar"}])
    expect(dialog.locator("[data-load-name]")).to_have_text("a.tar, 3 B")
    dialog.get_by_label("A root file system").check()
    dialog.get_by_label("Name of the new image").fill("A")
    dialog.get_by_role("button", name="Load", exact=True).click()
    expect(dialog.locator('[data-problem="reference"]')).to_have_text("No name.")
    dialog.get_by_label("Images", exact=True).check()
    dialog.get_by_role("button", name="Load", exact=True).click()
    expect(page.locator("#toasts")).to_contain_text("loaded:1 loaded.")
    expect(dialog).to_be_hidden()
    assert asked == ["images/import/", "images/load/"]


def test_who_may_only_look_finds_no_buttons(page: Page, sockets: Sockets, seeded: Seeded, nginx: Image) -> None:
    from webui.accounts.models import Membership, Role, User

    User.objects.update(is_superuser=False)
    Membership.objects.update(role=Role.VIEWER)
    visit(page, "/images/")
    for name in ("Pull image", "Load", "Remove"):
        expect(page.get_by_role("button", name=name)).to_have_count(0)
    visit(page, path_of(nginx))
    expect(page.locator("[data-steps] li")).to_have_count(3)
    for name in ("Push", "Tag", "More actions"):
        expect(page.locator(".page-head").get_by_text(name)).to_have_count(0)
    visit(page, "/registries/")
    expect(page.get_by_role("button", name="Add registry")).to_have_count(0)


def test_a_registry_is_tested_by_a_host(page: Page, sockets: Sockets, seeded: Seeded) -> None:
    stored = RegistryCredential.objects.create(team=seeded.team, registry="r.example", username="ann")
    visit(page, "/registries/")
    sockets.events.wait()
    sent = answered(page, f"registries/{stored.pk}/test/", 202, ACCEPTED)
    button = page.get_by_role("button", name="Test")
    button.click()
    expect(button).to_have_attribute("aria-busy", "true")
    limit = {"limit": 100, "remaining": 76, "window_seconds": 21600}
    result = {"ok": True, "message": "signed in as ann", "user": "ann", "rate_limit": limit}
    RegistryCredential.objects.update(tried={**result, "at": "2026-01-01T00:00:00+00:00", "host": "pier"})
    ended(sockets, "registry.try", seeded.hosts[0], "2-0", result=result)
    expect(page.locator("#toasts")).to_contain_text("signed in as ann 76 of 100 pulls left in 6 h.")
    expect(page.locator("[data-tried]")).to_contain_text("76 of 100 pulls left.")
    assert sent == [{"host": seeded.hosts[0].pk}]


def test_a_repositorys_tags_are_offered_while_one_types(page: Page, sockets: Sockets, seeded: Seeded) -> None:
    asked: list[str] = []

    def answer(route: Route) -> None:
        asked.append(route.request.url)
        route.fulfill(json={"tags": ["1.0", "1.1"], "count": 2})

    page.route("**/api/v1/images/remote-tags/**", answer)
    visit(page, "/images/?pull=")
    page.locator("#reference").fill("team/app")
    page.locator("#reference").fill("team/app:")
    expect(page.locator("#reference-tags option")).to_have_count(2)
    assert page.locator("#reference-tags option").first.get_attribute("value") == "team/app:1.1"
    assert len(asked) == 1 and "reference=team%2Fapp" in asked[0]


def test_many_images_come_in_pages(
    page: Page, sockets: Sockets, seeded: Seeded, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(image_rows, "PAGE_ROWS", 3)
    for number in range(5):
        Image.objects.create(
            team=seeded.team, host=seeded.hosts[0], image_id=f"sha256:{number:064x}", tags=[f"many/n{number}:1"]
        )
    visit(page, "/images/?q=many/")
    rows = page.locator("tr[data-image]")
    expect(rows).to_have_count(3)
    first = rows.first.get_attribute("data-image")
    page.get_by_role("link", name="Older").click()
    expect(rows).to_have_count(2)
    assert rows.first.get_attribute("data-image") != first
    expect(page.get_by_role("link", name="Older")).to_have_count(0)
    page.get_by_role("link", name="Newest").click()
    expect(rows).to_have_count(3)
    for odd in ("x", "2026-13-45T99:00:00Z y", "2026-01-01T00:00:00"):
        visit(page, f"/images/?q=many/&before={odd}")
        expect(rows).to_have_count(3)
