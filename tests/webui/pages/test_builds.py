"""Builds on the pages: the list, the graph that comes live, what steps print, the form that begins one."""

from __future__ import annotations

import json
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from tests.support.browser import visit
from tests.webui.pages.seed import NASTY, Seeded, hex_id
from tests.webui.pages.seed_builds import build_steps
from tests.webui.pages.sockets import Sockets
from tests.webui.pages.test_changing import answered
from webui.builds.models import Build, BuildRule, SshKey
from webui.builds.representation import build_as_json
from webui.images.models import SigningKey

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

RUNNING, DONE = hex_id("harbour:2.1")[:32], hex_id("harbour:2.0")[:32]

DIFFERENCES: list[dict[str, Any]] = [
    {"path": "/usr/lib/app", "change": "added", "type": "directory", "before_bytes": None, "after_bytes": 5 << 20,
     "files": 12, "what": []},
    {"path": f"/{NASTY}", "change": "changed", "type": "file", "before_bytes": 4, "after_bytes": 2048, "files": 1,
     "what": ["content", "mode"]},
    {"path": "/etc/link", "change": "added", "type": "link", "before_bytes": None, "after_bytes": 0, "files": 1,
     "what": []},
]  # fmt: skip


def tell(sockets: Sockets, lines: list[dict[str, Any]], cursor: int) -> None:
    sockets.builds.send(type="record", **{"from": 0}, cursor=cursor, lines=lines)


def lines_of(steps: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [{"type": "step", "at": 1.0, "started_at": 1.0, **step} for step in steps]


def test_the_list_names_the_repository_that_was_built(page: Page, sockets: Sockets, seeded: Seeded) -> None:
    found = Build.objects.get(pk=DONE)
    found.wish = {**found.wish, "git": "https://git.example.com/team/app.git#main"}
    found.save()
    visit(page, "/builds/")
    row = page.locator(f'tr[data-id="{DONE}"]')
    expect(row).to_contain_text("git.example.com/team/app.git#main")
    expect(row).not_to_contain_text("typed Dockerfile")


def test_the_graph_comes_live_and_shows_what_the_step_at_work_prints(
    page: Page, sockets: Sockets, seeded: Seeded
) -> None:
    visit(page, f"/builds/{RUNNING}/")
    sockets.builds.wait()
    expect(page.locator("[data-waiting]")).to_be_visible()
    steps = build_steps()
    for step in steps[5:]:
        step |= {"state": "waiting", "seconds": None, "size_bytes": None}
    steps[5]["state"] = "running"
    tell(
        sockets,
        [*lines_of(steps), {"type": "log", "id": "b4", "at": 1.0, "text": "\x1b[32mcompiling\x1b[0m\nhalf"}],
        100,
    )
    expect(page.locator(".lane")).to_have_count(3)
    expect(page.locator(".graph-lines path")).to_have_count(5)
    expect(page.locator('[data-field="summary"]')).to_have_text("10 steps · 3 cached · 2 done · 1 at work")
    card = page.locator('[data-step="b4"]')
    expect(card).to_have_attribute("data-state", "running")
    expect(card).to_have_attribute("aria-pressed", "true")
    expect(page.locator("[data-log]")).to_have_text("compiling\n", use_inner_text=False)
    expect(page.locator("[data-log] .ansi-2")).to_have_text("compiling")
    tell(sockets, lines_of([{**steps[6], "state": "running", "done_bytes": 3 << 20, "total_bytes": 8 << 20}]), 150)
    expect(page.locator('[data-step="alp"]')).to_contain_text("3 MiB of 8 MiB")
    tell(sockets, [{"type": "log", "id": "b4", "at": 1.0, "text": f" {NASTY}\n"}], 200)
    expect(page.locator("[data-log]")).to_contain_text(f"half {NASTY}")
    sockets.builds.drop()
    sockets.builds.wait(2)
    assert sockets.builds.query()["cursor"] == "200"
    assert page.title() != "1"


def test_a_step_is_chosen_by_key_or_click_and_the_slowest_come_first(
    page: Page, sockets: Sockets, seeded: Seeded
) -> None:
    visit(page, f"/builds/{DONE}/")
    expect(page.locator(".step-card")).to_have_count(10)
    sockets.builds.wait()
    tell(sockets, [{"type": "log", "id": "r1", "at": 1.0, "text": "(1/1) Installing ca-certificates\n"}], 50)
    page.locator('[data-step="r3"]').click()
    expect(page.locator("[data-log]")).to_have_text("It has printed nothing.")
    page.keyboard.press("ArrowUp")
    page.keyboard.press("ArrowUp")
    expect(page.locator('[data-step="r1"]')).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.locator("[data-log]")).to_contain_text("Installing ca-certificates")
    page.keyboard.press("ArrowLeft")
    expect(page.locator('[data-step="b1"]')).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.locator("[data-log]")).to_contain_text("taken from the cache")
    page.get_by_role("link", name="Slowest first").click()
    expect(page.locator(".slow-step").first).to_contain_text("go build")
    expect(page.locator("[data-graph]")).to_be_hidden()
    sockets.builds.send(type="error", error={"family": "not_found", "message": "gone"})


