"""Pages offer what somebody may do, and nothing that would be refused; without a host they say why there is none."""

from __future__ import annotations

import re

import pytest
from django.test import Client
from playwright.sync_api import BrowserContext, Page, expect

from tests.support.browser import visit
from tests.webui.cast import CONTAINER_ID, IMAGE_ID, Caller, caller, member
from tests.webui.pages.seed import Seeded, hex_id
from tests.webui.pages.sockets import Sockets
from tests.webui.pages.test_access import browser_of
from tests.webui.site_broker import HOST_ID
from webui.accounts.models import CustomRole, Grant, Membership, Role, Team
from webui.builds.models import Build
from webui.containers.models import Container
from webui.hosts.models import Host
from webui.images.models import Image
from webui.jobs.models import Job

FIRST_START = "No host has called yet"
ELSEWHERE = "No host is open to your team"
TEAMLESS = "You are in no team yet"
NOT_ALLOWED = "Your role does not allow this"


def shown(who: Caller, path: str) -> str:
    response = browser_of(who).get(path)
    assert response.status_code == 200
    return str(response.content.decode())


def in_role(role: str, team: Team) -> Caller:
    return caller(member(role, team, role))


def row_of(text: str) -> str:
    """What the row of the one container holds."""
    found = re.search(r'<tr [^>]*data-kind="container">.*?</tr>', text, re.DOTALL)
    assert found
    return found[0]


NEW, PULL, PRUNE, TICK = "/containers/new/", "/images/?pull", "data-prune", "data-tick"
LISTS = ("/", "/containers/", f"/hosts/{HOST_ID}/")


@pytest.mark.parametrize(
    ("role", "has", "in_row"),
    [
        (Role.VIEWER, (), ()),
        (Role.OPERATOR, (TICK,), ("start", "pause", "kill")),
        (Role.DEVELOPER, (NEW, PULL, PRUNE, TICK), ("start", "pause", "kill", "rename", "remove")),
    ],
)
def test_containers_are_offered_with_what_a_role_allows(
    role: str, has: tuple[str, ...], in_row: tuple[str, ...], team: Team, container: Container
) -> None:
    who = in_role(role, team)
    pages = {path: shown(who, path) for path in LISTS}
    assert {one for one in (NEW, PULL, PRUNE, TICK) if one in "".join(pages.values())} == set(has)
    for path, text in pages.items():
        assert (NEW in text) is (NEW in has), path
        actions = ("start", "pause", "kill", "rename", "remove")
        assert tuple(one for one in actions if f'data-action="{one}"' in row_of(text)) == in_row, path
        assert ("<details" in row_of(text)) is bool(in_row), path
    bulk = re.findall(r'data-bulk-action="(\w+)"', pages["/containers/"])
    assert bulk == [one for one in ("start", "stop") if TICK in has] + (["remove"] if PRUNE in has else [])


def test_each_row_has_what_is_allowed_on_its_own_host(team: Team, container: Container, outsider: Caller) -> None:
    other = Host.objects.create(pk="quay", team=team, name="quay")
    Container.objects.create(id="d0" * 32, team=team, host=other, name="db", image="alpine")
    membership = Membership.objects.create(user=outsider.user, team=team, role=Role.VIEWER)  # type: ignore[misc]
    Grant.objects.create(membership=membership, role=Role.OPERATOR, host=container.host)
    text = shown(outsider, "/containers/")
    rows = {row.partition('"')[0]: row for row in text.split('<tr data-id="')[1:]}
    assert [TICK in rows[one] for one in (CONTAINER_ID, "d0" * 32)] == [True, False]
    assert ['data-action="start"' in rows[one] for one in (CONTAINER_ID, "d0" * 32)] == [True, False]


def test_a_menu_in_which_nothing_would_stand_is_not_shown(team: Team, container: Container) -> None:
    menu = re.search("<details[^>]*>", row_of(shown(in_role(Role.OPERATOR, team), "/")))
    assert menu and menu[0] == '<details class="menu" data-when="running paused restarting">'
    menu = re.search("<details[^>]*>", row_of(shown(in_role(Role.DEVELOPER, team), "/")))
    assert menu and menu[0] == '<details class="menu">'


def test_no_form_opens_for_who_may_not_send_it(team: Team, host: Host, image: Image) -> None:
    viewer, developer = in_role(Role.VIEWER, team), in_role(Role.DEVELOPER, team)
    for path, form in (("/containers/new/", 'id="create"'), ("/builds/new/", 'id="build-form"')):
        refused = shown(viewer, path)
        assert NOT_ALLOWED in refused and form not in refused
        assert form in shown(developer, path)
    assert 'id="pull-dialog"' not in shown(viewer, "/images/?pull")
    assert 'id="pull-dialog"' in shown(developer, "/images/?pull")


