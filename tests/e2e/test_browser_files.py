"""Files of a volume as a person handles them: uploaded, edited, renamed, downloaded, deleted, in Chromium."""

# ruff: noqa: F811 - fixtures are parameters of the same name

from __future__ import annotations

from pathlib import Path
from uuid import uuid4

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.e2e.test_browser_journey import browser, page, problems  # noqa: F401
from tests.support.browser import visit
from tests.support.portside import Portside
from tests.support.processes import eventually

pytestmark = [pytest.mark.root, pytest.mark.browser]

NASTY = '<img src=x onerror="document.title=1">\n.html'
FIRST = {"name": "notes.txt", "mimeType": "text/plain", "buffer": b"first line\r\nsecond line\r\n"}
OTHER = {"name": "other.bin", "mimeType": "application/octet-stream", "buffer": bytes(range(256)) * 2000}


@pytest.fixture
def volume(portside: Portside) -> tuple[str, Path]:
    """The page of a new volume, and its directory on the disk."""
    name = f"files-{uuid4().hex[:8]}"
    portside.rest.succeed(portside.rest.post("/api/v1/volumes/", {"name": name}))
    row = eventually(lambda: next(iter(portside.rest.rows(f"/api/v1/volumes/?name={name}")), None), what="the volume")
    assert isinstance(row, dict)
    return f"/volumes/{row['id']}/", portside.home.path / "volumes" / name / "_data"


def row_of(page: Page, name: str) -> Locator:
    return page.locator("tr[data-path]", has=page.get_by_text(name, exact=True))


def test_upload_edit_rename_download_and_delete(page: Page, volume: tuple[str, Path], problems: list[str]) -> None:
    path, data = volume
    visit(page, path)
    expect(page.get_by_role("heading", name="Nothing in here yet")).to_be_visible()
    chosen = page.locator("[data-upload-files]")
    chosen.set_input_files([FIRST, OTHER])
    expect(row_of(page, "notes.txt")).to_be_visible()
    expect(row_of(page, "other.bin")).to_contain_text("500 KiB")
    expect(page.locator("#toasts")).to_contain_text("2 files uploaded.")
    assert (data / "other.bin").read_bytes() == OTHER["buffer"]

    chosen.set_input_files([FIRST | {"buffer": b"another"}])
    expect(page.locator("#confirm-title")).to_have_text("Replace notes.txt?")
    page.locator("#confirm-dialog").get_by_role("button", name="Cancel").click()
    expect(page.locator("[data-uploads] li")).to_have_count(0)

    row_of(page, "notes.txt").focus()
    page.keyboard.press("Enter")
    text = page.get_by_label("Content of notes.txt")
    lines = page.locator("#file-dialog .cm-line")
    expect(lines).to_have_text(["first line", "second line", ""])
    expect(page.locator("[data-file-save]")).to_be_disabled()
    text.fill("first line\nchanged\n")
    expect(page.locator("[data-file-state]")).to_have_text("Changed")
    page.keyboard.press("Control+s")
    expect(page.locator("[data-file-state]")).to_have_text("Saved")
    assert (data / "notes.txt").read_bytes() == b"first line\r\nchanged\r\n"

    (data / "notes.txt").write_bytes(b"a container was here")
    text.fill("mine")
    page.locator("[data-file-save]").click()
    expect(page.locator("[data-file-notice]")).to_contain_text("was changed by somebody else")
    page.get_by_role("button", name="Load theirs").click()
    expect(lines).to_have_text(["a container was here"])
    text.fill("left unsaved")
    page.keyboard.press("Escape")
    expect(page.locator("#confirm-title")).to_have_text("Leave without saving?")
    page.locator("#confirm-yes").click()
    expect(page.locator("#file-dialog")).to_be_hidden()
    assert (data / "notes.txt").read_bytes() == b"a container was here"

    row_of(page, "notes.txt").focus()
    page.keyboard.press("F2")
    page.locator("#file-name").fill("a/b")
    page.keyboard.press("Enter")
    expect(page.locator('#file-name-dialog [data-problem="name"]')).to_contain_text("without a slash")
    page.locator("#file-name").fill("/renamed.txt")  # a path from the top moves it there
    page.keyboard.press("Enter")
    expect(row_of(page, "renamed.txt")).to_be_focused()

    row_of(page, "renamed.txt").locator("summary").click()
    with page.expect_download() as downloading:
        page.get_by_role("link", name="Download", exact=True).click()
    assert downloading.value.suggested_filename == "renamed.txt"
    assert Path(downloading.value.path()).read_bytes() == b"a container was here"

    row_of(page, "renamed.txt").focus()
    page.keyboard.press("Delete")
    expect(page.locator("#confirm-title")).to_have_text("Delete renamed.txt?")
    page.locator("#confirm-yes").click()
    expect(row_of(page, "renamed.txt")).to_have_count(0)
    expect(row_of(page, "other.bin")).to_be_focused()
    assert [entry.name for entry in data.iterdir()] == ["other.bin"]
    assert problems == []


