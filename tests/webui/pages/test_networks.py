"""The list of networks: who is on them, making one, joining one, and what is asked before something is gone."""

from __future__ import annotations

from typing import Any

import pytest
from playwright.sync_api import Page, expect

from tests.support.browser import visit
from tests.webui.pages.seed import Seeded, hex_id
from tests.webui.pages.sockets import Sockets
from tests.webui.pages.test_changing import JOB, answered
from webui.containers.models import Container
from webui.containers.networks_now import joined_like
from webui.networks.models import Endpoint, Network
from webui.pages.networking import networking

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

ACCEPTED = {"job": {"id": JOB, "url": f"/api/v1/jobs/{JOB}/"}}


def ended(sockets: Sockets, kind: str, host: Any, id: str, **more: Any) -> None:
    job = {"id": JOB, "kind": kind, "status": "succeeded", "subject": "x", "error": None, "result": {}}
    progress = {"phase": "done", "items": []}
    sockets.change("job", {**job, "host": {"id": host.pk, "name": host.name}, "progress": progress, **more}, id=id)


def test_a_network_is_made_and_shown_once_its_host_says_so(page: Page, sockets: Sockets, seeded: Seeded) -> None:
    host = seeded.hosts[0]
    visit(page, "/networks/")
    sockets.events.wait()
    row = page.locator('tr[data-name="front"]')
    expect(row).to_contain_text("10.20.0.0/24")
    expect(row.get_by_role("link", name="web", exact=True)).to_have_attribute("href", f"/containers/{hex_id('web')}/")
    expect(row.locator("[data-network-remove]")).to_be_disabled()
    expect(page.locator('tr[data-name="back-of-the-harbour"]')).to_contain_text("icc off")
    page.get_by_role("button", name="New network").click()
    dialog = page.locator("#network-dialog")
    dialog.get_by_role("button", name="Create").click()
    expect(dialog.locator('[data-problem="name"]')).to_contain_text("such as front")
    dialog.get_by_label("Name", exact=True).fill("apart")
    dialog.get_by_label("Subnet", exact=True).fill("10.30.0.0/24")
    dialog.get_by_label("Internal").check()
    sent = answered(page, "networks/", 202, ACCEPTED)
    dialog.get_by_role("button", name="Create").click()
    expect(dialog.locator("[data-submit]")).to_have_attribute("aria-busy", "true")
    assert sent[0] == {"name": "apart", "internal": True, "icc": True, "host": host.pk, "subnet": "10.30.0.0/24"}
    Network.objects.create(
        team=host.team, host=host, network_id="1" * 64, name="apart", subnet="10.30.0.0/24", gateway="10.30.0.1"
    )
    ended(sockets, "network.create", host, "1000-1")
    expect(dialog).to_be_hidden()
    sockets.change("network", {"id": 1}, id="1000-2")
    expect(page.locator('tr[data-name="apart"]')).to_contain_text("none")


def test_a_network_with_ipv6_or_on_the_hosts_wire_is_asked_for_in_parts(
    page: Page, sockets: Sockets, seeded: Seeded
) -> None:
    visit(page, "/networks/")
    sockets.events.wait()
    page.get_by_role("button", name="New network").click()
    dialog = page.locator("#network-dialog")
    expect(dialog.get_by_label("IPv6 subnet")).to_be_hidden()
    dialog.get_by_label("Name", exact=True).fill("wire")
    dialog.get_by_label("IPv6 as well").check()
    dialog.get_by_label("IPv6 subnet").fill("fd12:3456:789a::/64")
    dialog.get_by_label("Driver").select_option("macvlan")
    expect(dialog.get_by_label("Internal")).to_be_hidden()
    expect(dialog.get_by_label("Mode").locator("option")).to_have_text(["bridge", "private", "vepa"])
    dialog.get_by_role("button", name="Create").click()
    expect(dialog.locator('[data-problem="parent"]')).to_contain_text("such as eth0")
    expect(dialog.locator('[data-problem="subnet"]')).to_contain_text("nobody but you knows it")
    dialog.get_by_label("Device of the host").fill("eth0")
    dialog.get_by_label("Subnet", exact=True).fill("10.40.0.0/24")
    dialog.get_by_label("Mode").select_option("private")
    sent = answered(page, "networks/", 202, ACCEPTED)
    dialog.get_by_role("button", name="Create").click()
    expect(dialog.locator("[data-submit]")).to_have_attribute("aria-busy", "true")
    wanted = {"driver": "macvlan", "parent": "eth0", "mode": "private", "ipv6": True, "subnet": "10.40.0.0/24"}
    assert sent == [{"name": "wire", **wanted, "subnet6": "fd12:3456:789a::/64", "host": seeded.hosts[0].pk}]