def test_the_form_has_the_hosts_where_it_is_allowed(team: Team, host: Host, outsider: Caller) -> None:
    Host.objects.create(pk="quay", team=team, name="quay")
    membership = Membership.objects.create(user=outsider.user, team=team, role=Role.VIEWER)  # type: ignore[misc]
    Grant.objects.create(membership=membership, role=Role.DEVELOPER, host=host)
    for path in ("/containers/new/", "/builds/new/"):
        form = browser_of(outsider).get(path)
        assert [one["id"] for one in form.context["hosts"]] == [HOST_ID]
    assert NEW in shown(outsider, "/")
    assert NEW not in shown(outsider, "/hosts/quay/")


def test_an_operator_is_offered_no_copy_and_no_export_beyond_his_role(team: Team, container: Container) -> None:
    path = f"/containers/{CONTAINER_ID}/"
    assert "?like=" not in shown(in_role(Role.OPERATOR, team), path)
    assert "?like=" in shown(in_role(Role.DEVELOPER, team), path)
    role = CustomRole.objects.create(key="hand", name="Hand")
    for action in ("hosts.view", "containers.view", "containers.operate"):
        role.allowed.create(action=action)
    text = shown(caller(member("hand", team, "hand")), path)
    assert 'data-action="stop"' in text and "/export/" not in text


def test_what_is_under_way_is_ended_by_who_may(team: Team, job: Job, build: Build, image: Image) -> None:
    paths = ("/images/", f"/images/{IMAGE_ID[7:]}/", f"/jobs/{job.pk}/", f"/builds/{build.pk}/")
    for role, has in ((Role.VIEWER, (False, False)), (Role.OPERATOR, (True, False)), (Role.DEVELOPER, (True, True))):
        who = in_role(role, team)
        for path in paths:
            assert ("data-cancel" in shown(who, path)) is has[0], (role, path)
        for path in paths[:2]:
            assert ("data-again" in shown(who, path)) is has[1], (role, path)


@pytest.mark.parametrize("path", ["/", "/containers/new/", "/builds/new/"])
def test_who_has_no_host_is_told_why(path: str, owner: Caller, outsider: Caller, host: Host) -> None:
    """The outsider's team has none, though there is one; once there is none at all, it is the first start."""
    text = shown(outsider, path)
    assert ELSEWHERE in text and FIRST_START not in text
    assert "make run" not in text
    text = shown(caller(member("newcomer", None, "")), path)
    assert TEAMLESS in text and ELSEWHERE not in text
    host.delete()
    for who in (owner, outsider):
        text = shown(who, path)
        assert FIRST_START in text and "make run" in text and ELSEWHERE not in text


def test_the_first_start_keeps_its_ways_on(owner: Caller) -> None:
    for path in ("/", "/containers/"):
        assert NEW in shown(owner, path)
    assert PULL in shown(owner, "/")
    assert 'id="pull-dialog"' in shown(owner, "/images/?pull")


def test_who_may_do_nothing_with_containers_is_shown_no_first_steps(team: Team, host: Host, outsider: Caller) -> None:
    steps = "Your first container is two steps away"
    assert steps in shown(in_role(Role.DEVELOPER, team), "/")
    for who in (in_role(Role.VIEWER, team), outsider):
        assert steps not in shown(who, "/")


@pytest.mark.browser
@pytest.mark.django_db(transaction=True)
def test_scripts_do_without_what_is_not_offered(
    page: Page, context: BrowserContext, sockets: Sockets, seeded: Seeded, problems: list[str]
) -> None:
    """Also where rows come by the socket: they are the site's own, so they offer no more than the first did."""
    client = Client()
    client.force_login(member("vera", seeded.team, Role.VIEWER))
    session = next(one for one in context.cookies() if one["name"] == "sessionid")
    context.add_cookies([{**session, "value": client.cookies["sessionid"].value}])  # type: ignore[typeddict-item]
    job = f"/jobs/{seeded.jobs['pull'].pk}/"
    build = f"/builds/{hex_id('harbour:2.1')[:32]}/"
    for path in ("/images/?pull", "/", f"/hosts/{seeded.hosts[0].pk}/", job, build, "/containers/"):
        visit(page, path)
        expect(page.locator("[data-connection]").first).to_have_text("Live")
        assert page.locator("dialog[open]").count() == 0
    item = page.evaluate("fetch('/api/v1/containers/').then((answer) => answer.json())")["results"][0]
    Container.objects.filter(pk=item["id"]).update(name="moved", observed_status="stopped")
    sockets.change("container", {**item, "name": "moved", "status": "stopped"})
    expect(page.locator(f'tr[data-id="{item["id"]}"] .status')).to_have_text("Stopped")
    expect(page.locator("[data-fragment=filters]")).to_contain_text("Running 3")
    assert page.locator("[data-tick], [data-action], td.actions:visible").count() == 0
    assert problems == []
