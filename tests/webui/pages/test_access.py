"""Who gets to see which page: the team, nobody else, and nobody without signing in."""

from __future__ import annotations

from uuid import uuid4

import pytest
from django.test import Client
from django.utils import timezone

from tests.webui.cast import CONTAINER_ID, IMAGE_ID, Caller
from tests.webui.site_broker import HOST_ID
from webui.accounts.models import CustomRole, Grant, Membership, Role, Team, User
from webui.containers.models import Container, RemovedContainer
from webui.hosts.models import Host
from webui.images.models import Image
from webui.jobs.models import Job
from webui.pages.security import POLICY
from webui.volumes.models import Volume

LISTS = [
    "/",
    "/containers/",
    "/containers/new/",
    "/containers/removed/",
    "/images/",
    "/jobs/",
    "/networks/",
    "/recordings/",
    "/registries/",
    "/settings/",
    *(f"/settings/{tab}/" for tab in ("password", "second-factor", "passkeys", "sessions", "tokens")),
    "/volumes/",
    "/people/",
    "/teams/",
    "/roles/",
]
OBJECTS = [f"/containers/{CONTAINER_ID}/", f"/hosts/{HOST_ID}/", f"/images/{IMAGE_ID[7:]}/"]


def browser_of(caller: Caller) -> Client:
    client = Client(raise_request_exception=False)
    if caller.user is not None:
        client.force_login(caller.user)
    return client


@pytest.mark.parametrize("path", LISTS + OBJECTS)
def test_the_team_sees_every_page(
    path: str, owner: Caller, teammate: Caller, container: Container, image: Image, job: Job
) -> None:
    for caller in (owner, teammate):
        response = browser_of(caller).get(path)
        assert response.status_code == 200
        assert response.headers["Content-Security-Policy"] == POLICY
        assert "no-store" in response.headers["Cache-Control"]


def test_a_volume_is_shown_to_its_team_alone_with_who_has_it(
    owner: Caller, outsider: Caller, nobody: Caller, container: Container, volume: Volume
) -> None:
    container.mounted = [
        {"type": "volume", "name": volume.name, "destination": "/var/lib/data", "read_only": True},
        {"type": "bind", "name": "", "destination": "/etc/elsewhere", "read_only": False},
    ]
    container.save()
    path = f"/volumes/{volume.pk}/"
    shown = browser_of(owner).get(path)
    assert [user["places"] for user in shown.context["users"]] == [
        [{"destination": "/var/lib/data", "read_only": True}]
    ]
    assert f'href="/containers/{CONTAINER_ID}/"' in shown.content.decode()
    assert f'href="{path}"' in browser_of(owner).get(f"/containers/{CONTAINER_ID}/").content.decode()
    assert f'href="{path}"' in browser_of(owner).get("/volumes/").content.decode()
    assert browser_of(outsider).get(path).status_code == 404
    assert browser_of(nobody).get(path).status_code == 302


def test_an_image_that_is_mounted_is_shown_with_who_has_it(
    owner: Caller, outsider: Caller, container: Container, image: Image
) -> None:
    container.image_id = "sha256:" + "e" * 64  # it is made of another one
    mount = {"type": "image", "name": "alpine:3", "destination": "/tools", "read_only": True}
    container.mounted = [mount | {"source": image.image_id}, mount | {"source": "sha256:gone", "name": "lost:1"}]
    container.save()
    path = f"/images/{image.image_id.removeprefix('sha256:')}/"
    text = browser_of(owner).get(f"/containers/{CONTAINER_ID}/").content.decode()
    assert f'image <a href="{path}">alpine:3</a> → /tools (read-only)' in text
    assert "image lost:1 → /tools (read-only)" in text
    assert [row["name"] for row in browser_of(owner).get(path).context["containers"]] == ["web"]
    (row,) = browser_of(owner).get("/images/").context["images"]
    assert row["used_by"] == [{"id": CONTAINER_ID, "name": "web"}]
    assert list(Container.objects.using_images(["sha256:none"])) == []
    assert browser_of(outsider).get(path).status_code == 404


def test_volumes_are_put_in_order_and_picked(owner: Caller, container: Container, volume: Volume) -> None:
    for name, size, anonymous in (("big", 5000, False), ("zero", 0, False), ("f" * 64, None, True)):
        Volume.objects.create(team=volume.team, host=volume.host, name=name, size_bytes=size, is_anonymous=anonymous)
    container.mounted = [{"type": "volume", "name": "data", "destination": "/data"}]
    container.save()

    def names(query: str) -> list[str]:
        return [row["title"] for row in browser_of(owner).get(f"/volumes/?{query}").context["volumes"]]

    assert names("sort=name") == ["big", "data", "f" * 12, "zero"]
    assert names("sort=size")[:2] == ["big", "zero"]
    assert names("status=used") == ["data"]
    assert set(names("status=unused")) == {"big", "zero", "f" * 12}
    assert names("status=anonymous&sort=size") == ["f" * 12]
    assert len(names("sort=colour&status=odd")) == 4
    text = browser_of(owner).get("/volumes/?status=used&q=zz").content.decode()
    assert "No volume of this kind has" in text


