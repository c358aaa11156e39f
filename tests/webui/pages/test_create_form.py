"""The form that makes a container."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone
from playwright.sync_api import Page, expect

from tests.support.browser import visit
from tests.support.valkey import Valkey
from tests.webui.pages.seed import PASSWORD, Seeded, hex_id
from tests.webui.pages.sockets import Sockets
from webui.accounts.models import Membership, Role, User
from webui.containers.models import Container
from webui.hosts.models import Host

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

PATH = "/containers/new/"


def test_what_is_typed_is_shown_as_docker_and_as_rest_and_is_created(
    page: Page, sockets: Sockets, seeded: Seeded, site_broker: Valkey
) -> None:
    visit(page, f"{PATH}?image=alpine")
    page.get_by_label("Name", exact=True).fill("ticker")
    page.get_by_label("Command").fill("""sh -c 'while true; do echo "a b"; done'""")
    expect(page.locator(".piece")).to_have_text(["sh", "-c", 'while true; do echo "a b"; done'])
    page.get_by_role("button", name="Add variable").click()
    page.get_by_label("Variable name").fill("GREETING")
    page.get_by_label("Variable value").fill("hello world")
    page.get_by_role("button", name="Publish a port").click()
    assert page.get_by_label("Address on the host").input_value() == "127.0.0.1"
    page.get_by_label("Port on the host").fill("8081-8085")
    page.get_by_label("Port in the container").fill("80")
    page.get_by_label("Memory", exact=True).fill("64")
    page.get_by_label("CPU cores").fill("0.5")
    page.get_by_label("Start again by itself").select_option("on-failure")
    page.get_by_label("At most so many times").fill("3")
    expect(page.locator('[data-as="docker"]')).to_have_text(
        "docker run -d --name ticker -e 'GREETING=hello world' -p 127.0.0.1:8081-8085:80 --memory 64m --cpus 0.5 "
        """--restart on-failure:3 alpine sh -c 'while true; do echo "a b"; done'"""
    )
    expect(page.locator('[data-as="rest"]')).to_contain_text('"memory_bytes": 67108864')
    page.get_by_role("button", name="Create and start").click()
    page.wait_for_url(lambda url: "/new/" not in url)
    made = Container.objects.get(name="ticker").spec
    assert made["command"] == ["sh", "-c", 'while true; do echo "a b"; done']
    assert made["env"] == {"GREETING": "hello world"}
    assert made["ports"] == [
        {"container": 80, "host": 8081, "host_last": 8085, "protocol": "tcp", "address": "127.0.0.1"}
    ]
    assert (made["memory_bytes"], made["cpus"], made["restart"], made["restart_limit"]) == (
        64 << 20,
        0.5,
        "on-failure",
        3,
    )


def test_errors_stand_beside_their_fields(page: Page, sockets: Sockets, seeded: Seeded, site_broker: Valkey) -> None:
    visit(page, PATH)
    page.get_by_role("button", name="Create and start").click()
    expect(page.locator("#image-problem")).to_have_text("Name an image.")
    expect(page.get_by_label("Image", exact=True)).to_be_focused()
    page.get_by_label("Image", exact=True).fill("UPPER/Case")
    page.get_by_label("Name", exact=True).fill("no spaces please")
    page.get_by_label("Memory", exact=True).fill("1")
    page.get_by_label("CPU cores").fill("0")
    page.get_by_role("button", name="Publish a port").click()
    page.get_by_label("Port in the container").fill("99999")
    page.get_by_role("button", name="Create and start").click()
    expect(page.locator("#memory-problem")).to_contain_text("6 MiB")
    expect(page.locator("[data-row-problem]")).to_contain_text("1 to 65535")
    expect(page.get_by_label("Port in the container")).to_have_attribute("aria-invalid", "true")
    page.get_by_label("Memory", exact=True).fill("64")
    page.get_by_label("Port in the container").fill("80")
    page.get_by_label("Address on the host").fill("localhost")
    page.get_by_role("button", name="Create and start").click()
    expect(page.locator("#image-problem")).not_to_be_empty()
    expect(page.locator("#name-problem")).to_contain_text("letters, digits")
    expect(page.locator("#memory-problem")).to_be_empty()
    expect(page.locator("#cpus-problem")).to_contain_text("0.01")
    expect(page.locator("[data-row-problem]")).to_contain_text("Give an address of the host")
    expect(page.get_by_label("Address on the host")).to_have_attribute("aria-invalid", "true")
    page.get_by_label("Command").fill("sh -c 'not closed")
    page.get_by_role("button", name="Create and start").click()
    expect(page.locator("#command-problem")).to_have_text("A single quote is not closed.")


def test_a_taken_name_is_told_beside_the_name(
    page: Page, sockets: Sockets, seeded: Seeded, site_broker: Valkey
) -> None:
    visit(page, f"{PATH}?image=alpine")
    page.get_by_label("Name", exact=True).fill("web")
    page.get_by_role("button", name="Create and start").click()
    expect(page.locator("#name-problem")).to_contain_text("already on the host pier")
    expect(page.get_by_role("button", name="Create and start")).not_to_have_attribute("aria-busy", "true")


def test_one_like_another_is_filled_in(page: Page, sockets: Sockets, seeded: Seeded) -> None:
    visit(page, f"{PATH}?like={hex_id('web')}")
    expect(page.locator('[data-as="docker"]')).to_have_text(
        "docker run -d -e TZ=Asia/Seoul -e NGINX_HOST=harbour.example -p 127.0.0.1:8080:80 --memory 256m --cpus 1.5 "
        "--restart unless-stopped nginx:1.29-alpine"
    )


def test_one_like_another_goes_to_its_host_and_keeps_a_free_port_free(
    page: Page, sockets: Sockets, seeded: Seeded
) -> None:
    buoy = seeded.hosts[1]
    Host.objects.filter(pk=buoy.pk).update(heartbeat_at=timezone.now() + timedelta(days=1))
    asked = [{"container": 80, "host": None, "protocol": "tcp", "address": "127.0.0.1"}]
    Container.objects.filter(pk=hex_id("web")).update(host=buoy, spec={"ports": asked})
    visit(page, f"{PATH}?like={hex_id('web')}")
    expect(page.get_by_label("Host", exact=True)).to_have_value(buoy.pk)
    expect(page.locator('[data-as="docker"]')).to_contain_text("-p 127.0.0.1::80")


def test_a_command_keeps_its_lines(page: Page, sockets: Sockets, seeded: Seeded) -> None:
    script = "echo one\necho two"
    Container.objects.filter(pk=hex_id("web")).update(spec={"command": ["sh", "-c", script]})
    visit(page, f"{PATH}?like={hex_id('web')}")
    expect(page.locator(".piece").last).to_have_text(script)
    assert "'echo one\necho two'" in page.locator('[data-as="docker"]').inner_text()


def test_images_of_the_host_are_suggested_with_their_ports(page: Page, sockets: Sockets, seeded: Seeded) -> None:
    visit(page, PATH)
    suggested = page.locator("#image-list option").evaluate_all("(all) => all.map((one) => one.value)")
    assert "postgres:17" in suggested
    page.get_by_label("Image", exact=True).fill("postgres:17")
    expect(page.locator("[data-image-help]")).to_contain_text("On pier already")
    page.get_by_role("button", name="Publish a port").click()
    assert page.get_by_label("Port in the container").input_value() == "5432"


def test_words_are_cut_as_a_shell_does(page: Page, sockets: Sockets) -> None:
    lines = {
        "a  b\tc": ["a", "b", "c"],
        "'a b' \"c d\"": ["a b", "c d"],
        r"a\ b": ["a b"],
        r'"a\"b\n"': ['a"b\\n'],
        "''": [""],
        "$HOME `x` *": ["$HOME", "`x`", "*"],
    }
    visit(page, "/password/")
    script = """async (lines) => {
      const { splitWords, joinWords } = await import("/static/js/shell.js");
      return lines.map((line) => [splitWords(line), splitWords(joinWords(splitWords(line)))]);
    }"""
    result: Any = page.evaluate(script, list(lines))
    assert result == [[words, words] for words in lines.values()]


def test_the_form_says_where_the_team_publishes(
    page: Page, sockets: Sockets, seeded: Seeded, site_broker: Valkey, live_server: Any
) -> None:
    visit(page, "/settings/")
    form = page.locator(f'[data-publish-form="{seeded.team.pk}"]')
    form.get_by_label("Addresses besides 127.0.0.1").fill("10.0.0.0/8, nowhere")
    form.get_by_role("button", name="Save").click()
    expect(form.locator('[data-problem="publish_addresses"]')).to_contain_text("nowhere is no address")
    form.get_by_label("Addresses besides 127.0.0.1").fill("10.0.0.0/8")
    form.get_by_label("Without an address").fill("10.0.0.5")
    form.get_by_role("button", name="Save").click()
    expect(page.locator("#toasts")).to_contain_text("Saved.")
    member = User.objects.create_user(username="member", password=PASSWORD)
    Membership.objects.create(team=seeded.team, user=member, role=Role.DEVELOPER)
    client = Client()
    client.force_login(member)
    page.context.add_cookies(
        [{"name": "sessionid", "value": client.cookies["sessionid"].value, "url": live_server.url}]
    )
    visit(page, f"{PATH}?image=alpine")
    expect(page.locator("[data-publish-help]")).to_have_text(
        "Your team publishes at 127.0.0.1 and 10.0.0.0/8; an administrator may allow more."
    )
    page.get_by_role("button", name="Publish a port").click()
    expect(page.get_by_label("Address on the host")).to_have_value("10.0.0.5")
    page.get_by_label("Port in the container").fill("80")
    page.get_by_label("Address on the host").fill("0.0.0.0")
    page.get_by_role("button", name="Create and start").click()
    expect(page.locator("[data-row-problem]")).to_contain_text("ask an administrator to allow 0.0.0.0")
    page.get_by_label("Address on the host").fill("10.0.0.7")
    page.get_by_role("button", name="Create and start").click()
    page.wait_for_url(lambda url: "/new/" not in url)
    visit(page, "/settings/")
    expect(page.locator("[data-publish-form]")).to_have_count(0)
