"""What is to come of a build, over REST: pushes, caches, statements, signatures; and keys for these."""

from __future__ import annotations

import json
from typing import Any

import pytest

from engine.oci import signing
from tests.support.valkey import Valkey
from tests.webui.answering import Answering, frames_of
from tests.webui.cast import BUILD_ID, IMAGE_ID, Caller, caller, member
from webui.accounts.models import CustomRole, CustomRoleAction, Grant, Membership, Team
from webui.builds.models import Build
from webui.builds.services import build_secrets
from webui.hosts.models import Host
from webui.images.models import Image, SigningKey
from webui.images.signing import public_keys
from webui.jobs.models import Job

pytestmark = pytest.mark.django_db(transaction=True)

TEXT = {"dockerfile_text": "FROM alpine\n", "tags": ["app:2"]}
RESULTS = {
    "platforms": ["linux/amd64", "linux/arm64"], "push": True, "cache_from": ["app:cache"], "cache_to": "app:cache",
    "cache_mode": "max", "cache_mounts": True, "cache_inline": True, "sbom": "spdx", "provenance": "max",
}  # fmt: skip


def test_what_is_to_come_of_it_reaches_the_host_and_is_shown(site_broker: Valkey, owner: Caller, host: Host) -> None:
    answer = owner.post("builds/", TEXT | RESULTS)
    assert answer.status_code == 202, answer.content
    command = Job.objects.get().command
    assert {name: command[name] for name in RESULTS} == RESULTS
    assert command["sign"] is False and "signing_key" not in command
    wish = answer.json()["build"]["wish"]
    assert {name: wish[name] for name in RESULTS} == RESULTS
    again = owner.post(f"builds/{answer.json()['build']['id']}/again/", {"push": False, "platforms": []})
    assert again.status_code == 202, again.content
    command = Job.objects.latest("created_at").command
    assert (command["push"], command["platforms"], command["cache_to"]) == (False, [], "app:cache")


@pytest.mark.parametrize(
    ("wish", "field"),
    [
        ({"tags": [], "push": True}, "tags"),
        ({"cache_to": "UPPER"}, "cache_to"),
        ({"cache_mode": "all"}, "cache_mode"),
        ({"sbom": "xml"}, "sbom"),
        ({"signing_key": "nobody's"}, "signing_key"),
    ],
)
def test_what_can_not_come_of_it(
    site_broker: Valkey, owner: Caller, host: Host, wish: dict[str, Any], field: str
) -> None:
    answer = owner.post("builds/", TEXT | wish)
    assert (answer.status_code, list(answer.json()["errors"])) == (400, [field])
    assert not Job.objects.exists()


def test_an_earlier_build_has_none_of_it_and_can_be_built_again(
    site_broker: Valkey, owner: Caller, build: Build
) -> None:
    assert owner.post(f"builds/{BUILD_ID}/again/", {"secrets": {"token": "x"}}).status_code == 202
    assert Job.objects.latest("created_at").command["push"] is False


def test_a_key_is_made_signs_and_never_comes_out(site_broker: Valkey, owner: Caller, host: Host, team: Team) -> None:
    made = owner.post("signing-keys/", {"name": "release"})
    assert made.status_code == 201, made.content
    assert set(made.json()) == {"id", "url", "name", "key_id", "public_key", "can_sign", "team", "created_at"}
    assert made.json()["key_id"] == signing.key_id(made.json()["public_key"])
    assert "PRIVATE" not in SigningKey.objects.get().sealed_private_key
    answer = owner.post("builds/", TEXT | {"signing_key": "release"})
    assert answer.status_code == 202, answer.content
    job = Job.objects.get()
    assert job.command["sign"] is True and "PRIVATE" not in json.dumps(job.command)
    assert "PRIVATE" not in json.dumps(Build.objects.get().wish)
    secrets = build_secrets(job)
    assert secrets is not None
    assert signing.public_of(secrets["signing_key"]) == made.json()["public_key"]
    assert owner.delete(f"signing-keys/{made.json()['id']}/").status_code == 204
    gone = build_secrets(job)
    assert gone is not None and "signing_key" not in gone


def test_keys_are_brought_along_and_are_the_teams_alone(
    site_broker: Valkey, owner: Caller, outsider: Caller, teammate: Caller, host: Host, team: Team
) -> None:
    private, public = signing.new_key()
    _, other = signing.new_key()
    assert owner.post("signing-keys/", {"name": "mine", "private_key": private}).json()["public_key"] == public
    seen = owner.post("signing-keys/", {"name": "theirs", "public_key": other})
    assert (seen.status_code, seen.json()["can_sign"]) == (201, False)
    assert set(public_keys(team)) == {public, other}
    assert owner.post("builds/", TEXT | {"signing_key": "theirs"}).status_code == 400
    for again in ({"name": "mine"}, {"name": "copy", "public_key": public}):
        assert owner.post("signing-keys/", again).status_code == 409
    for wrong, field in (
        ({"name": "a b"}, "name"),
        ({"name": "x", "private_key": "no key"}, "private_key"),
        ({"name": "x", "public_key": private}, "public_key"),
        ({"name": "x", "public_key": public, "private_key": private}, "public_key"),
    ):
        answer = owner.post("signing-keys/", wrong)
        assert (answer.status_code, list(answer.json()["errors"])) == (400, [field]), wrong
    assert outsider.get("signing-keys/").json()["results"] == []
    assert teammate.post("signing-keys/", {"name": "x"}).status_code == 403
    assert {row["name"] for row in owner.get("signing-keys/").json()["results"]} == {"mine", "theirs"}