def test_the_team_sees_a_job(owner: Caller, job: Job) -> None:
    assert browser_of(owner).get(f"/jobs/{job.pk}/").status_code == 200


def test_a_job_of_a_removed_container_is_told_by_its_name(owner: Caller, team: Team, host: Host) -> None:
    at = timezone.now()
    RemovedContainer.objects.create(id="d" * 64, team=team, host=host, name="gone", image="alpine", created_at=at)
    for letter in "de":
        Job.objects.create(team=team, host=host, kind="container.remove", subject=letter * 64, command={})
    rows = browser_of(owner).get("/jobs/").context["jobs"]
    assert {(row["about"], row["container_id"]) for row in rows} == {("gone", None), ("e" * 12, None)}


@pytest.mark.parametrize("path", OBJECTS)
def test_an_outsider_finds_nothing_at_the_address_of_an_object(
    path: str, outsider: Caller, container: Container, image: Image
) -> None:
    assert browser_of(outsider).get(path).status_code == 404


def test_an_outsider_finds_nothing_at_the_address_of_a_job(outsider: Caller, job: Job) -> None:
    assert browser_of(outsider).get(f"/jobs/{job.pk}/").status_code == 404


@pytest.mark.parametrize("path", LISTS)
def test_an_outsiders_lists_show_nothing_of_the_team(
    path: str, outsider: Caller, container: Container, image: Image, job: Job, host: Host
) -> None:
    text = browser_of(outsider).get(path).content.decode()
    for secret in (CONTAINER_ID, "pier", str(job.pk), image.short_id):
        assert secret not in text


def test_an_outsider_cannot_copy_a_container_into_the_form(outsider: Caller, container: Container, host: Host) -> None:
    text = browser_of(outsider).get(f"/containers/new/?like={CONTAINER_ID}").content.decode()
    assert CONTAINER_ID not in text


@pytest.mark.parametrize("path", [*LISTS, *OBJECTS, f"/jobs/{uuid4()}/", "/password/"])
def test_nobody_is_asked_to_sign_in(path: str, nobody: Caller, container: Container) -> None:
    response = browser_of(nobody).get(path)
    assert response.status_code == 302
    assert response.headers["Location"].startswith("/login/?next=")


def test_sign_in_leads_only_to_places_of_this_site(db: None) -> None:
    User.objects.create_user("ann", password="correct horse battery")
    client = Client()
    answer = client.post(
        "/login/?next=https://evil.example/",
        {"username": "ann", "password": "correct horse battery", "next": "https://evil.example/"},
    )
    assert answer.headers["Location"] == "/"


def test_a_session_has_a_new_key_after_signing_in(db: None) -> None:
    User.objects.create_user("ann", password="correct horse battery")
    client = Client()
    client.cookies["sessionid"] = "fixed-by-an-attacker-0000000000000000"
    client.post("/login/", {"username": "ann", "password": "correct horse battery"})
    assert client.cookies["sessionid"].value != "fixed-by-an-attacker-0000000000000000"


def test_a_one_time_password_leads_to_changing_it_and_nowhere_else(owner: Caller, host: Host) -> None:
    assert owner.user is not None
    owner.user.set_password("only-for-once")
    owner.user.must_change_password = True
    owner.user.save()
    client = browser_of(owner)
    for path in LISTS:
        assert client.get(path).headers["Location"] == "/password/"
    wrong = client.post("/password/", {"old": "only-for-once", "new": "short", "again": "short"})
    assert wrong.status_code == 422
    assert b"too short" in wrong.content
    differ = client.post("/password/", {"old": "only-for-once", "new": "four good words here", "again": "no"})
    assert b"The two differ" in differ.content
    good = {"old": "only-for-once", "new": "four good words here", "again": "four good words here"}
    assert client.post("/password/", good).headers["Location"] == "/"
    assert client.get("/").status_code == 200


def test_pages_take_no_writes(owner: Caller, host: Host) -> None:
    client = browser_of(owner)
    for path in LISTS:
        if not path.startswith("/settings/"):  # forms about oneself: tests/webui/signin
            assert client.post(path).status_code == 405


def test_signing_out_needs_a_post_and_ends_the_session(owner: Caller, host: Host) -> None:
    client = browser_of(owner)
    assert client.get("/logout/").status_code == 405
    assert client.post("/logout/").headers["Location"] == "/login/"
    assert client.get("/").status_code == 302


def test_what_is_not_there_is_told_in_the_sites_own_style(owner: Caller) -> None:
    response = browser_of(owner).get("/nowhere/")
    assert response.status_code == 404
    assert b"Nothing is moored here" in response.content
    assert response.headers["Content-Security-Policy"] == POLICY


