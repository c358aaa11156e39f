"""Every page in a real browser: no script error, nothing against the policy, nothing too wide, axe finds nothing."""

from __future__ import annotations

from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, expect

from tests.support.browser import visit
from tests.webui.pages.seed import NASTY, Seeded, hex_id
from tests.webui.pages.sockets import Sockets
from webui.accounts.invitations import invitation_create
from webui.networks.models import Network

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

SIZES = [(1440, "dark"), (390, "light")]
BROKEN_WORDS = """[...document.querySelectorAll('.segmented a, .button')].filter((link) => {
  const range = document.createRange();
  return [...link.childNodes].some((node) => {
    if (node.nodeType !== Node.TEXT_NODE || !node.data.trim()) return false;
    range.selectNodeContents(node);
    const lines = [...range.getClientRects()].filter((rect) => rect.width > 1).map((rect) => Math.round(rect.top));
    return new Set(lines).size > 1;
  });
}).map((link) => link.textContent.trim())"""
"""Of what is to be read at a glance: what runs over several lines."""


def paths(seeded: Seeded) -> list[str]:
    return [
        "/",
        "/containers/",
        "/containers/?q=nothing-has-this-name",
        "/containers/new/?image=nginx",
        *(f"/containers/{hex_id(name)}/" for name in ("web", "hog", NASTY)),
        "/images/",
        "/images/?pull",
        *(f"/images/{seeded.images[1].image_id[7:]}/{tab}" for tab in ("", "?#waste", "?&#config", "?x#users")),
        "/registries/",
        "/volumes/",
        "/volumes/?q=none",
        "/volumes/?sort=size&status=unused",
        *(
            f"/volumes/{seeded.volumes[number].pk}/{tab}"
            for number, tab in (
                (0, ""),
                (0, "?path=/none"),
                (0, "#size"),
                (2, "#size"),
                (1, "#users"),
                (0, "#backups"),
                (3, "#details"),
            )
        ),
        "/builds/",
        "/builds/?q=none",
        "/builds/rules/",
        "/builds/new/",
        f"/builds/new/?again={hex_id(NASTY)[:32]}",
        *(f"/builds/{hex_id(name)[:32]}/" for name in ("harbour:2.1", "harbour:2.0", NASTY)),
        f"/builds/{hex_id('harbour:2.0')[:32]}/compare/{hex_id(NASTY)[:32]}/",
        "/networks/",
        "/networks/?q=none",
        "/networks/topology/",
        *(f"/networks/{network.pk}/" for network in Network.objects.all()),
        "/jobs/",
        "/activity/",
        "/audit/",
        "/audit/?search=none-of-this",
        "/activity/?event=never",
        *(f"/jobs/{seeded.jobs[name].pk}/" for name in ("pull", "nasty")),
        f"/hosts/{seeded.hosts[0].pk}/",
        "/hosts/new/",
        *(
            f"/settings/{tab}"
            for tab in ("", "password/", "second-factor/", "passkeys/", "sessions/", "tokens/", "sign-in/")
        ),
        "/settings/confirm/",
        "/people/",
        "/people/?q=nobody-has-this-name",
        "/teams/",
        "/roles/",
        *(
            f"/teams/{seeded.team.pk}/{tab}"
            for tab in ("", "?#invitations", "?&#accounts", "?x#hosts", "?y#policies", "?z#webhooks")
        ),
        f"/invitations/{invitation_create(user=seeded.admin, team=seeded.team, role='viewer')[1]}/",
    ]


@pytest.mark.parametrize(("width", "scheme"), SIZES)
def test_every_page_is_sound(
    width: int, scheme: Any, page: Page, sockets: Sockets, seeded: Seeded, problems: list[str]
) -> None:
    page.set_viewport_size({"width": width, "height": 850})
    page.emulate_media(color_scheme=scheme)
    for path in paths(seeded):
        visit(page, path)
        page.wait_for_timeout(50)
        assert problems == [], path
        assert page.title() != "1", f"{path} reads names as markup"
        assert page.locator('img[src="x"]').count() == 0, path
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), f"{path} is wider than the screen"
        assert page.evaluate(BROKEN_WORDS) == [], path
        found = Axe().run(page).response["violations"]
        serious = [
            (rule["id"], [node["html"][:160] for node in rule["nodes"]])
            for rule in found
            if rule["impact"] in ("serious", "critical")
        ]
        assert serious == [], path


def test_live_changes_are_never_read_as_markup(page: Page, sockets: Sockets, seeded: Seeded) -> None:
    visit(page, "/containers/")
    item = page.evaluate("fetch('/api/v1/containers/').then((answer) => answer.json())")["results"][0]
    sockets.change(
        "container", {**item, "name": NASTY, "image": NASTY, "error": NASTY, "host": {"id": "x", "name": NASTY}}
    )
    expect(page.locator(f'tr[data-id="{item["id"]}"] .name')).to_have_text(NASTY)
    visit(page, "/images/")
    jobs = page.evaluate("fetch('/api/v1/jobs/?status=running').then((answer) => answer.json())")["results"]
    job = next(job for job in jobs if job["kind"] == "image.pull")
    layer = {"id": NASTY, "status": NASTY, "done_bytes": 1, "total_bytes": 2}
    error = {"family": NASTY, "message": NASTY, "detail": {}}
    sockets.change("job", {**job, "subject": NASTY, "error": error, "progress": {"phase": NASTY, "items": [layer]}})
    expect(page.locator('[data-layers] [data-field="id"]').first).to_have_text(NASTY)
    assert page.title() != "1"
    assert page.locator('img[src="x"]').count() == 0


def test_the_browser_formats_as_the_site_does(page: Page, sockets: Sockets) -> None:
    from webui.pages.templatetags.portside import share, size, span

    visit(page, "/settings/")
    counts = [0, 1, 999, 1000, 1023, 1536, 10**6, 64 << 20, 1023 << 20, 5 << 30, 140 << 30, 3 << 40]
    spans = [0, 0.04, 9.96, 10, 59.9, 61, 3599, 3600, 86399, 86400, 10**7]
    shares = [[0, 1], [10 << 30, 16 << 30], [1 << 20, 5 << 30], [212 << 30, 500 << 30]]
    script = """async ([counts, spans, shares]) => {
      const { size, span, share } = await import("/static/js/format.js");
      return [counts.map(size), spans.map(span), shares.map(([used, total]) => share(used, total))];
    }"""
    theirs = page.evaluate(script, [counts, spans, shares])
    assert theirs == [list(map(size, counts)), list(map(span, spans)), [share(used, total) for used, total in shares]]
