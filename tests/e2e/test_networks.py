"""Over REST and in Chromium, on the real kernel: a network, two containers that reach one another, and the picture."""

from __future__ import annotations

import contextlib
import secrets
import socket
from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from tests.e2e.test_browser_journey import browser, page, problems  # noqa: F401
from tests.support.browser import visit
from tests.support.portside import Portside
from tests.support.processes import eventually

pytestmark = [pytest.mark.root, pytest.mark.registry, pytest.mark.browser]

PATH = "/api/v1/networks/"
SERVER = "while :; do echo ahoy | nc -l -p 8080; done"
# The server takes one caller at a time, and is not there in between.
CALL = "until nc -w 5 {} 8080 </dev/null | grep ahoy; do sleep 0.1; done"


def insist(click: Callable[[], object], done: Callable[[], object], what: str) -> None:
    """Click until it has had its effect: Chromium breaks off what a page sends while containers bring the machine
    addresses and take them away, and the page says so to a person, who tries again."""
    for _ in range(8):
        click()
        with contextlib.suppress(AssertionError):
            eventually(done, seconds=15, what=what)
            return
    raise AssertionError(f"{what} did not come about, however often it was asked for")


def test_containers_of_a_network_reach_one_another_and_are_seen_to(
    portside: Portside,
    tiny_image: str,
    page: Page,  # noqa: F811
) -> None:
    rest = portside.rest
    tail = secrets.token_hex(3)  # a second try finds what a first has left
    quay, crane, tugboat = f"e2e-quay-{tail}", f"e2e-crane-{tail}", f"e2e-tug-{tail}"

    def network() -> dict[str, Any] | None:
        return next(iter(rest.rows(f"{PATH}?name={quay}")), None)

    def on_it() -> set[str]:
        return {one["name"] for one in (network() or {"containers": []})["containers"]}

    rest.succeed(rest.post(PATH, {"name": quay}))
    eventually(network, what="the network that was made")
    wrong = quay.replace("quay", "qay")
    missing = rest.create(tiny_image, "true", network=wrong).json
    assert f"There is no network {wrong} on the host tests: did you mean {quay}" in missing["errors"]["network"][0]
    ports = [{"container": 8080}]
    server = rest.run(tiny_image, "sh", "-c", SERVER, name=crane, network=quay, ports=ports)
    eventually(lambda: on_it() == {crane}, what="who is on it")
    found = network()
    assert found is not None
    address, key = found["containers"][0]["ip"], f"n{found['id']}"

    visit(page, f"/containers/new/?image={tiny_image}&network={quay}")
    page.get_by_label("Name", exact=True).fill(tugboat)
    calls = "; ".join(CALL.format(where) for where in (address, crane))
    page.get_by_label("Command").fill(f"sh -c '{calls}; echo both; exec sleep 1000'")
    create = page.get_by_role("button", name="Create and start")

    def second() -> dict[str, Any] | None:
        return next(iter(rest.rows(f"/api/v1/containers/?name={tugboat}")), None)

    insist(lambda: create.is_visible() and create.click(), second, "the second one")
    tug = second()
    assert isinstance(tug, dict)
    eventually(lambda: rest.logs(tug["id"]) == "ahoy\nahoy\nboth\n", what="both ways, by address and by name")

    published = rest.container(server["id"])["ports"][0]
    assert published["address"] == "127.0.0.1"

    def answers() -> bool:
        try:
            with socket.create_connection(("127.0.0.1", published["host"]), 5) as connection:
                return connection.recv(100) == b"ahoy\n"
        except OSError:
            return False

    eventually(answers, what="an answer from the published port")

    visit(page, "/networks/topology/")
    links = [page.locator(f'.link[data-from="{key}"][data-to="c{one["id"]}"]') for one in (server, tug)]
    for link in links:
        expect(link).to_have_count(1)
    port = page.locator(".node-port", has_text=f"{published['host']} → 8080")
    expect(port).to_have_attribute("href", f"http://127.0.0.1:{published['host']}/")
    rest.succeed(rest.post(f"{found['url']}disconnect/", {"container": tugboat}))
    expect(links[1]).to_have_count(0)
    expect(links[0]).to_have_count(1)

    visit(page, f"/containers/{tug['id']}/")
    table = page.locator('[data-fragment="networks"]')
    expect(table).to_contain_text("It is on no network now.")
    rest.succeed(rest.post("/api/v1/networks/bridge/connect/", {"container": tug["id"]}))
    expect(table.locator('tr[data-id="default"]')).to_contain_text("eth0")
    leave = table.get_by_role("button", name="Disconnect from the default network")
    yes = page.locator("#confirm-yes")
    insist(
        lambda: yes.click() if yes.is_visible() else leave.is_visible() and leave.click(),
        lambda: rest.container(tug["id"])["ip_address"] is None,
        "that it has left the default network",
    )
    expect(table).to_contain_text("It is on no network now.")
    page.get_by_role("button", name="Connect to a network").click()
    dialog = page.locator("#join-dialog")
    dialog.get_by_label("Network").select_option(str(found["id"]))
    dialog.get_by_label("Further names").fill("pusher")
    connect = dialog.get_by_role("button", name="Connect", exact=True)
    insist(
        lambda: connect.is_visible() and connect.click(),
        lambda: on_it() == {crane, tugboat},
        "that it has joined again",
    )
    expect(table.locator(f'tr[data-name="{quay}"]')).to_contain_text("pusher")

    assert rest.delete(found["url"]).status == 409
    for one in (server, tug):
        rest.remove(one["id"])
    eventually(lambda: on_it() == set(), what="that both have left")
    rest.succeed(rest.delete(found["url"]))
    eventually(lambda: network() is None, what="the end of the network")
