"""What containers, images and hosts say of themselves is text on every page: no markup, no script, no link, no command
to the terminal. The pages' policy is off here, so that whatever gets through runs, and nothing but the pages stops it.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, WebSocketRoute, expect

from tests.support.browser import visit
from tests.support.processes import PATIENCE_SECONDS
from tests.webui.pages.played_images import BASE, TOP, step
from tests.webui.pages.seed import Seeded, hex_id
from tests.webui.pages.sockets import Sockets
from webui.activity.models import Event
from webui.audit.models import AuditEntry
from webui.builds.models import Build
from webui.containers.models import Container
from webui.hosts.models import Host
from webui.images.models import Image
from webui.jobs.models import Job
from webui.networks.models import Endpoint, Network
from webui.recordings.models import Recording
from webui.volumes.models import Volume

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

EVIL = (
    "\"'></title></textarea></script><script>alert(1)</script><img src=evil onerror=alert(2)>"
    '<svg onload=alert(3)></svg><a href="javascript:alert(4)">x</a>'
)
LINK = "javascript:alert(5)//"
COMMANDS = (
    "\x1b]52;c;ZXZpbA==\x07"  # put into the clipboard
    "\x1b]52;c;?\x07"  # read it out
    "\x1b]0;evil title\x07\x1b]2;evil title\x1b\\"
    "\x1b]8;;javascript:alert(6)\x1b\\a link\x1b]8;;\x1b\\"
    '\x1b[21t\x1bP$q"p\x1b\\\x1b]4;1;?\x07'  # report title, state and colours, as if they were typed
)
WATCH = """
  window.seen = [];
  const note = (name) => (...said) => { seen.push([name, ...said]); };
  for (const name of ["alert", "confirm", "prompt", "open"]) window[name] = note(name);
  for (const name of ["writeText", "write", "readText", "read"]) {
    const value = async (...said) => note(name)(...said);
    if (navigator.clipboard) Object.defineProperty(navigator.clipboard, name, { value });
  }