def test_a_build_that_ends_says_so_and_is_forgotten_when_asked(page: Page, sockets: Sockets, seeded: Seeded) -> None:
    visit(page, f"/builds/{DONE}/")
    sockets.events.wait()
    expect(page.get_by_role("link", name="Show the image")).to_be_visible()
    expect(page.get_by_role("link", name="Build again")).to_have_attribute("href", f"/builds/new/?again={DONE}")
    gone: list[str] = []
    page.route(
        f"**/api/v1/builds/{DONE}/", lambda route: (gone.append(route.request.method), route.fulfill(status=204))
    )
    page.get_by_role("button", name="Forget this build").click()
    page.locator("#confirm-dialog").get_by_role("button", name="Forget").click()
    page.wait_for_url("**/builds/")
    assert gone == ["DELETE"]


def test_what_was_printed_is_saved_whole_and_steps_after_a_failed_one_were_not_reached(
    page: Page, sockets: Sockets, seeded: Seeded
) -> None:
    visit(page, f"/builds/{DONE}/")
    sockets.builds.wait()
    steps = build_steps()
    steps[5]["state"], steps[6]["state"] = "failed", "skipped"
    printed = "\x1b[32mone\x1b[0m\r\ntwo\r\n 10 %\r 20 %\r 30 %\nlast\r\n"
    tell(sockets, [*lines_of(steps), {"type": "log", "id": steps[5]["id"], "at": 1.0, "text": printed}], 100)
    expect(page.locator(f'[data-step="{steps[6]["id"]}"] [data-took]')).to_have_text("not reached")
    with page.expect_download() as saved:
        page.locator("[data-save-log]").click()
    assert "\none\ntwo\n 30 %\nlast\n" in saved.value.path().read_text()


def test_a_build_without_steps_that_has_ended_waits_for_none(page: Page, sockets: Sockets, seeded: Seeded) -> None:
    visit(page, f"/builds/{RUNNING}/")
    sockets.builds.wait()
    expect(page.locator("[data-waiting]")).to_contain_text("as soon as the host has read the Dockerfile")
    sockets.change("build", build_as_json(Build.objects.get(pk=RUNNING)) | {"status": "failed"})
    expect(page.locator("[data-waiting]")).to_have_text("It ended before there were any steps.")


def test_a_build_that_has_ended_meanwhile_is_compared(page: Page, sockets: Sockets, seeded: Seeded) -> None:
    """Its facts were exchanged when it ended, and what is chosen among them with them."""
    Build.objects.filter(pk=DONE).update(name="harbour:2.1")
    visit(page, f"/builds/{RUNNING}/")
    page.locator("#compare").evaluate("choice => { choice.dataset.old = ''; }")
    sockets.change("build", build_as_json(Build.objects.get(pk=RUNNING)) | {"status": "failed"})
    expect(page.locator("#compare:not([data-old])")).to_be_visible()
    page.get_by_label("Compare with").select_option(DONE)
    page.wait_for_url(f"**/builds/{RUNNING}/compare/{DONE}/")


def test_the_files_that_differ_come_from_the_host(page: Page, sockets: Sockets, seeded: Seeded) -> None:
    Build.objects.filter(pk=RUNNING).update(image_id="sha256:" + "1" * 64)
    path = f"builds/{DONE}/compare/{RUNNING}/files/?limit=500"
    found = {"added": 3, "changed": 1, "removed": 0, "differences": DIFFERENCES, "more": True, "is_cut": False}
    answered(page, path, 200, found)
    visit(page, f"/builds/{DONE}/compare/{RUNNING}/")
    expect(page.locator("[data-differences-sum]")).to_have_text("3 added, 1 changed, 0 removed")
    rows = page.locator("[data-differences] tbody tr")
    expect(rows).to_have_count(3)
    expect(rows.nth(0)).to_contain_text("/usr/lib/app/")
    expect(rows.nth(0)).to_contain_text("added 12 files")
    expect(rows.nth(1)).to_contain_text(f"/{NASTY}")
    expect(rows.nth(1)).to_contain_text("changed content, mode")
    expect(page.locator("[data-differences-note]")).to_have_text("The 3 that change sizes most are shown.")
    page.unroute(f"**/api/v1/{path}")
    answered(page, path, 503, {"detail": "the host pier does not answer"})
    page.reload()
    expect(page.locator("[data-differences-note]")).to_contain_text("be compared: the host pier does not answer")
    assert page.title() != "1"


