"""Pages change by themselves, miss nothing, and do what is asked of them."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from playwright.sync_api import Page, Route, WebSocketRoute, expect

from tests.support.browser import visit
from tests.support.valkey import Valkey
from tests.webui.pages.seed import PASSWORD, Seeded, hex_id
from tests.webui.pages.sockets import Sockets
from webui.accounts.models import ApiToken
from webui.containers.models import Container
from webui.containers.representation import container_as_json
from webui.images.models import RegistryCredential
from webui.jobs.representation import job_as_json

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


def as_json(name: str, **changed: Any) -> dict[str, Any]:
    return container_as_json(Container.objects.get(pk=hex_id(name))) | changed


def row(page: Page, name: str) -> Any:
    return page.locator(f'tr[data-id="{hex_id(name)}"]')


def test_signing_in_by_keyboard(page: Page, sockets: Sockets) -> None:
    page.context.clear_cookies()
    visit(page, "/containers/")
    expect(page.get_by_label("User name")).to_be_focused()
    page.keyboard.type("admin")
    page.keyboard.press("Tab")
    page.keyboard.type("not the password")
    page.keyboard.press("Enter")
    expect(page.get_by_role("alert")).to_contain_text("correct username and password")
    expect(page.get_by_label("Password")).to_be_focused()
    page.keyboard.type(PASSWORD)
    page.keyboard.press("Enter")
    page.wait_for_url("**/containers/")
    expect(page.get_by_role("heading", name="Containers", level=1)).to_be_visible()


def test_a_change_that_comes_with_the_greeting_is_not_missed(page: Page, seeded: Seeded) -> None:
    """The page's own script may be slower than the socket."""
    Container.objects.filter(pk=hex_id("hog")).update(observed_status="pending")
    change = as_json("hog", status="running", exit_code=None, oom_killed=False)

    def opened(connection: WebSocketRoute) -> None:
        connection.send(json.dumps({"type": "hello", "last": "1-0"}))
        told = {"type": "change", "id": "2-0", "kind": "container", "action": "updated"}
        connection.send(json.dumps({**told, "object_id": hex_id("hog"), "object": change}))

    page.route_web_socket("**/ws/events/**", opened)
    page.route_web_socket("**/ws/containers/**", lambda connection: None)
    # uPlot is the largest file that the page's script waits for.
    page.route("**/uPlot.esm.js", lambda route: (page.wait_for_timeout(300), route.continue_()))
    visit(page, f"/containers/{hex_id('hog')}/")
    expect(page.locator("#container")).to_have_attribute("data-status", "running")


def test_a_page_that_was_cut_off_asks_for_what_followed(page: Page, sockets: Sockets, seeded: Seeded) -> None:
    visit(page, "/containers/")
    sockets.change("container", as_json("web", status="paused"), id="7-0")
    expect(row(page, "web")).to_have_attribute("data-status", "paused")
    sockets.events.drop()
    expect(page.locator("[data-connection]")).to_have_text("Reconnecting")
    sockets.events.wait(2)
    assert sockets.events.query()["since"] == "7-0"
    expect(page.locator("[data-connection]")).to_have_text("Live")


def test_after_a_reset_a_containers_page_shows_its_present_state(page: Page, sockets: Sockets, seeded: Seeded) -> None:
    visit(page, f"/containers/{hex_id('web')}/")
    sockets.events.wait()
    Container.objects.filter(pk=hex_id("web")).update(observed_status="stopped", exit_code=0)
    sockets.events.send(type="reset")
    expect(page.locator("#container .status").first).to_have_text("Stopped")
    Container.objects.filter(pk=hex_id("web")).delete()
    sockets.events.send(type="reset")
    page.wait_for_url("**/containers/")


