"""Files of a container from its page: downloads, uploads, and an image of all that it changed."""

from __future__ import annotations

import base64
import io
import tarfile

import pytest
from playwright.sync_api import Page, Route, expect

from tests.support.browser import visit
from tests.webui.pages.seed import Seeded, hex_id
from tests.webui.pages.sockets import Sockets
from tests.webui.pages.test_changing import JOB, answered

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

WEB = hex_id("web")
ARCHIVE = f"**/api/v1/containers/{WEB}/archive/?path=**"
TAR = """async () => {
  const { tarOf } = await import("/static/js/tar.js");
  const made = (name, text) => new File([text], name, { lastModified: 1577934245000 });
  const files = [made("small.txt", "12345"), made("ä".repeat(120), ""), made("block", "x".repeat(512))];
  const bytes = new Uint8Array(await tarOf(files).arrayBuffer());
  return btoa(String.fromCharCode(...bytes));
}"""


def test_files_are_downloaded_by_row_and_by_path(page: Page, sockets: Sockets, seeded: Seeded) -> None:
    changes = [
        {"path": "/etc/a b&c", "change": "added", "type": "file", "size_bytes": 5},
        {"path": "/etc/group", "change": "deleted", "type": "file", "size_bytes": None},
    ]
    answered(page, f"containers/{WEB}/changes/", 200, {"changes": changes, "more": False})
    asked: list[tuple[str, str]] = []

    def answer(route: Route) -> None:
        asked.append((route.request.method, route.request.url.partition("?path=")[2]))
        if "nope" in route.request.url:
            route.fulfill(status=404)
        else:
            headers = {"Content-Disposition": "attachment; filename=made.tar"}
            route.fulfill(status=200, content_type="application/x-tar", body=b"tar", headers=headers)

    page.route(ARCHIVE, answer)
    visit(page, f"/containers/{WEB}/#files")
    sockets.events.wait(seconds=30)
    rows = page.locator("[data-files] tr")
    expect(rows).to_have_count(2)
    expect(rows.nth(0).get_by_role("link")).to_have_attribute(
        "href", f"/api/v1/containers/{WEB}/archive/?path=%2Fetc%2Fa%20b%26c"
    )
    expect(rows.nth(1).get_by_role("link")).to_have_count(0)
    path = page.get_by_label("Path in the container")
    path.fill("/nope")
    page.get_by_role("button", name="Download as tar").click()
    expect(page.locator("[data-copy-note]")).to_have_text("There is nothing at this path in the container.")
    path.fill("/var/log")
    with page.expect_download() as download:
        page.get_by_role("button", name="Download as tar").click()
    assert download.value.suggested_filename == "made.tar"
    expect(page.locator("[data-copy-note]")).to_have_text("")
    assert asked[:2] == [("HEAD", "%2Fnope"), ("HEAD", "%2Fvar%2Flog")]


def test_files_are_copied_into_a_directory(page: Page, sockets: Sockets, seeded: Seeded) -> None:
    answered(page, f"containers/{WEB}/changes/", 200, {"changes": [], "more": False})
    sent: list[str] = []

    def answer(route: Route) -> None:
        sent.append(f"{route.request.method} {route.request.url.partition('?path=')[2]}")
        assert route.request.headers["x-csrftoken"]
        status = 404 if "nope" in route.request.url else 200
        route.fulfill(status=status, content_type="application/json", body='{"detail": "There is no such directory."}')

    page.route(ARCHIVE, answer)
    visit(page, f"/containers/{WEB}/#files")
    sockets.events.wait(seconds=30)
    page.get_by_label("Path in the container").fill("/nope")
    files = page.locator("[data-copy-files]")
    files.set_input_files([{"name": "a.txt", "mimeType": "text/plain", "buffer": b"12345"}])
    expect(page.locator("[data-copy-note]")).to_have_text("There is no such directory.")
    page.get_by_label("Path in the container").fill("/srv")
    files.set_input_files([{"name": "a.txt", "mimeType": "text/plain", "buffer": b"12345"}])
    expect(page.locator("#toasts")).to_contain_text("a.txt copied into the container.")
    assert sent == [f"PUT %2F{name}&noOverwriteDirNonDir=true" for name in ("nope", "srv")]


