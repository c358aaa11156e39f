"""A container that is stopped to be removed says so, to whoever looks, for as long as it takes its time."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page, expect

from tests.support.browser import visit
from tests.webui.pages.seed import Seeded, hex_id
from tests.webui.pages.sockets import Sockets
from webui.containers.models import Container
from webui.containers.representation import container_as_json

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


STOP, VOLUMES = "It is running: stop it first", "With its volumes that have no name"


@pytest.mark.parametrize(("name", "tick", "query"), [("web", STOP, "stop=true"), ("hog", VOLUMES, "volumes=true")])
def test_it_goes_as_it_was_ticked(
    page: Page, sockets: Sockets, seeded: Seeded, name: str, tick: str, query: str
) -> None:
    visit(page, f"/containers/{hex_id(name)}/")
    asked: list[str] = []
    page.route(
        f"**/api/v1/containers/{hex_id(name)}/**",
        lambda route: (asked.append(route.request.url), route.fulfill(status=409, json={"detail": "it is busy"})),
    )
    page.get_by_label("More actions").click()
    page.get_by_role("button", name="Remove", exact=True).click()
    expect(page.get_by_label(STOP)).to_be_visible(visible=name == "web")
    page.get_by_label(tick).check()
    page.locator("#confirm-yes").click()
    expect(page.locator("#toasts")).to_contain_text("it is busy")
    assert [url.partition("/?")[2] for url in asked] == [query]


@pytest.mark.parametrize("path", ["/containers/", f"/containers/{hex_id('web')}/"])
def test_who_looks_sees_that_it_is_being_removed(page: Page, sockets: Sockets, seeded: Seeded, path: str) -> None:
    visit(page, path)
    place = page.locator(f'[data-kind="container"][data-id="{hex_id("web")}"]').first
    said = place.get_by_text("being removed", exact=True)
    expect(said).to_be_hidden()
    known = container_as_json(Container.objects.get(pk=hex_id("web")))
    sockets.change("container", known | {"desired_status": "removed"}, id="7-0")
    expect(said).to_be_visible()
    sockets.change("container", known, id="8-0")
    expect(said).to_be_hidden()
    Container.objects.filter(pk=hex_id("web")).update(desired_status="removed")
    visit(page, path)
    expect(said).to_be_visible()