def test_after_a_reset_the_page_fetches_its_data_again(page: Page, sockets: Sockets, seeded: Seeded) -> None:
    visit(page, "/containers/")
    sockets.events.wait()
    Container.objects.filter(pk=hex_id("web")).update(observed_status="stopped", exit_code=3)
    sockets.events.send(type="reset")
    expect(row(page, "web")).to_have_attribute("data-status", "stopped")
    expect(row(page, "web")).to_contain_text("exit 3")


def test_a_refresh_that_the_network_breaks_off_is_tried_again(page: Page, sockets: Sockets, seeded: Seeded) -> None:
    visit(page, "/containers/")
    sockets.events.wait()
    broken = iter(range(2))
    page.route(
        "**/containers/",
        lambda route: route.continue_() if next(broken, None) is None else route.abort("internetdisconnected"),
    )
    Container.objects.filter(pk=hex_id("web")).update(observed_status="stopped", exit_code=3)
    sockets.events.send(type="reset")
    expect(row(page, "web")).to_contain_text("exit 3")
    assert next(broken, None) is None


def test_rows_come_go_and_change_without_a_reload(page: Page, sockets: Sockets, seeded: Seeded) -> None:
    visit(page, "/containers/")
    page.evaluate("window.mark = 1")
    sockets.change("container", as_json("web", status="stopped", exit_code=0))
    expect(row(page, "web").get_by_text("Stopped")).to_be_visible()
    expect(row(page, "web").get_by_role("button", name="Start web")).to_be_visible()
    item = as_json("db")
    Container.objects.filter(pk=hex_id("db")).delete()
    sockets.change("container", item, action="removed", id="3-0")
    expect(row(page, "db")).to_have_count(0)
    assert page.evaluate("window.mark") == 1


def test_a_row_shows_what_its_container_uses(page: Page, sockets: Sockets, seeded: Seeded) -> None:
    visit(page, "/containers/")
    sockets.use.wait()
    figures = {"cpu_percent": 12.5, "memory_bytes": 63 << 20, "memory_limit_bytes": 64 << 20}
    history = [{"at": 1.0, "containers": {hex_id("web"): figures | {"cpu_percent": 90.0}}}]
    sockets.use.send(type="history", samples=history)
    sockets.use.send(type="sample", sample={"at": 3.0, "containers": {hex_id("web"): figures}})
    use = row(page, "web").locator("[data-use]")
    expect(use).to_have_text("13 %63 MiB")
    expect(use.locator("path")).to_have_attribute("d", re.compile(r"^M\d.*L60\.0 "))
    expect(use.locator(".use-tight")).to_have_count(1)
    sockets.change("container", as_json("web", status="stopped", exit_code=0))
    expect(use).to_have_text("\u2013")


def test_search_as_you_type_and_filters(page: Page, sockets: Sockets) -> None:
    visit(page, "/containers/")
    page.keyboard.press("/")
    page.keyboard.type("WORK")
    expect(page.locator("tbody tr")).to_have_count(1)
    assert page.url.endswith("?q=WORK")
    page.keyboard.press("Escape")
    visit(page, "/containers/?status=failed")
    names = page.locator("tbody .name").all_inner_texts()
    assert {"hog", "typo"} <= set(names)
    assert "web" not in names


def test_an_action_is_sent_and_its_failure_is_told(page: Page, sockets: Sockets, seeded: Seeded) -> None:
    asked: list[str] = []
    job = job_as_json(seeded.jobs["queued"]) | {"id": "11111111-1111-4111-8111-111111111111"}

    def answer(route: Route) -> None:
        asked.append(f"{route.request.method} {route.request.headers.get('x-csrftoken', '')[:1]}")
        route.fulfill(status=202, json={"job": {"id": job["id"], "url": "/x"}})

    page.route("**/api/v1/containers/*/stop/", answer)
    visit(page, "/containers/")
    button = row(page, "web").get_by_role("button", name="Stop web")
    button.click()
    expect(button).to_have_attribute("aria-busy", "true")
    error = {"family": "unavailable", "message": "the host did not answer", "detail": {}}
    sockets.change("job", job | {"status": "failed", "error": error})
    expect(page.get_by_role("alert")).to_contain_text("web: the host did not answer")
    expect(button).not_to_have_attribute("aria-busy", "true")
    assert asked
    assert asked[0].startswith("POST")