def test_containers_join_and_leave_from_the_list(page: Page, sockets: Sockets, seeded: Seeded) -> None:
    host, front = seeded.hosts[0], Network.objects.get(name="front")
    visit(page, "/networks/")
    sockets.events.wait()
    row = page.locator('tr[data-name="front"]')
    row.locator("[data-connect]").click()
    dialog = page.locator("#connect-dialog")
    expect(dialog.locator("h2")).to_have_text("Connect a container to front")
    expect(dialog.locator('datalist option[value="hog"]')).to_have_count(1)
    taken = {"detail": "10.20.0.2 is taken", "errors": {"ip": ["10.20.0.2 is no IPv4 address."]}}
    answered(page, f"networks/{front.pk}/connect/", 400, taken)
    dialog.get_by_label("Container").fill("hog")
    dialog.get_by_label("Address", exact=True).fill("10.20.0.2")
    dialog.get_by_role("button", name="Connect").click()
    expect(dialog.locator('[data-problem="ip"]')).to_contain_text("no IPv4 address")
    sent = answered(page, f"networks/{front.pk}/connect/", 202, ACCEPTED)
    dialog.get_by_label("Address", exact=True).fill("")
    dialog.get_by_label("Further names").fill("db, cache")
    dialog.get_by_role("button", name="Connect").click()
    expect(dialog.locator("[data-submit]")).to_have_attribute("aria-busy", "true")
    ended(sockets, "network.connect", host, "1000-1")
    expect(dialog).to_be_hidden()
    assert sent == [{"container": "hog", "ip": None, "ip6": None, "mac_address": None, "aliases": ["db", "cache"]}]
    left = answered(page, f"networks/{front.pk}/disconnect/", 409, {"detail": "its ports need it"})
    row.get_by_role("button", name="Disconnect web from front").click()
    expect(page.locator("#confirm-text")).to_contain_text("its address there is given up")
    page.locator("#confirm-yes").click()
    expect(page.locator("#toasts")).to_contain_text("its ports need it")
    assert left == [{"container": hex_id("web")}]


def test_what_goes_is_said_before_it_goes(page: Page, sockets: Sockets, seeded: Seeded) -> None:
    lone = Network.objects.get(name="lone")
    visit(page, "/networks/")
    removed = answered(page, f"networks/{lone.pk}/", 409, {"detail": "it is in use by web"})
    page.locator('tr[data-name="lone"] [data-network-remove]').click()
    expect(page.locator("#confirm-title")).to_have_text("Remove lone?")
    page.locator("#confirm-yes").click()
    expect(page.locator("#toasts")).to_contain_text("it is in use by web")
    assert removed == [None]
    wanted = {"networks": [{"id": lone.pk, "name": "lone"}], "job": None}
    asked = answered(page, "networks/prune/", 200, wanted)
    page.get_by_role("button", name="Remove unused").click()
    expect(page.locator("#confirm-text")).to_have_text("No container is on lone.")
    assert asked[0]["dry_run"] is True
    page.get_by_role("button", name="Cancel").click()


