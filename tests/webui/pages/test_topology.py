"""The picture of networks: what is in it, how it is walked through, how it follows, what flows."""

from __future__ import annotations

from typing import Any

import pytest
from playwright.sync_api import Page, expect

from tests.support.browser import visit
from tests.webui.pages.seed import NASTY, Seeded, hex_id
from tests.webui.pages.sockets import Sockets
from webui.containers.models import Container
from webui.networks.models import Endpoint, Network

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

PATH = "/networks/topology/"
WEB = f'[data-key="c{hex_id("web")}"]'


def test_everything_is_drawn_and_walked_through_by_keys(page: Page, sockets: Sockets, seeded: Seeded) -> None:
    front = Network.objects.get(name="front")
    visit(page, PATH)
    expect(page.locator(".node-host")).to_have_count(2)
    expect(page.locator(".node-network")).to_have_count(5)
    expect(page.locator(".node-container")).to_have_count(9)
    web = page.locator(WEB)
    expect(web).to_have_attribute("href", f"/containers/{hex_id('web')}/")
    expect(web).to_have_attribute("aria-label", "Container web, Running, 10.88.0.2")
    expect(page.locator(f'.link[data-from="n{front.pk}"][data-to="c{hex_id("web")}"]')).to_have_count(1)
    assert page.locator(".node-container[data-faint] .t-name", has_text=NASTY[:10]).count() == 1
    port = page.locator(".node-port")
    expect(port).to_have_attribute("href", "http://localhost:8080/")
    host = page.locator(f'[data-key="h{seeded.hosts[0].pk}"]')
    assert page.locator('.node[tabindex="0"]').count() == 1, "one stop for Tab"
    host.focus()
    page.keyboard.press("ArrowRight")
    expect(page.locator(":focus")).to_have_attribute("data-key", f"n-default-{seeded.hosts[0].pk}")
    page.keyboard.press("ArrowRight")
    expect(web).to_be_focused()
    expect(page.locator(f'[data-key="c{hex_id("db")}"]')).not_to_have_class("is-near")
    page.keyboard.press("ArrowRight")
    expect(port).to_be_focused()
    page.keyboard.press("ArrowLeft")
    page.keyboard.press("ArrowDown")
    expect(page.locator(":focus")).to_have_attribute("aria-label", "Container cache, Paused, 10.88.0.7")
    page.keyboard.press("Enter")
    page.wait_for_url("**/containers/**")
    visit(page, PATH)
    page.get_by_label("Stopped ones too").uncheck()
    expect(page.locator(".node-container")).to_have_count(4)
    visit(page, PATH)
    expect(page.locator(".node-container")).to_have_count(4)
    page.get_by_role("link", name="List", exact=True).click()
    page.wait_for_url("**/networks/")


def test_it_follows_what_happens_and_shows_what_flows(page: Page, sockets: Sockets, seeded: Seeded) -> None:
    back = Network.objects.get(name="back-of-the-harbour")
    visit(page, PATH)
    sockets.events.wait()
    sockets.use.wait()
    Endpoint.objects.create(
        network=back, container_id=hex_id("web"), ip="10.21.1.9", mac="02:42:0a:15:01:09", interface="eth2"
    )
    sockets.change("network", {"id": back.pk}, id="3-0")
    link = page.locator(f'.link[data-from="n{back.pk}"][data-to="c{hex_id("web")}"]')
    expect(link).to_have_count(1)
    expect(link).to_have_attribute("data-flow", "0")

    def figures(at: float, received: int) -> dict[str, Any]:
        each = {"eth0": [0, 0], "eth1": [0, received], "eth2": [received, 0]}
        whole = {"network_rx_bytes": received, "network_tx_bytes": received, "interfaces": each}
        return {"at": at, "containers": {hex_id("web"): whole}}

    sockets.use.send(type="history", samples=[figures(100.0, 0), figures(102.0, 4 << 20)])
    expect(link).to_have_attribute("data-flow", "3")
    expect(link).to_have_attribute("data-way", "in")
    front = Network.objects.get(name="front")
    expect(page.locator(f'.link[data-from="n{front.pk}"][data-to="c{hex_id("web")}"]')).to_have_attribute(
        "data-way", "out"
    )
    expect(page.locator(f"{WEB} .t-rate")).to_have_text("↓ 2 MiB ↑ 2 MiB/s")
    Container.objects.filter(pk=hex_id("web")).update(observed_status="stopped", ports=[])
    sockets.change("container", {"id": hex_id("web")}, id="4-0")
    expect(page.locator(WEB)).to_have_attribute("data-faint", "yes")
    expect(page.locator(".node-port")).to_have_count(0)


def test_hundreds_are_folded_and_unfolded(page: Page, sockets: Sockets, seeded: Seeded) -> None:
    lone = Network.objects.get(name="lone")
    many = [
        Container(
            id=hex_id(f"many{number}"), team=seeded.team, host=seeded.hosts[0], name=f"many-{number}", image="x",
            observed_status="running", spec={"network": "lone"},
        )
        for number in range(300)
    ]  # fmt: skip
    Container.objects.bulk_create(many)
    Endpoint.objects.bulk_create(
        Endpoint(network=lone, container=one, ip=f"10.22.1.{index % 250}", mac="", interface="eth0")
        for index, one in enumerate(many)
    )
    page.set_viewport_size({"width": 390, "height": 850})
    visit(page, PATH)
    more = page.get_by_role("button", name="Show 292 more (292 running)")
    expect(more).to_have_attribute("aria-expanded", "false")
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    more.focus()
    page.keyboard.press("Enter")
    expect(page.locator(".node-container")).to_have_count(309)
    fewer = page.get_by_role("button", name="Show fewer")
    expect(fewer).to_be_focused()
    expect(page.locator('[data-key^="c"] .t-name', has_text="many-299")).to_have_count(1)
    page.keyboard.press("Enter")
    expect(page.locator(".node-container")).to_have_count(17)


def test_an_empty_harbour_is_taught(page: Page, sockets: Sockets, seeded: Seeded) -> None:
    Container.objects.all().delete()
    Network.objects.all().delete()
    visit(page, PATH)
    expect(page.get_by_role("heading", name="Nothing to draw yet")).to_be_visible()
    expect(page.locator("#topology")).to_be_hidden()
    page.get_by_role("link", name="Make a network").click()
    expect(page.locator("#network-dialog")).to_be_visible()