def test_removing_asks_first_and_the_safe_answer_has_the_focus(page: Page, sockets: Sockets) -> None:
    asked: list[str] = []
    page.route("**/api/v1/containers/*/*", lambda route: (asked.append(route.request.url), route.abort()))
    visit(page, "/containers/")
    row(page, "web").get_by_label("More for web").click()
    row(page, "web").get_by_role("button", name="Remove").click()
    expect(page.get_by_role("dialog")).to_contain_text("Remove web?")
    page.keyboard.press("Enter")
    expect(page.get_by_role("dialog")).to_be_hidden()
    assert asked == []


def test_a_menu_offers_what_the_state_allows(page: Page, sockets: Sockets) -> None:
    visit(page, "/containers/")
    for name, offered in (("web", ["Restart", "Pause", "Kill", "Rename", "Remove"]), ("hog", ["Rename", "Remove"])):
        row(page, name).get_by_label(f"More for {name}").click()
        items = row(page, name).locator(".menu-list button:visible")
        expect(items).to_have_text(offered)
        boxes = [item.bounding_box() for item in items.all()]
        assert len({box["x"] for box in boxes if box}) == 1, "one below the other"
        page.keyboard.press("Escape")
        expect(items).to_have_count(0)


def test_many_are_started_stopped_and_removed_at_once(
    page: Page, sockets: Sockets, seeded: Seeded, site_broker: Valkey
) -> None:
    visit(page, "/containers/")
    row(page, "web").get_by_role("checkbox").check()
    row(page, "db").get_by_role("checkbox").check()
    expect(page.locator("[data-bulk-count]")).to_have_text("2 selected")
    page.get_by_role("button", name="Stop", exact=True).click()
    asked = Container.objects.filter(name__in=("web", "db"), desired_status="stopped")
    for _ in range(1200):
        if asked.count() == 2:
            break
        page.wait_for_timeout(50)
    assert asked.count() == 2


def test_a_pull_shows_each_layer_and_how_it_failed(
    page: Page, sockets: Sockets, seeded: Seeded, site_broker: Valkey
) -> None:
    visit(page, "/")
    page.keyboard.press("p")
    page.wait_for_url("**/images/?pull")
    page.get_by_label("Reference").fill("Not A Reference")
    page.keyboard.press("Enter")
    expect(page.locator("#reference-problem")).not_to_be_empty()
    page.get_by_label("Reference").fill("busybox")
    page.keyboard.press("Enter")
    card = page.locator("[data-pull]").first
    expect(card).to_contain_text("busybox")
    pull = page.evaluate("fetch('/api/v1/jobs/').then((answer) => answer.json())")["results"][0]
    layers = [
        {"id": "a" * 12, "status": "downloading", "done_bytes": 25 << 20, "total_bytes": 100 << 20},
        {"id": "b" * 12, "status": "exists", "done_bytes": 0, "total_bytes": 1 << 20},
    ]
    sockets.change("job", pull | {"status": "running", "progress": {"phase": "downloading", "items": layers}})
    expect(card.locator(".layer")).to_have_count(2)
    expect(card.locator(".layer").first).to_contain_text("25 MiB of 100 MiB")
    assert card.locator(".layer progress").first.evaluate("(bar) => bar.value / bar.max") == 0.25
    error = {"family": "not_found", "message": "busybox is not there", "detail": {}}
    sockets.change("job", pull | {"status": "failed", "error": error}, id="3-0")
    expect(card.locator(".notice-bad")).to_contain_text("busybox is not there")
    expect(card.locator(".notice-bad")).to_contain_text("Check the spelling")
    expect(card.get_by_role("button", name="Try again")).to_be_visible()