def test_a_networks_page_shows_who_is_on_it_and_what_is_left(page: Page, sockets: Sockets, seeded: Seeded) -> None:
    host, front = seeded.hosts[0], Network.objects.get(name="front")
    visit(page, "/networks/")
    page.keyboard.press("j")
    page.keyboard.press("j")
    page.keyboard.press("Enter")
    page.wait_for_url(f"**/networks/{front.pk}/")
    sockets.events.wait(2)
    visit(page, f"/networks/{front.pk}/")
    sockets.events.wait(3)
    expect(page.locator(".use-left")).to_have_text("251 of 253 are left")
    expect(page.locator("rect.cell-taken")).to_have_count(2)
    expect(page.locator(".cell-gateway title")).to_have_text("10.20.0.1: the gateway")
    row = page.locator(f'tr[data-id="{hex_id("web")}"]')
    expect(row).to_contain_text("10.20.0.2")
    expect(row.get_by_role("link", name="web")).to_have_attribute("href", f"/containers/{hex_id('web')}/")
    expect(page.locator("[data-network-remove]")).to_be_disabled()
    left = answered(page, f"networks/{front.pk}/disconnect/", 202, ACCEPTED)
    row.get_by_role("button", name="Disconnect web").click()
    page.locator("#confirm-yes").click()
    expect(row.locator("[data-disconnect]")).to_have_attribute("aria-busy", "true")
    front.endpoints.all().delete()
    ended(sockets, "network.disconnect", host, "1000-1")
    sockets.change("network", {"id": front.pk}, id="1000-2")
    expect(page.locator('[data-fragment="members"]')).to_contain_text("Nothing is on it yet")
    expect(page.locator(".use-left")).to_have_text("253 of 253 are left")
    expect(page.locator("[data-network-remove]")).to_be_enabled()
    assert left == [{"container": hex_id("web")}]
    page.get_by_role("link", name="New container here").click()
    page.wait_for_url("**/containers/new/**")
    expect(page.locator("#network")).to_have_value("front")
    page.locator("h1").click()
    page.keyboard.press("g")
    page.keyboard.press("n")
    page.wait_for_url("**/networks/")


def test_a_containers_page_shows_its_networks_and_lets_it_join_others(
    page: Page, sockets: Sockets, seeded: Seeded
) -> None:
    host, lone = seeded.hosts[0], Network.objects.get(name="lone")
    visit(page, f"/containers/{hex_id('web')}/")
    sockets.events.wait()
    table = page.locator('[data-fragment="networks"]')
    expect(table.locator("tbody tr")).to_have_count(2)
    expect(table.locator('tr[data-name="default"]')).to_contain_text("10.88.0.2")
    row = table.locator('tr[data-name="front"]')
    for text in ("10.20.0.2/24", "10.20.0.1", "02:42:0a:14:00:00", "db"):
        expect(row).to_contain_text(text)
    expect(table.get_by_role("link", name="127.0.0.1:8080")).to_have_attribute("href", "http://localhost:8080/")
    page.get_by_role("button", name="Connect to a network").click()
    dialog = page.locator("#join-dialog")
    expect(dialog.locator("option")).to_have_text(["back-of-the-harbour · 10.21.0.0/22", "lone · 10.22.0.0/24"])
    dialog.get_by_label("Network").select_option(str(lone.pk))
    expect(dialog.get_by_label("Address", exact=True)).to_have_attribute("placeholder", "a free one of 10.22.0.0/24")
    dialog.get_by_label("Further names").fill("db")
    joined = answered(page, f"networks/{lone.pk}/connect/", 202, ACCEPTED)
    dialog.get_by_role("button", name="Connect", exact=True).click()
    expect(dialog.locator("[data-submit]")).to_have_attribute("aria-busy", "true")
    assert joined == [{"container": hex_id("web"), "ip": None, "ip6": None, "mac_address": None, "aliases": ["db"]}]
    Endpoint.objects.create(
        network=lone, container_id=hex_id("web"), ip="10.22.0.2", mac="02:42:0a:16:00:02", interface="eth2"
    )
    ended(sockets, "network.connect", host, "1000-1")
    expect(dialog).to_be_hidden()
    sockets.change("network", {"id": lone.pk, "containers": [{"id": hex_id("web")}]}, id="1000-2")
    expect(table.locator('tr[data-name="lone"]')).to_contain_text("10.22.0.2/24")
    left = answered(page, f"networks/{lone.pk}/disconnect/", 409, {"detail": "its ports need it"})
    table.get_by_role("button", name="Disconnect from lone").click()
    expect(page.locator("#confirm-text")).to_contain_text("its address there is given up")
    page.locator("#confirm-yes").click()
    expect(page.locator("#toasts")).to_contain_text("its ports need it")
    assert left == [{"container": hex_id("web")}]