def test_of_a_build_without_an_image_nothing_is_read(site_broker: Valkey, owner: Caller, build: Build) -> None:
    build.image_id = ""
    build.save()
    answer = owner.get(f"builds/{BUILD_ID}/output/")
    assert (answer.status_code, "made no image" in answer.json()["detail"]) == (409, True)
    build.image_id = "sha256:" + "f" * 64
    build.save()
    assert owner.get(f"builds/{BUILD_ID}/output/").status_code == 404
    assert owner.get(f"builds/{BUILD_ID}/output/?format=zip").status_code == 400


def test_the_files_are_those_of_one_image(site_broker: Valkey, owner: Caller, image: Image) -> None:
    other = Image.objects.create(host=image.host, team=image.team, image_id="sha256:" + "e" * 64, tags=["b:1"])
    answer = owner.get(f"images/save/?format=files&image={image.pk}&image={other.pk}")
    assert (answer.status_code, list(answer.json()["errors"])) == (400, ["format"])
    assert image.image_id == IMAGE_ID


def test_the_host_is_asked_which_files_differ(
    answering: Answering, teammate: Caller, outsider: Caller, build: Build
) -> None:
    other = earlier_of(build)
    path = f"builds/{BUILD_ID}/compare/{other.pk.hex}/files/"
    assert teammate.get(path).status_code == 404  # one of them has no image
    Build.objects.update(image_id=IMAGE_ID)
    Build.objects.filter(pk=other.pk).update(image_id="sha256:" + "2" * 64)
    asked = answering(*frames_of({"told": 1}))
    assert teammate.get(path).status_code == 404  # the host has neither any more
    for number in ("1a", "2"):
        Image.objects.create(host=build.host, team=build.team, image_id="sha256:" + number * (64 // len(number)))
    answer = teammate.get(f"{path}?limit=7")
    assert (answer.status_code, answer.json(), answer.headers["Cache-Control"]) == (200, {"told": 1}, "no-store")
    assert (asked[0]["source"], asked[0]["container_id"]) == ("build.differences", IMAGE_ID)
    assert asked[0]["parameters"] == {"before": "sha256:" + "2" * 64, "limit": 7}
    assert teammate.get(f"{path}?limit=0").status_code == 400
    assert outsider.get(path).status_code == 404
    elsewhere = Host.objects.create(pk="b" * 32, name="quay", team=build.team)
    Build.objects.filter(pk=other.pk).update(host=elsewhere)
    assert teammate.get(path).status_code == 409
    assert len(asked) == 1


def test_what_is_in_images_is_for_whoever_may_see_both(answering: Answering, build: Build, team: Team) -> None:
    """A right to builds is none to what is in images; one to a repository is one to its images alone."""
    other = earlier_of(build)
    second = "sha256:" + "2" * 64
    Build.objects.filter(pk=other.pk).update(image_id=second)
    rows = [
        Image.objects.create(host=build.host, team=team, image_id=found, config={"env": [found]},
                             tags=["registry.example.com/a/app:1"])
        for found in (IMAGE_ID, second)
    ]  # fmt: skip
    for name, actions in (("builds", {"builds.view", "hosts.view"}), ("images", {"images.view"})):
        role = CustomRole.objects.create(key=name, name=name)
        CustomRoleAction.objects.bulk_create(CustomRoleAction(role=role, action=action) for action in actions)
    user = member("reader", team, "builds")
    reader, membership = caller(user), Membership.objects.get(user=user)
    asked = answering(*frames_of({"told": 1}))
    path = f"builds/{BUILD_ID}/compare/{other.pk.hex}/"

    def seen(caller: Caller) -> tuple[int, int]:
        return caller.get(f"{path}files/").status_code, len(caller.get(path).json()["config"])

    assert seen(reader) == (404, 0)
    Grant.objects.create(membership=membership, role="images", repository="registry.example.com/a/app")
    for row in rows:
        Image.objects.filter(pk=row.pk).update(tags=["registry.example.com/b/app:1"])
        assert seen(reader) == (404, 0), "one of the two is enough to refuse"
        Image.objects.filter(pk=row.pk).update(tags=["registry.example.com/a/app:1"])
    assert not asked
    assert seen(reader) == (200, 1)


def earlier_of(build: Build) -> Build:
    job = Job.objects.get(pk=build.job_id)
    job.pk = None
    job.save()
    return Build.objects.create(team=build.team, host=build.host, job=job, name="app:1", wish=build.wish)