def test_failed_are_those_that_nobody_wanted_to_end_like_that(owner: Caller, container: Container) -> None:
    ends = [
        ("fine", 0, "running", ""),
        ("by-hand", 137, "stopped", ""),
        ("killed", 137, "running", ""),
        ("exit-3", 3, "stopped", ""),
        ("no-command", None, "running", "not found"),
    ]
    for name, code, desired, error in ends:
        Container.objects.create(
            id=name.encode().hex().ljust(64, "0"), team=container.team, host=container.host, name=name, image="alpine",
            observed_status="stopped", exit_code=code, desired_status=desired, error=error,
        )  # fmt: skip
    found = browser_of(owner).get("/containers/?status=failed").context["containers"]
    assert {row["name"] for row in found} == {"killed", "exit-3", "no-command"}


def test_lists_ask_the_same_few_queries_however_long_they_are(
    owner: Caller, container: Container, django_assert_max_num_queries: object
) -> None:
    client = browser_of(owner)
    client.get("/containers/")
    Container.objects.bulk_create(
        Container(id=f"{number:064x}", team=container.team, host=container.host, name=f"c{number}", image="alpine")
        for number in range(60)
    )
    with django_assert_max_num_queries(12):  # type: ignore[operator]
        assert client.get("/containers/").content.count(b'data-kind="container"') == 61


@pytest.mark.parametrize("path", ["/login", "/containers", "/containers/new", "/settings"])
def test_a_page_is_found_without_its_last_slash(path: str, nobody: Caller) -> None:
    response = browser_of(nobody).get(f"{path}?next=/jobs/")
    assert (response.status_code, response.headers["Location"]) == (302, f"{path}/?next=/jobs/")


@pytest.mark.parametrize("path", ["/evil.example", f"/containers/{CONTAINER_ID}"])
def test_other_addresses_lead_nowhere(path: str, nobody: Caller) -> None:
    assert browser_of(nobody).get(path).status_code == 404


def test_cookies_of_a_site_behind_tls_never_go_without(nobody: Caller) -> None:
    for secure in (True, False):
        response = Client().get("/login/", secure=secure)
        assert bool(response.cookies["csrftoken"]["secure"]) is secure


def test_an_image_that_many_use_names_only_some_of_them(owner: Caller, image: Image) -> None:
    for number in range(9):
        Container.objects.create(
            id=f"{number:064x}",
            name=f"user-{number}",
            team=image.team,
            host=image.host,
            image="x",
            image_id=image.image_id,
            spec={},
        )
    text = browser_of(owner).get("/images/").content.decode()
    assert text.count(">user-") == 5
    assert "and 4 more" in text


RUN = "/containers/new/?image="
BUTTONS = (RUN, "data-pull-again", "data-lookup", 'id="push-dialog"', 'id="tag-dialog"', "data-untag", "data-remove")


@pytest.mark.parametrize(
    ("actions", "has"),
    [
        ({"images.view"}, ""),
        ({"images.view", "images.save"}, ""),
        ({"images.view", "images.pull"}, "data-pull-again data-lookup"),
        ({"images.view", "images.push"}, 'id="push-dialog"'),
        ({"images.view", "images.create"}, 'id="tag-dialog"'),
        ({"images.view", "images.remove"}, "data-untag data-remove"),
        ({"images.view", "containers.create"}, RUN),
    ],
)
def test_an_image_has_the_buttons_that_a_role_allows(
    actions: set[str], has: str, outsider: Caller, team: Team, image: Image
) -> None:
    role = CustomRole.objects.create(key="some", name="Some")
    for action in actions:
        role.allowed.create(action=action)
    Membership.objects.create(user=outsider.user, team=team, role="some")  # type: ignore[misc]
    shown = browser_of(outsider).get(f"/images/{IMAGE_ID[7:]}/").content.decode()
    assert [one for one in BUTTONS if one in shown] == [one for one in BUTTONS if one in has]
    assert ("format=oci" in shown) is ("images.save" in actions)
    listed = browser_of(outsider).get("/images/").content.decode()
    assert ("data-image-remove" in listed) is ("images.remove" in actions)
    assert (RUN in listed) is ("containers.create" in actions)


def test_who_has_a_repository_pulls_and_pushes_its_images(outsider: Caller, team: Team, image: Image) -> None:
    membership = Membership.objects.create(user=outsider.user, team=team, role="")  # type: ignore[misc]
    Grant.objects.create(membership=membership, role=Role.DEVELOPER, repository="docker.io/library/alpine")
    shown = browser_of(outsider).get(f"/images/{IMAGE_ID[7:]}/").content.decode()
    assert [one for one in BUTTONS if one in shown] == ["data-pull-again", 'id="push-dialog"']
