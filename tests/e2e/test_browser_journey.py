"""The main job as a person does it: sign in, pull, run, watch, stop, start, remove, in Chromium, nothing played."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.support.browser import NETWORK_CHANGED, chromium, visit
from tests.support.portside import ADMIN_PASSWORD, Portside
from tests.support.processes import eventually

pytestmark = [pytest.mark.root, pytest.mark.registry, pytest.mark.browser]

LOOP = "sh -c 'n=0; trap \"echo bye; exit 3\" TERM; while true; do n=$((n+1)); echo tick $n; sleep 0.2; done'"


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as opened:
        yield opened


@pytest.fixture
def problems() -> list[str]:
    return []


@pytest.fixture
def page(browser: Browser, portside: Portside, problems: list[str]) -> Iterator[Page]:
    """Signed in, on the overview."""
    context = browser.new_context(base_url=portside.url, viewport={"width": 1440, "height": 900})
    context.set_default_timeout(60_000)
    opened = context.new_page()
    opened.on("pageerror", lambda error: problems.append(str(error)))
    opened.on("console", lambda message: problems.append(message.text) if "Security Policy" in message.text else None)
    visit(opened, "/")
    opened.get_by_label("User name").fill("admin")
    opened.get_by_label("Password").fill(ADMIN_PASSWORD)
    opened.keyboard.press("Enter")
    expect(opened.get_by_role("heading", name="Overview")).to_be_visible()
    yield opened
    context.close()


def run(page: Page, image: str, name: str, command: str, *, memory: str = "") -> None:
    visit(page, f"/containers/new/?image={image}")
    page.get_by_label("Name", exact=True).fill(name)
    page.get_by_label("Command").fill(command)
    page.get_by_label("Memory", exact=True).fill(memory)
    page.get_by_role("button", name="Create and start").click()
    page.wait_for_url(lambda url: "/new/" not in url)
    path = page.url
    visit(page, path)  # should the new bridge have broken what was loading (see `visit`)


def status(page: Page, word: str) -> None:
    expect(page.locator("h1 + .status")).to_have_text(word)


def test_pull_run_watch_stop_start_and_remove(
    page: Page, portside: Portside, debian_image: str, problems: list[str]
) -> None:
    for image in portside.rest.rows("/api/v1/images/"):
        portside.rest.succeed(portside.rest.delete(f"/api/v1/images/{image['id']}/?force=true"))

    visit(page, "/images/?pull")
    page.get_by_label("Reference").fill(debian_image)
    page.get_by_role("button", name="Pull", exact=True).click()
    card = page.locator("[data-pull]")
    expect(card.locator(".layer")).to_have_count(4)
    expect(card).to_have_attribute("data-status", "succeeded", timeout=120_000)
    row = page.locator('tr[data-kind="image"]')
    expect(row).to_contain_text(debian_image.removeprefix("docker.io/library/"))

    run(page, debian_image, "watched", LOOP)
    status(page, "Running")
    expect(page.locator(".log-line").first).to_have_text("tick 1")
    expect(page.locator(".log-line").nth(4)).to_have_text("tick 5")
    expect(page.locator("[data-now='memory']")).to_contain_text("iB")

    # A second page, open all the while, follows by itself.
    other = page.context.new_page()
    visit(other, "/containers/")
    shown = other.locator("tr", has_text="watched")
    expect(shown).to_have_attribute("data-status", "running")

    page.get_by_role("button", name="Stop", exact=True).click()
    status(page, "Stopped")
    expect(page.locator(".log-line").last).to_have_text("bye")
    expect(page.get_by_text("The program ended with exit code 3.")).to_be_visible()
    expect(shown).to_have_attribute("data-status", "stopped")

    lines = page.locator(".log-line").all_inner_texts()
    page.get_by_role("button", name="Start", exact=True).click()
    status(page, "Running")
    expect(page.locator(".log-line").nth(len(lines))).to_have_text("tick 1")
    assert page.locator(".log-line").all_inner_texts()[: len(lines)] == lines, "the first run's log stands as it was"

    page.get_by_label("More actions").click()
    page.get_by_role("button", name="Remove").click()
    page.get_by_label("It is running: stop it first").check()
    page.get_by_role("dialog").get_by_role("button", name="Remove").click()
    page.wait_for_url("**/containers/")
    expect(shown).to_have_count(0)
    expect(page.locator("tr", has_text="watched")).to_have_count(0)
    assert [problem for problem in problems if NETWORK_CHANGED not in problem] == []


def test_a_starter_image_runs_without_a_registry_within_a_minute(page: Page, portside: Portside) -> None:
    begin = time.monotonic()
    visit(page, "/images/")
    page.get_by_label("More actions").click()
    page.locator(".menu-list").get_by_role("button", name="Make a starter image").click()
    expect(page.locator(".toast")).to_contain_text("The starter image is ready", timeout=50_000)
    run(page, "portside/starter:latest", "starter", "sh -c 'echo ahoy; sleep 60'")
    expect(page.locator(".log-line")).to_have_text("ahoy")
    assert time.monotonic() - begin < 60
    portside.rest.remove(page.url.rstrip("/").rpartition("/")[2])


def test_what_goes_wrong_on_the_host_is_told_on_the_page(page: Page, portside: Portside, tiny_image: str) -> None:
    run(page, tiny_image, "typo", "no-such-program")
    expect(page.get_by_text("The command was not found in the image (exit code 127).")).to_be_visible()
    run(page, tiny_image, "hog", "tail /dev/zero", memory="32")
    expect(page.get_by_text("it reached its memory limit of 32 MiB")).to_be_visible()
    visit(page, "/images/?pull")
    page.get_by_label("Reference").fill("127.0.0.1:1/nothing/here")
    page.get_by_role("button", name="Pull", exact=True).click()
    notice = page.locator("[data-pull] .notice-bad").first
    expect(notice).to_contain_text("127.0.0.1:1")
    expect(notice).to_contain_text("try again")
    for container in portside.rest.rows("/api/v1/containers/"):
        if container["name"] in ("typo", "hog"):
            portside.rest.remove(container["id"])


def test_a_terminal_is_a_shell_in_the_container(
    page: Page, portside: Portside, tiny_image: str, problems: list[str]
) -> None:
    container = portside.rest.run(tiny_image, "sleep", "600")
    visit(page, f"/containers/{container['id']}/")
    page.get_by_role("tab", name="Terminal").click()
    screen = page.locator(".xterm-rows")
    expect(page.locator("[data-terminal-state]")).to_have_text("Connected")
    expect(screen).to_contain_text("#")
    page.keyboard.type("echo $((6*7)). && hostname\n")
    expect(screen).to_contain_text("42.")
    expect(screen).to_contain_text(container["id"][:12])
    page.keyboard.type("exit 3\n")
    expect(screen).to_contain_text("Ended with code 3.")
    page.keyboard.press("Enter")
    expect(page.locator("[data-terminal-state]")).to_have_text("Connected")
    page.keyboard.type("echo again$((1+1))\n")
    expect(screen).to_contain_text("again2")
    page.get_by_role("button", name="Close shell 1").click()
    portside.rest.act(container["id"], "kill")
    expect(page.get_by_text("A terminal needs a running container")).to_be_visible()
    page.get_by_role("tab", name="Log").press("ArrowRight")
    assert page.url.endswith("#terminal")
    assert problems == []


def test_attaching_is_to_the_process_of_the_container_and_leaving_it_ends_nothing(
    page: Page, portside: Portside, tiny_image: str, problems: list[str]
) -> None:
    script = "echo started; while read line; do echo got-$line; done"
    container = portside.rest.run(tiny_image, "sh", "-c", script, tty=True, stdin_open=True)
    visit(page, f"/containers/{container['id']}/")
    page.get_by_role("tab", name="Terminal").click()
    expect(page.locator("[data-terminal-state]")).to_have_text("Connected")  # a shell opens by itself, as the first
    page.get_by_role("button", name="Attach", exact=True).click()
    screen = page.locator(".terminal-box:not([hidden]) .xterm-rows")
    expect(screen).to_contain_text("started")
    expect(page.locator("[data-terminal-state]")).to_have_text("Connected")
    page.keyboard.type("it\n")
    expect(screen).to_contain_text("got-it")
    page.get_by_role("button", name="Close attached 2").click()
    page.get_by_role("tab", name="Log").click()
    expect(page.locator("#view-log")).to_contain_text("got-it")
    assert portside.rest.container(container["id"])["status"] == "running"
    portside.rest.remove(container["id"])
    assert problems == []


def test_a_container_is_recreated_with_changes_and_stays_when_that_fails(
    page: Page, portside: Portside, tiny_image: str, problems: list[str]
) -> None:
    old = portside.rest.run(tiny_image, "sleep", "600", name="gull", env={"A": "1"}, ports=[{"container": 80}])
    visit(page, f"/containers/{old['id']}/")
    page.get_by_label("More actions").click()
    page.get_by_role("link", name="Recreate with changes").click()
    expect(page.get_by_label("Name", exact=True)).to_have_value("gull")
    page.get_by_label("Variable value").fill("2")
    page.get_by_role("button", name="Replace gull").click()
    page.wait_for_url(lambda url: "/new/" not in url)
    (new,) = portside.rest.rows("/api/v1/containers/")
    assert new["id"] != old["id"]
    assert (new["name"], new["env"], new["status"]) == ("gull", {"A": "2"}, "running")

    visit(page, f"/containers/new/?like={new['id']}&replace")
    page.get_by_label("Command").fill("no-such-program")
    page.get_by_role("button", name="Replace gull").click()
    expect(page.locator("[data-form-problem]")).to_contain_text("no-such-program")
    (kept,) = portside.rest.rows("/api/v1/containers/")
    assert (kept["id"], kept["name"], kept["status"]) == (new["id"], "gull", "running")
    expect(page.locator("[data-form-problem]")).to_contain_text("container gull is as it was")
    page.get_by_label("In place of gull").uncheck()
    expect(page.get_by_label("Name", exact=True)).to_have_value("")
    expect(page.get_by_role("button", name="Create and start")).to_be_visible()
    assert problems == []


def test_a_container_is_recreated_as_it_is_and_goes_on_with_its_volumes(
    page: Page, portside: Portside, tiny_image: str, problems: list[str]
) -> None:
    rest = portside.rest
    script = "echo run >> /data/runs; cat /data/runs; exec sleep 600"
    old = rest.run(tiny_image, "sh", "-c", script, name="auk", volumes=["/data"], stop_timeout=1)
    (volume,) = eventually(lambda: rest.container(old["id"])["mounted"], what="its volume")
    visit(page, f"/containers/{old['id']}/")
    page.get_by_label("More actions").click()
    page.get_by_role("button", name="Recreate as it is").click()
    page.get_by_label("Pull its image before").check()
    page.locator("#confirm-yes").click()
    page.wait_for_url(lambda url: "/containers/" in url and old["id"] not in url)
    expect(page.locator("h1")).to_have_text("auk")
    expect(page.locator("#container")).to_have_attribute("data-status", "running")
    (new,) = rest.rows("/api/v1/containers/?name=auk")
    assert (new["command"], new["volumes"], new["pull"]) == (old["command"], ["/data"], "always")
    assert new["mounted"] == [volume]
    eventually(lambda: rest.logs(new["id"]) == "run\nrun\n", what="what the old one has written")
    rest.remove(new["id"])
    assert problems == []


def test_a_recreation_with_a_fixed_address_goes_on_when_its_page_is_closed(
    page: Page, portside: Portside, tiny_image: str, problems: list[str]
) -> None:
    rest = portside.rest
    rest.succeed(rest.post("/api/v1/networks/", {"name": "quay", "subnet": "10.98.3.0/24"}))
    network = eventually(lambda: next(iter(rest.rows("/api/v1/networks/?name=quay")), None), what="the network")
    at = {"network": "quay", "ip": "10.98.3.7"}
    old = rest.run(tiny_image, "sleep", "600", name="tern", stop_timeout=2, env={"A": "1"}, **at)
    visit(page, f"/containers/new/?like={old['id']}&replace")
    page.get_by_label("Variable value").fill("2")
    with page.expect_response(lambda answer: answer.url.endswith("/recreate/")) as answered:
        page.get_by_role("button", name="Replace tern").click()
    job = answered.value.json()["job"]["id"]
    page.goto("about:blank")
    eventually(lambda: rest.get(f"/api/v1/jobs/{job}/").json["status"] == "succeeded", what="the end of the job")
    (new,) = rest.rows("/api/v1/containers/?search=tern")
    assert (new["name"], new["env"], new["status"]) == ("tern", {"A": "2"}, "running")
    assert new["id"] != old["id"]
    found = rest.get(f"/api/v1/networks/{network['id']}/").json
    assert [(one["name"], one["ip"]) for one in found["containers"]] == [("tern", "10.98.3.7")]
    rest.remove(new["id"])
    assert problems == []