def test_a_typed_dockerfile_is_sent_and_refusals_stand_at_their_fields(
    page: Page, sockets: Sockets, seeded: Seeded
) -> None:
    visit(page, "/builds/new/")
    page.get_by_label("Dockerfile", exact=True).fill("FROM alpine\nRUN true\n")
    page.get_by_label("Names").fill("APP")
    expect(page.locator('[data-as="rest"]')).to_contain_text("/api/v1/builds/")
    answered(page, "builds/", 400, {"detail": "x", "errors": {"tags": ["'APP' is no reference."]}})
    page.get_by_role("button", name="Build", exact=True).click()
    expect(page.locator('[data-problem="tags"]')).to_contain_text("no reference")
    page.get_by_label("Names").fill("app:1, registry.example.com/app:1")
    page.get_by_role("button", name="Add argument").click()
    page.get_by_label("Argument's name").fill("VERSION")
    page.get_by_label("Argument's value").fill("3")
    page.get_by_text("Do every step anew").click()
    page.unroute("**/api/v1/builds/")
    sent = answered(page, "builds/", 202, {"build": {"id": DONE}, "job": {"id": "x", "url": "x"}})
    page.get_by_role("button", name="Build", exact=True).click()
    page.wait_for_url(f"**/builds/{DONE}/")
    assert sent[0] == {
        "tags": ["app:1", "registry.example.com/app:1"],
        "dockerfile_text": "FROM alpine\nRUN true\n",
        "build_args": {"VERSION": "3"},
        "no_cache": True,
        "host": seeded.hosts[0].pk,
    }


def test_what_is_to_come_of_it_is_sent(page: Page, sockets: Sockets, seeded: Seeded) -> None:
    SigningKey.objects.create(
        team=seeded.hosts[0].team, name="release", key_id="1" * 64, public_key="PEM", sealed_private_key="x"
    )
    visit(page, "/builds/new/")
    page.get_by_label("Names").fill("app:1")
    page.get_by_text("When it is built").click()
    page.get_by_text("Push it once it is built").click()
    page.get_by_label("Platforms").fill("linux/amd64, linux/arm64")
    page.get_by_label("Look into caches").fill("app:cache")
    page.get_by_label("Export the cache to").fill("app:cache")
    page.get_by_label("Of it", exact=True).select_option("max")
    page.get_by_label("List of its software").select_option("spdx")
    page.get_by_label("How it was built").select_option("min")
    page.get_by_label("Sign it with").select_option("release")
    sent = answered(page, "builds/", 202, {"build": {"id": DONE}, "job": {"id": "x", "url": "x"}})
    page.get_by_role("button", name="Build", exact=True).click()
    page.wait_for_url(f"**/builds/{DONE}/")
    body = {key: value for key, value in sent[0].items() if key not in ("dockerfile_text", "host")}
    assert body == {
        "tags": ["app:1"], "push": True, "platforms": ["linux/amd64", "linux/arm64"], "cache_from": ["app:cache"],
        "cache_to": "app:cache", "cache_mode": "max", "sbom": "spdx", "provenance": "min", "signing_key": "release",
    }  # fmt: skip


def test_ssh_keys_and_rights_are_sent_and_keys_shown_nowhere(page: Page, sockets: Sockets, seeded: Seeded) -> None:
    visit(page, "/builds/new/")
    page.get_by_text("More", exact=True).click()
    for number, (agent, stored) in enumerate((("", ""), ("forge", "deploy"))):
        page.get_by_role("button", name="Add SSH key").click()
        page.get_by_label("SSH agent's id").nth(number).fill(agent)
        page.get_by_label("SSH key", exact=True).nth(number).select_option(stored)
    expect(page.get_by_label("Private key")).to_have_count(2)
    expect(page.get_by_label("Private key").nth(1)).to_be_hidden()
    page.get_by_label("Private key").nth(0).fill("-----BEGIN PRIVATE KEY-----\nhush\n")
    page.get_by_text("All of a privileged container").click()
    expect(page.locator('[data-as="rest"]')).to_contain_text('"default": "…"')
    expect(page.locator('[data-as="rest"]')).not_to_contain_text("hush")
    sent = answered(page, "builds/", 400, {"detail": "x", "errors": {"ssh": ["It can't be read."]}})
    page.get_by_role("button", name="Build", exact=True).click()
    expect(page.locator('[data-problem="ssh"]')).to_contain_text("can't be read")
    body = {key: value for key, value in sent[0].items() if key.startswith(("ssh", "ent"))}
    assert body == {
        "ssh": {"default": "-----BEGIN PRIVATE KEY-----\nhush\n"}, "ssh_keys": {"forge": "deploy"},
        "entitlements": ["security.insecure"],
    }  # fmt: skip


