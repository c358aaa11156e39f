"""Teams, people and roles as pages: what is shown to whom, and the ways through them in a browser."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.sessions.backends.db import SessionStore
from django.contrib.sessions.models import Session
from django.utils import timezone
from playwright.sync_api import Page, expect

from tests.support.browser import visit
from tests.webui.cast import Caller, member
from tests.webui.pages.counting import queries
from tests.webui.pages.seed import Seeded
from tests.webui.pages.sockets import Sockets
from tests.webui.pages.test_access import browser_of
from tests.webui.pages.test_changing import answered
from webui.accounts.actions import BUILT_IN
from webui.accounts.invitations import invitation_create
from webui.accounts.models import CustomRole, Grant, HostGroup, Invitation, Membership, Role, Team, User
from webui.hosts.models import Host
from webui.images.models import RegistryCredential
from webui.signin.factors import factors_of
from webui.signin.models import Totp
from webui.signin.sessions import CONFIRMED_AT

BROWSER = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


def browser(test: Any) -> Any:
    for mark in BROWSER:
        test = mark(test)
    return test


# --- what is shown to whom


@pytest.mark.django_db
def test_a_team_is_shown_to_its_members_and_changed_by_who_may(
    owner: Caller, teammate: Caller, outsider: Caller, nobody: Caller, team: Team
) -> None:
    path = f"/teams/{team.pk}/"
    assert owner.user is not None
    invitation_create(user=owner.user, team=team, role="viewer", note="for Ann")
    led = browser_of(owner).get(path).content.decode()
    assert "for Ann" in led and "data-member-remove" in led and "data-team-delete" not in led
    seen = browser_of(teammate).get(path).content.decode()
    assert "owner" in seen and "for Ann" not in seen and "data-member-remove" not in seen
    assert browser_of(outsider).get(path).status_code == 404
    assert browser_of(nobody).get(path).status_code == 302
    listed = browser_of(outsider).get("/teams/").content.decode()
    assert "Lighthouse" in listed and "Harbour" not in listed
    assert "owner" not in [row["username"] for row in browser_of(outsider).get("/people/").context["people"]]


@pytest.mark.django_db
def test_who_has_a_host_alone_sees_no_members(outsider: Caller, team: Team, host: Host) -> None:
    assert outsider.user is not None
    membership = Membership.objects.create(user=outsider.user, team=team, role="")
    Grant.objects.create(membership=membership, role=Role.OPERATOR, host=host)
    member("secretive", team, Role.VIEWER)
    RegistryCredential.objects.create(team=team, registry="hidden.example.com", username="ann")
    assert "hidden.example.com" not in browser_of(outsider).get("/registries/").content.decode()
    shown = browser_of(outsider).get(f"/teams/{team.pk}/").content.decode()
    assert "no role in the whole team" in shown and "secretive" not in shown and host.name in shown
    assert "data-policy" not in shown, "which would be asked for, and refused"
    assert "further roles" in browser_of(outsider).get("/teams/").content.decode()


@pytest.mark.django_db
def test_roles_offered_are_those_that_one_may_give(owner: Caller, team: Team) -> None:
    CustomRole.objects.create(key="king", name="King").allowed.create(action="hosts.loosen")
    offered = [role["key"] for role in browser_of(owner).get(f"/teams/{team.pk}/").context["roles"]]
    assert offered == list(BUILT_IN)


@pytest.mark.django_db
@pytest.mark.parametrize("path", ["/people/", "/teams/", "/roles/", "/teams/{team}/"])
def test_queries_do_not_grow_with_people_and_teams(owner: Caller, team: Team, path: str) -> None:
    client = browser_of(owner)
    path = path.replace("{team}", str(team.pk))

    queries(client, path)  # what is looked up once, such as the session's place
    before = queries(client, path)
    for number in range(5):
        other = Team.objects.create(name=f"Team {number}")
        user = member(f"user {number}", team, Role.VIEWER)
        for joined in (user, owner.user):
            Membership.objects.create(user=joined, team=other, role=Role.VIEWER)  # type: ignore[misc]
    assert queries(client, path) == before


# --- ways through


@browser
def test_somebody_is_invited_and_a_role_is_granted_on_a_host(page: Page, sockets: Sockets, seeded: Seeded) -> None:
    visit(page, f"/teams/{seeded.team.pk}/")
    sockets.events.wait()
    page.get_by_role("button", name="Invite", exact=True).click()
    dialog = page.locator("#invite-dialog")
    dialog.get_by_label("For whom").fill("Cleo")
    dialog.get_by_label("Days that it can be used").fill("99")
    dialog.get_by_role("button", name="Make the link").click()
    expect(dialog.locator('[data-problem="days"]')).to_contain_text("1 to 30 days")
    dialog.get_by_label("Days that it can be used").fill("3")
    dialog.get_by_role("button", name="Make the link").click()
    expect(page.locator("[data-secret-text]")).to_contain_text("/invitations/")
    expect(page.locator('[data-fragment="invitation-count"]')).to_have_text("2")
    assert Invitation.objects.filter(note="Cleo", role="developer").exists()

    row = page.locator('#view-members tr[data-name="ann"]')
    row.get_by_role("button", name="Grant ann a further role").click()
    dialog = page.locator("#grant-dialog")
    dialog.get_by_label("Role").select_option("operator")
    dialog.get_by_label("Where").select_option("repository")
    dialog.get_by_label("Repository").fill("not a name")
    dialog.get_by_role("button", name="Grant", exact=True).click()
    expect(dialog.locator('[data-problem="repository"]')).to_contain_text("Give a whole name")
    dialog.get_by_label("Where").select_option(f"host:{seeded.hosts[0].pk}")
    dialog.get_by_role("button", name="Grant", exact=True).click()
    expect(row).to_contain_text(f"Operator on {seeded.hosts[0].name}")

    row.get_by_label("Role of ann").select_option("viewer")
    expect(page.locator(".toast").last).to_contain_text("ann is viewer now")
    row.get_by_role("button", name="Take ann out of the team").click()
    page.locator("#confirm-yes").click()
    expect(row).to_have_count(0)
    assert not Membership.objects.filter(user__username="ann").exists()


@browser
def test_who_has_to_confirm_first_is_led_there_and_back_by_a_link(page: Page, sockets: Sockets, seeded: Seeded) -> None:
    visit(page, "/people/")
    page.get_by_role("button", name="New person").click()
    dialog = page.locator("#person-dialog")
    answered(page, "users/", 403, {"detail": "Confirm that it is you first, at /settings/confirm/."})
    dialog.get_by_label("User name").fill("cleo")
    dialog.locator("[data-submit]").click()
    told = dialog.locator('[data-problem=""]')
    expect(told).to_have_text("Confirm that it is you first. Confirm")
    told.get_by_role("link", name="Confirm").click()
    page.wait_for_url("**/settings/confirm/?next=%2Fpeople%2F")
    expect(page.locator('input[name="next"]').first).to_have_value("/people/")


@browser
def test_the_last_maintainer_hears_why_not(page: Page, sockets: Sockets, seeded: Seeded) -> None:
    visit(page, f"/teams/{seeded.team.pk}/")
    sockets.events.wait()
    row = page.locator('#view-members tr[data-name="admin"]')
    row.get_by_label("Role of admin").select_option("viewer")
    expect(page.locator(".toast").last).to_contain_text("last maintainer")
    expect(row.get_by_label("Role of admin")).to_have_value("maintainer")


@browser
@pytest.mark.parametrize(
    ("tab", "what", "made"), [("Service accounts", "New service account", "Make"), ("Hosts", "New group", "Save")]
)
def test_after_the_first_one_a_second_can_be_made(
    page: Page, sockets: Sockets, seeded: Seeded, tab: str, what: str, made: str
) -> None:
    User.objects.filter(service_of=seeded.team).delete()
    HostGroup.objects.all().delete()
    visit(page, f"/teams/{seeded.team.pk}/")
    sockets.events.wait()
    page.get_by_role("tab", name=tab, exact=True).click()
    panel = page.get_by_role("tabpanel", name=tab, exact=True)
    for name in ("first", "second"):
        panel.get_by_role("button", name=what).click()
        dialog = page.get_by_role("dialog")
        dialog.get_by_label("Name", exact=True).fill(name)
        dialog.get_by_role("button", name=made, exact=True).click()
        expect(panel.locator(f'tr[data-name="{name}"]')).to_be_visible()


@browser
def test_a_role_is_made_of_another_and_changed_by_keys(page: Page, sockets: Sockets, seeded: Seeded) -> None:
    visit(page, "/roles/")
    sockets.events.wait()
    page.get_by_role("button", name="New role").click()
    dialog = page.locator("#role-dialog")
    dialog.get_by_label("Name").fill("Night watch")
    dialog.get_by_label("Begin with what this role may do").select_option("viewer")
    dialog.get_by_role("button", name="Save").click()
    box = page.get_by_role("checkbox", name="Night watch: Read logs")
    expect(box).not_to_be_checked()
    page.wait_for_load_state("load")  # it is a new page, and its scripts listen from now on
    page.get_by_role("checkbox", name="Night watch: See containers, their figures and settings").focus()
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Space")
    expect(page.locator("[data-matrix-changes]")).to_have_text("1 change to 1 role")
    page.locator("[data-matrix-save]").click()
    expect(page.locator("[data-matrix-bar]")).to_be_hidden()
    expect(page.locator(".toast").last).to_contain_text("Saved")
    wanted = BUILT_IN["viewer"] | {"containers.logs"}
    assert _allowed("night-watch") == wanted
    page.get_by_label("More about Night watch").click()
    page.get_by_role("button", name="Copy").click()
    dialog.get_by_role("button", name="Save").click()
    expect(page.get_by_role("checkbox", name="Night watch copy: Read logs")).to_be_checked()
    assert _allowed("night-watch-copy") == wanted, "what it may do now, and not what the page came with"


def _allowed(role: str) -> set[str]:
    return set(CustomRole.objects.get(key=role).allowed.values_list("action", flat=True))


@browser
def test_somebody_new_gets_a_password_and_is_locked_out(page: Page, sockets: Sockets, seeded: Seeded) -> None:
    visit(page, "/people/")
    sockets.events.wait()
    page.get_by_role("button", name="New person").click()
    dialog = page.locator("#person-dialog")
    dialog.get_by_label("User name").fill("ann")
    dialog.get_by_role("button", name="Save").click()
    expect(dialog.locator('[data-problem="username"]')).to_contain_text("called ann already")
    dialog.get_by_label("User name").fill("cleo")
    dialog.get_by_role("button", name="Save").click()
    expect(page.locator("[data-secret-name]")).to_have_text("cleo")
    row = page.locator('tr[data-name="cleo"]')
    expect(row).to_be_visible()
    assert User.objects.get(username="cleo").check_password(page.locator("[data-secret-text]").inner_text())
    row.get_by_label("More about cleo").click()
    row.get_by_role("button", name="Lock out").click()
    page.locator("#confirm-yes").click()
    expect(row).to_contain_text("locked out")
    assert not User.objects.get(username="cleo").is_active


@browser
def test_who_has_lost_all_second_factors_gets_in_again(page: Page, sockets: Sockets, seeded: Seeded) -> None:
    ann = User.objects.get(username="ann")
    Totp.objects.create(user=ann, sealed_secret="sealed", confirmed_at=timezone.now())
    session = Session.objects.get().get_decoded()
    Session.objects.update(session_data=SessionStore().encode(session | {CONFIRMED_AT: 0}))
    visit(page, "/people/")
    sockets.events.wait()
    row = page.locator('tr[data-name="ann"]')
    row.get_by_label("More about ann").click()
    row.get_by_role("button", name="Reset second factor").click()
    page.locator("#confirm-yes").click()
    leads = page.get_by_role("alert").get_by_role("link", name="Confirm")
    expect(leads).to_have_attribute("href", "/settings/confirm/?next=%2Fpeople%2F")
    assert factors_of(ann).totp
    Session.objects.update(session_data=SessionStore().encode(session))
    row.get_by_label("More about ann").click()
    row.get_by_role("button", name="Reset second factor").click()
    page.locator("#confirm-yes").click()
    expect(page.get_by_text("ann signs in without a second factor.")).to_be_visible()
    assert not factors_of(ann).totp