def test_the_page_writes_a_tar_that_others_read(page: Page, sockets: Sockets, seeded: Seeded) -> None:
    visit(page, f"/containers/{WEB}/")
    sockets.events.wait(seconds=30)
    with tarfile.open(fileobj=io.BytesIO(base64.b64decode(page.evaluate(TAR)))) as archive:
        found = archive.getmembers()
        assert [(member.name, member.size) for member in found] == [("small.txt", 5), ("ä" * 120, 0), ("block", 512)]
        assert {(member.mode, member.uid, member.mtime) for member in found} == {(0o644, 0, 1577934245)}
        assert archive.extractfile("small.txt").read() == b"12345"  # type: ignore[union-attr]


def test_an_image_is_made_in_a_dialog_that_says_what_is_wrong(page: Page, sockets: Sockets, seeded: Seeded) -> None:
    visit(page, f"/containers/{WEB}/")
    sockets.events.wait(seconds=30)
    page.get_by_label("More actions").click()
    expect(page.get_by_role("link", name="Export as tar")).to_have_attribute(
        "href", f"/api/v1/containers/{WEB}/export/"
    )
    page.get_by_role("button", name="Make an image").click()
    dialog = page.locator("#commit-dialog")
    wrong = {"status": 400, "detail": "wrong", "errors": {"reference": ["No name."], "changes": ["No instruction."]}}
    answered(page, f"containers/{WEB}/commit/", 400, wrong)
    dialog.get_by_role("button", name="Make the image").click()
    expect(dialog.locator('[data-problem="reference"]')).to_have_text("No name.")
    expect(dialog.locator('[data-problem="changes"]')).to_have_text("No instruction.")
    sent = answered(page, f"containers/{WEB}/commit/", 202, {"job": {"id": JOB, "url": f"/api/v1/jobs/{JOB}/"}})
    dialog.get_by_label("Name of the image").fill("local/made:1")
    dialog.get_by_label("Changes of its configuration").fill("CMD x\n\nENV A=1")
    dialog.get_by_role("button", name="Make the image").click()
    expect(dialog.locator("[data-submit]")).to_have_attribute("aria-busy", "true")
    sockets.change("job", {"id": JOB, "status": "succeeded", "kind": "container.commit", "error": None}, id="4-0")
    expect(dialog).to_be_hidden()
    assert sent == [{"reference": "local/made:1", "changes": ["CMD x", "ENV A=1"], "pause": True}]


def test_a_telephone_has_room_for_the_form(page: Page, sockets: Sockets, seeded: Seeded) -> None:
    answered(page, f"containers/{WEB}/changes/", 200, {"changes": [], "more": False})
    page.set_viewport_size({"width": 390, "height": 844})
    visit(page, f"/containers/{WEB}/#files")
    card = page.locator("#files").bounding_box()
    assert card is not None
    for part in page.locator("#copying .button, #copying .input").all():
        box = part.bounding_box()
        assert box is not None and box["x"] + box["width"] <= card["x"] + card["width"] - 12


def test_an_address_of_another_tab_shows_that(page: Page, sockets: Sockets, seeded: Seeded) -> None:
    answered(page, f"containers/{WEB}/changes/", 200, {"changes": [], "more": False})
    visit(page, f"/containers/{WEB}/#files")
    expect(page.get_by_role("tab", name="Files changed")).to_have_attribute("aria-selected", "true")
    page.evaluate("location.hash = '#processes'")
    expect(page.get_by_role("tab", name="Processes")).to_have_attribute("aria-selected", "true")
    expect(page.locator("#view-processes")).to_be_visible()
    page.evaluate("location.hash = '#main'")
    page.go_back()
    page.go_back()
    expect(page.get_by_role("tab", name="Files changed")).to_have_attribute("aria-selected", "true")