def test_a_token_is_shown_once_and_revoked(page: Page, sockets: Sockets) -> None:
    visit(page, "/settings/tokens/")
    page.get_by_label("Name of the new token").fill("deploy")
    page.get_by_role("button", name="Make token").click()
    secret = page.locator("[data-secret-text]")
    expect(secret).to_contain_text("ps_")
    assert ApiToken.objects.get(name="deploy").digest == ApiToken.digest_of(secret.inner_text())
    expect(page.locator("tr[data-token]")).to_contain_text("deploy")
    visit(page, "/settings/tokens/")
    assert "ps_" not in page.content()
    page.get_by_role("button", name="Revoke deploy").click()
    page.get_by_role("dialog").get_by_role("button", name="Revoke").click()
    expect(page.locator("tr[data-token]")).to_have_count(0)
    assert not ApiToken.objects.filter(name="deploy").exists()


def test_a_registrys_password_goes_in_and_never_comes_out(page: Page, sockets: Sockets) -> None:
    visit(page, "/registries/")
    page.get_by_role("button", name="Add registry").first.click()
    page.get_by_label("Registry", exact=True).fill("registry.example.com")
    page.get_by_label("User name").fill("ann")
    page.get_by_label("Password or access token").fill("s3cret-s3cret")
    page.get_by_role("button", name="Save").click()
    expect(page.locator("[data-registry]")).to_contain_text("registry.example.com")
    assert "s3cret-s3cret" not in RegistryCredential.objects.get().encrypted_password
    visit(page, "/registries/")
    assert "s3cret-s3cret" not in page.content()


def test_the_theme_is_remembered_before_the_first_pixel(page: Page, sockets: Sockets) -> None:
    visit(page, "/settings/")
    for expected in ("light", "dark"):
        page.locator("[data-theme-button]").click()
        expect(page.locator("html")).to_have_attribute("data-theme", expected)
    visit(page, "/jobs/")
    assert 'data-theme="dark"' in page.evaluate("fetch('/jobs/').then((answer) => answer.text())")


def test_shortcuts_can_be_switched_off(page: Page, sockets: Sockets) -> None:
    visit(page, "/jobs/")
    page.keyboard.press("?")
    expect(page.get_by_role("dialog")).to_contain_text("New container")
    page.get_by_label("Single-key shortcuts").uncheck()
    page.keyboard.press("Escape")
    page.keyboard.press("c")
    page.wait_for_timeout(200)
    assert page.url.endswith("/jobs/")
    page.evaluate("localStorage.clear()")
    page.keyboard.press("c")
    page.wait_for_url("**/containers/new/")


@pytest.mark.parametrize(("kind", "subject"), [("container.create", "fresh"), ("container.recreate", "web")])
def test_a_container_whose_image_is_pulled_shows_the_layers(
    page: Page, sockets: Sockets, seeded: Seeded, kind: str, subject: str
) -> None:
    pull = seeded.jobs["pull"]
    pull.kind, pull.subject = kind, hex_id(subject)
    pull.command = {"container_id": hex_id("fresh")}
    pull.save()
    visit(page, f"/containers/{hex_id('fresh')}/")
    expect(page.locator("#creation .layer")).to_have_count(5)
    items = [{"id": "a" * 12, "status": "downloading", "done_bytes": 1 << 20, "total_bytes": 4 << 20}]
    job = job_as_json(pull)
    sockets.change("job", job | {"progress": {"phase": "pulling", "items": items}})
    expect(page.locator("#creation .layer")).to_contain_text(["1 MiB of 4 MiB"])
    sockets.change("job", job | {"status": "succeeded"}, id="3-0")
    sockets.change("container", as_json("fresh", status="running"), id="4-0")
    expect(page.locator("#creation")).to_be_hidden()
    expect(page.locator("#container")).to_have_attribute("data-status", "running")