def test_what_an_earlier_build_had_of_keys_and_rights_is_filled_in(
    page: Page, sockets: Sockets, seeded: Seeded
) -> None:
    build = Build.objects.get(pk=DONE)
    build.wish |= {"ssh": ["forge"]}
    build.save()
    visit(page, f"/builds/{DONE}/")
    expect(page.get_by_text("default=deploy")).to_be_visible()
    expect(page.get_by_text("security.insecure")).to_be_visible()
    visit(page, f"/builds/new/?again={DONE}")
    expect(page.get_by_label("SSH agent's id").nth(0)).to_have_value("forge")
    expect(page.get_by_label("SSH key", exact=True).nth(1)).to_have_value("deploy")
    expect(page.get_by_label("All of a privileged container")).to_be_checked()


def test_a_rule_gets_ssh_keys_and_shows_them(page: Page, sockets: Sockets, seeded: Seeded) -> None:
    visit(page, "/builds/rules/")
    page.get_by_role("button", name="New rule").click()
    dialog = page.locator("#rule-dialog")
    dialog.get_by_label("Name", exact=True).fill("app")
    dialog.get_by_label("Repository").fill("https://git.example.com/app.git")
    dialog.get_by_label("Branches").fill("main")
    dialog.get_by_label("Names of the image").fill("app:{branch}")
    for agent in ("", "forge", "gone"):
        dialog.get_by_role("button", name="Use an SSH key").click()
        dialog.get_by_label("SSH agent").last.fill(agent)
    dialog.get_by_role("button", name="Do without this SSH key").last.click()
    dialog.get_by_role("button", name="Save").click()
    expect(page.locator("#secret-dialog")).to_be_visible()
    rule = BuildRule.objects.get(name="app")
    assert rule.wish["ssh_keys"] == {"default": "deploy", "forge": "deploy"}
    page.locator("#secret-dialog").get_by_role("button", name="Done").click()
    card = page.locator("[data-rule]", has_text="forge=deploy")
    card.get_by_role("button", name="Change").click()
    expect(dialog.get_by_label("SSH key", exact=True)).to_have_count(2)
    dialog.get_by_label("SSH agent").first.fill("other")
    SshKey.objects.filter(name="deploy").delete()
    dialog.get_by_role("button", name="Save").click()
    expect(dialog.locator('[data-problem="ssh_keys"]')).to_contain_text("has no SSH key 'deploy'")
    for _ in range(2):
        dialog.get_by_role("button", name="Do without this SSH key").first.click()
    dialog.get_by_role("button", name="Save").click()
    expect(dialog).to_be_hidden()
    expect(page.locator("[data-rule]", has_text="forge=deploy")).to_have_count(0)
    rule.refresh_from_db()
    assert rule.wish["ssh_keys"] == {}


def test_an_ssh_key_is_stored_and_forgotten(page: Page, sockets: Sockets, seeded: Seeded) -> None:
    visit(page, "/builds/rules/")
    page.get_by_role("button", name="Add key").click()
    page.locator("#ssh-name").fill("made-here")
    page.get_by_role("button", name="Save", exact=True).click()
    shown = page.locator("[data-ssh]", has_text="made-here")
    expect(shown).to_contain_text("ssh-ed25519 ")
    assert SshKey.objects.get(name="made-here").public_key in shown.inner_text()
    page.get_by_role("button", name="Forget made-here").click()
    page.locator("#confirm-dialog").get_by_role("button", name="Forget").click()
    expect(shown).to_have_count(0)
    assert not SshKey.objects.filter(name="made-here").exists()


def test_a_folder_is_sent_first_and_named_by_the_build(
    page: Page, sockets: Sockets, seeded: Seeded, tmp_path: Any
) -> None:
    archive = tmp_path / "app.tar"
    archive.write_bytes(b"tar" * 100)
    visit(page, "/builds/new/")
    page.get_by_text("A folder of this machine").click()
    page.get_by_role("button", name="Build", exact=True).click()
    expect(page.locator('[data-problem="context"]')).to_contain_text("Choose a folder")
    page.locator("#archive").set_input_files(str(archive))
    expect(page.locator("[data-folder-name]")).to_contain_text("app.tar")
    asked: list[str] = []

    def context(route: Any) -> None:
        asked.append(route.request.url)
        route.fulfill(status=201, content_type="application/json", body=json.dumps({"id": "c1" * 16}))

    page.route("**/api/v1/builds/contexts/**", context)
    sent = answered(page, "builds/", 202, {"build": {"id": DONE}, "job": {"id": "x", "url": "x"}})
    page.get_by_role("button", name="Build", exact=True).click()
    page.wait_for_url(f"**/builds/{DONE}/")
    assert "name=app.tar" in asked[0] and f"host={seeded.hosts[0].pk}" in asked[0]
    assert sent[0] == {"context": "c1" * 16}