def test_a_container_leaves_the_default_network_on_its_page_and_joins_it_again(
    page: Page, sockets: Sockets, seeded: Seeded
) -> None:
    host, web = seeded.hosts[0], Container.objects.get(name="web")
    visit(page, f"/containers/{web.pk}/")
    sockets.events.wait()
    table = page.locator('[data-fragment="networks"]')
    left = answered(page, "networks/bridge/disconnect/", 202, ACCEPTED)
    table.get_by_role("button", name="Disconnect from the default network").click()
    expect(page.locator("#confirm-text")).to_contain_text("web leaves the default network at once")
    with page.expect_response("**/networks/bridge/disconnect/"):
        page.locator("#confirm-yes").click()
    Container.objects.filter(pk=web.pk).update(on_default=False)
    ended(sockets, "network.disconnect", host, "1000-1")
    sockets.change("network", {"id": 1, "containers": [{"id": web.pk}]}, id="1000-2")
    expect(table.locator('tr[data-id="default"]')).to_have_count(0)
    assert left == [{"container": web.pk}]
    page.get_by_role("button", name="Connect to a network").click()
    dialog = page.locator("#join-dialog")
    expect(dialog.locator("option").last).to_have_text("default network")
    expect(dialog.get_by_label("Further names")).to_be_visible()
    dialog.get_by_label("Network").select_option("bridge")
    for chosen in ("Address", "Further names", "MAC address"):
        expect(dialog.get_by_label(chosen, exact=True)).to_be_hidden()
    expect(dialog.locator("[data-join-help]")).to_contain_text("The host gives it an address there.")
    joined = answered(page, "networks/bridge/connect/", 202, ACCEPTED)
    dialog.get_by_role("button", name="Connect", exact=True).click()
    expect(dialog).to_be_hidden()  # its job has the other one's id, whose end is known
    assert joined == [{"container": web.pk}]


def test_one_like_another_has_the_networks_that_it_is_on_now(seeded: Seeded) -> None:
    web = Container.objects.get(name="web")
    spec = {"network": "front", "ip": "10.20.0.2", "networks": ["gone:ip=10.9.0.2"], "network_alias": ["site"]}
    Container.objects.filter(pk=web.pk).update(spec=spec)
    web.refresh_from_db()
    assert joined_like(web) == {}, "before its host has told of it, what was asked for is all there is"
    web.observed_seq = 7
    Endpoint.objects.create(
        network=Network.objects.get(name="lone"), container=web, ip="10.22.0.2", mac="02:42:0a:16:00:02",
        interface="eth2", aliases=["db"],
    )  # fmt: skip
    assert joined_like(web) == {
        "network": "front",
        "ip": "10.20.0.2",
        "ip6": None,
        "mac_address": None,
        "network_alias": ["site"],
        "networks": ["lone:alias=db"],
    }
    web.on_default = True
    both = joined_like(web)
    assert (both["network"], both["ip"], both["network_alias"]) == ("bridge", None, [])
    assert both["networks"] == ["front:ip=10.20.0.2,alias=site", "lone:alias=db"]
    assert [row["interface"] for row in networking(web)["endpoints"]][:1] == ["eth0"]
    web.on_default = None
    Endpoint.objects.filter(network__name="front").delete()
    assert joined_like(web)["network"] == "lone"
    web.spec = {"network": "bridge"}
    assert joined_like(web) == {"networks": ["lone:alias=db"]}
    web.on_default = False
    assert (joined_like(web)["network"], joined_like(web)["networks"]) == ("lone", [])
    assert [row["network"].name for row in networking(web)["endpoints"]] == ["lone"]
    web.spec = {"network": "none"}
    assert joined_like(web) == {}