"""
MARKUP = """[...document.querySelectorAll("*")].filter((one) => [...one.attributes].some(({ name, value }) =>
    name.startsWith("on") || (["href", "src"].includes(name) && /^(javascript:|evil)/i.test(value)))
    || (one.localName === "script" && /alert/.test(one.textContent) && !one.src && !/json/.test(one.type)))
  .map((one) => one.outerHTML.slice(0, 200))"""


@pytest.fixture
def context(browser: Browser, live_server: Any) -> Iterator[BrowserContext]:
    opened = browser.new_context(base_url=live_server.url, viewport={"width": 1440, "height": 900}, bypass_csp=True)
    opened.set_default_timeout(PATIENCE_SECONDS * 1000)
    opened.add_init_script(WATCH)
    yield opened
    opened.close()


def assert_nothing_ran(page: Page, where: str) -> None:
    assert page.evaluate("window.seen") == [], where
    assert page.evaluate(MARKUP) == [], where
    assert "evil" not in page.title() or "<" in page.title(), where  # a name in the title is text there


def poison(seeded: Seeded) -> None:
    """Whatever text a host, an image, a container or a registry may choose says what an attacker would."""
    labels = {EVIL: EVIL, "org.opencontainers.image.url": LINK, "org.opencontainers.image.source": LINK}
    spec = {"command": [EVIL, LINK], "entrypoint": [EVIL], "env": {EVIL: EVIL}, "labels": labels, "user": EVIL}
    config = {
        "labels": labels, "cmd": [EVIL], "entrypoint": [EVIL], "env": [f"A={EVIL}"], "user": EVIL, "author": EVIL,
        "working_dir": EVIL, "exposed_ports": [EVIL], "volumes": [EVIL], "stop_signal": EVIL,
    }  # fmt: skip
    Container.objects.update(error=EVIL, image=EVIL)
    for container in Container.objects.all():
        container.name, container.spec = f"{container.pk[:4]}{EVIL}"[:128], {**container.spec, **spec}
        container.userns_problem = EVIL
        checked = {"start": 1764100000.0, "end": 1764100001.0, "output": EVIL, "exit_code": 1}
        container.health = {"status": "unhealthy", "failing_streak": 1, "log": [checked]}
        container.save()
    Image.objects.update(tags=[EVIL, LINK], digests=[EVIL], config=config, architecture=EVIL[-40:], os=EVIL[-40:])
    Host.objects.update(
        kernel=EVIL[:120], operating_system=EVIL[:120], engine_version=EVIL[:40], architecture=EVIL[:40]
    )
    Volume.objects.update(labels=labels, driver_opts={"type": EVIL, "device": LINK})
    Network.objects.update(labels=labels)
    Endpoint.objects.update(aliases=[EVIL])
    Job.objects.update(subject=EVIL, error={"family": EVIL, "message": EVIL, "detail": {EVIL: EVIL}})
    Build.objects.update(name=EVIL, steps=[{"id": "a", "name": EVIL, "stage": EVIL, "inputs": [], "state": "done"}])
    Event.objects.update(name=EVIL, image=EVIL, labels=labels, attributes={EVIL: EVIL, "error": EVIL})
    said: dict[str, Any] = {"object_name": EVIL, "actor_name": EVIL[:150], "agent": EVIL[:200], "error": EVIL}
    AuditEntry.objects.create(door="rest", action="container.create", after={EVIL: EVIL}, before=labels, **said)
    Recording.objects.create(
        team=seeded.team, username=EVIL[:150], session="s", source="exec", command=EVIL, container_id=hex_id("web"),
        container_name=EVIL[:128],
    )  # fmt: skip


def test_what_others_name_and_say_is_text_on_every_page_that_shows_it(
    page: Page, sockets: Sockets, seeded: Seeded
) -> None:
    poison(seeded)
    history = {
        "layers": [{**step(EVIL, 1, layer), "comment": EVIL, "author": EVIL, "tags": [EVIL]} for layer in (TOP, BASE)]
    }
    page.route(re.compile(r".*/api/v1/images/\d+/history/.*"), lambda route: route.fulfill(json=history))
    build = Build.objects.exclude(image_id="")[0]
    for path in (
        "/",
        "/containers/",
        f"/containers/{hex_id('web')}/",
        f"/containers/{hex_id('hog')}/",
        "/images/",
        f"/images/{seeded.images[1].image_id[7:]}/",
        f"/images/{seeded.images[1].image_id[7:]}/?#config",
        f"/containers/new/?like={hex_id('web')}",
        "/volumes/",
        f"/volumes/{seeded.volumes[3].pk}/#details",
        "/networks/",
        "/networks/topology/",
        f"/networks/{Network.objects.all()[0].pk}/",
        "/builds/",
        f"/builds/{build.pk.hex}/",
        "/jobs/",
        f"/jobs/{seeded.jobs['failed'].pk}/",
        "/activity/",
        "/audit/",
        "/recordings/",
        f"/hosts/{seeded.hosts[0].pk}/",
    ):
        visit(page, path)
        page.wait_for_timeout(50)
        assert "Something broke" not in page.title(), path
        assert_nothing_ran(page, path)
        assert "alert(1)" in page.content() or "alert(5)" in page.content(), f"{path} shows none of it"


def test_the_watch_sees_what_would_run(page: Page, sockets: Sockets, seeded: Seeded) -> None:
    """Else the others could not fail."""
    visit(page, "/settings/")
    page.evaluate("(evil) => document.body.insertAdjacentHTML('beforeend', evil)", EVIL)
    page.wait_for_timeout(100)
    assert {first for first, *_ in page.evaluate("window.seen")} == {"alert"}
    assert len(page.evaluate(MARKUP)) >= 3
    page.evaluate("navigator.clipboard.writeText('x')")
    assert page.evaluate("window.seen").pop() == ["writeText", "x"]


def test_a_log_line_is_neither_markup_nor_a_command(page: Page, sockets: Sockets) -> None:
    visit(page, f"/containers/{hex_id('web')}/")
    sockets.logs.wait()
    text = f"{EVIL}\n{LINK}\n{COMMANDS}\nlast\n"
    sockets.logs.send(type="log", cursor=1, chunks=[{"stream": "stdout", "at": 1764100000.5, "text": text}])
    expect(page.locator(".log-line").last).to_have_text("last")
    expect(page.locator(".log-line").first).to_have_text(EVIL)
    page.locator("[data-log-find]").fill("<img")
    page.wait_for_timeout(300)
    assert_nothing_ran(page, "log")
    assert page.locator(".log-rows a, .log-rows img, .log-rows script").count() == 0
    assert page.title().startswith("web")


def test_a_terminal_obeys_no_command_that_reaches_beyond_its_screen(page: Page, sockets: Sockets) -> None:
    """Nor does it answer any that would have the answer typed into the shell."""
    typed: list[bytes] = []
    page.route_web_socket("**/ws/containers/*/exec/**", _shell(f"{EVIL}\r\n{COMMANDS}\r\ndone\r\n".encode(), typed))
    visit(page, f"/containers/{hex_id('web')}/")
    page.locator("#tab-terminal").click()
    expect(page.locator(".xterm-rows")).to_contain_text("done", timeout=30_000)
    link = page.locator(".xterm-rows > div", has_text="a link").bounding_box()
    assert link is not None
    page.mouse.move(link["x"] + 15, link["y"] + link["height"] / 2)
    page.wait_for_timeout(100)
    page.mouse.click(link["x"] + 15, link["y"] + link["height"] / 2)
    page.wait_for_timeout(200)
    assert_nothing_ran(page, "terminal")
    assert page.title().startswith("web")
    answered = b"".join(typed)
    assert b"evil" not in answered and b"]52" not in answered and b"]l" not in answered


def _shell(says: bytes, typed: list[bytes]) -> Callable[[WebSocketRoute], None]:
    """The site's end of a session: it opens, says this, and keeps what is typed."""

    def opened(socket: WebSocketRoute) -> None:
        def hear(message: str | bytes) -> None:
            if isinstance(message, bytes):
                typed.append(message)
            elif '"open"' in message:
                socket.send('{"type": "opened", "session": "s", "recording": null}')
                socket.send(struct.pack(">BQ", 1, len(says)) + says)

        socket.on_message(hear)

    return opened