def test_folders_are_walked_by_keyboard_and_names_are_never_markup(
    page: Page, volume: tuple[str, Path], problems: list[str]
) -> None:
    path, data = volume
    (data / NASTY.replace("/", "")).write_text("<script>document.title = 'run'</script>")
    (data / b"\xff\xfe".decode("utf-8", "surrogateescape")).write_text("bytes")
    (data / "out").symlink_to("/etc/passwd")
    visit(page, path)
    page.get_by_role("button", name="New folder").click()
    page.locator("#file-name").fill("deep & dark")
    page.keyboard.press("Enter")
    folder = row_of(page, "deep & dark")
    expect(folder).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="An empty folder")).to_be_visible()
    assert "path=/deep%20%26%20dark" in page.url
    page.get_by_role("button", name="New file").click()
    page.locator("#file-name").fill("made.yaml")
    page.keyboard.press("Enter")
    page.get_by_label("Content of made.yaml").fill("a: 1\n")
    page.keyboard.press("Control+s")
    expect(page.locator("[data-file-state]")).to_have_text("Saved")
    page.locator("[data-file-close]").click()
    assert (data / "deep & dark" / "made.yaml").read_text() == "a: 1\n"
    row_of(page, "made.yaml").focus()
    page.keyboard.press("Backspace")
    expect(folder).to_be_focused()
    page.go_back()
    expect(row_of(page, "made.yaml")).to_be_visible()
    page.locator("[data-crumbs]").get_by_role("link").first.click()

    dropped = page.evaluate_handle(
        "() => { const held = new DataTransfer(); held.items.add(new File(['dropped'], 'dropped.txt')); return held; }"
    )
    page.locator("[data-crumbs]").dispatch_event("dragover", {"dataTransfer": dropped})
    expect(page.locator("[data-drop]")).to_be_visible()
    page.locator("[data-crumbs]").dispatch_event("drop", {"dataTransfer": dropped})
    expect(row_of(page, "dropped.txt")).to_be_visible()
    assert (data / "dropped.txt").read_text() == "dropped"

    page.locator("tr[data-path]", has_text="onerror").locator("button.name").click()
    expect(page.locator("#file-dialog .cm-line")).to_have_text(["<script>document.title = 'run'</script>"])
    page.locator("[data-file-close]").click()
    expect(row_of(page, "out")).to_contain_text("→ /etc/passwd (not in here)")
    row_of(page, "\\xff\\xfe").focus()
    page.keyboard.press("F2")
    page.locator("#file-name").fill("named")
    page.keyboard.press("Enter")
    expect(row_of(page, "named")).to_be_focused()

    row_of(page, "named").locator("summary").click()
    page.get_by_role("button", name="Owner and mode").click()
    page.get_by_label("User id").fill("33")
    page.get_by_label("Others read").uncheck()
    page.get_by_role("button", name="Apply").click()
    expect(row_of(page, "named")).to_contain_text("33:0")
    expect(row_of(page, "named")).to_contain_text("rw-r-----")
    page.locator("[data-tick-all]").check()
    expect(page.locator("[data-bulk-count]")).to_have_text("5 chosen")
    page.locator("[data-bulk-remove]").click()
    page.locator("#confirm-yes").click()
    expect(page.get_by_role("heading", name="Nothing in here yet")).to_be_visible()
    assert list(data.iterdir()) == []
    assert page.title() not in ("1", "run")
    assert page.locator('img[src="x"]').count() == 0
    assert problems == []
