"""What is done with images over REST: who may, what the host is asked, and what is refused before."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.valkey import Valkey
from tests.webui.answering import Answering, frames_of
from tests.webui.cast import IMAGE_ID, Caller
from tests.webui.site_broker import HOST_ID
from webui.accounts.models import Membership, Role
from webui.hosts.models import Host
from webui.images.models import Image
from webui.jobs.models import Job

pytestmark = pytest.mark.django_db(transaction=True)

ALPINE = "docker.io/library/alpine:latest"
USAGE = {
    "images": [
        {"id": IMAGE_ID, "tags": [ALPINE], "created_at": None, "size_bytes": 9, "shared_bytes": 4, "unique_bytes": 5,
         "containers": 0},
        {"id": "sha256:used", "tags": [], "created_at": None, "size_bytes": 9, "shared_bytes": 4, "unique_bytes": 5,
         "containers": 1},
    ],
    "layers_bytes": 14, "blobs_bytes": 3, "ingests_bytes": 0, "containers": [], "containers_bytes": 0, "logs_bytes": 0,
    "kept_logs_bytes": 0, "volumes": [], "build_cache_bytes": 0,
}  # fmt: skip


def test_a_push_names_where_to_and_tags_on_the_way(site_broker: Valkey, owner: Caller, image: Image) -> None:
    assert owner.post(f"images/{image.pk}/push/").status_code == 202
    answer = owner.post(f"images/{image.pk}/push/", {"reference": "registry.example.com/a:1", "all_platforms": True})
    assert answer.status_code == 202
    plain, tagged = [job.command for job in Job.objects.order_by("created_at")]
    assert plain == {"kind": "image.push", "reference": ALPINE, "image": None, "all_platforms": False}
    assert (tagged["reference"], tagged["image"], tagged["all_platforms"]) == (
        "registry.example.com/a:1", IMAGE_ID, True,
    )  # fmt: skip


def test_an_image_without_a_tag_is_pushed_only_to_somewhere(site_broker: Valkey, owner: Caller, image: Image) -> None:
    Image.objects.update(tags=[])
    answer = owner.post(f"images/{image.pk}/push/")
    assert (answer.status_code, list(answer.json()["errors"])) == (400, ["reference"])


def test_names_are_given_and_taken_by_jobs(site_broker: Valkey, owner: Caller, image: Image) -> None:
    assert owner.post(f"images/{image.pk}/tag/", {"reference": "mine"}).status_code == 202
    assert owner.post(f"images/{image.pk}/untag/", {"reference": "alpine", "force": True}).status_code == 202
    tag, untag = [job.command for job in Job.objects.order_by("created_at")]
    assert tag == {"kind": "image.tag", "image": IMAGE_ID, "reference": "docker.io/library/mine:latest"}
    assert untag == {"kind": "image.remove", "image": ALPINE, "force": True}


@pytest.mark.parametrize(("verb", "reference"), [("tag", "a@sha256:" + "0" * 64), ("tag", "A B"), ("untag", "other:1")])
def test_a_name_that_can_not_be_is_refused(
    site_broker: Valkey, owner: Caller, image: Image, verb: str, reference: str
) -> None:
    answer = owner.post(f"images/{image.pk}/{verb}/", {"reference": reference})
    assert (answer.status_code, list(answer.json()["errors"])) == (400, ["reference"])
    assert not Job.objects.exists()


def test_a_rehearsed_prune_names_what_would_go_and_does_nothing(
    answering: Answering, teammate: Caller, image: Image
) -> None:
    answering(*frames_of(USAGE))
    answer = teammate.post("images/prune/", {"all": True, "dry_run": True})
    found = answer.json()
    assert (answer.status_code, [one["id"] for one in found["images"]], found["reclaimed_bytes"], found["job"]) == (
        200, [IMAGE_ID], 5, None,
    )  # fmt: skip
    assert not Job.objects.exists()


@pytest.mark.parametrize(
    "wish",
    [
        {},
        {"all": True, "until": 5},
        {"all": True, "labels": ["stage=build"]},
        {"all": True, "not_labels": ["maintainer"]},
    ],
    ids=["tagged", "young", "label", "kept"],
)
def test_what_is_tagged_too_young_or_not_labelled_so_stays(
    answering: Answering, owner: Caller, image: Image, wish: dict[str, Any]
) -> None:
    Image.objects.update(config={**image.config, "labels": {"maintainer": "me"}})
    answering(*frames_of(USAGE))
    assert owner.post("images/prune/", {**wish, "dry_run": True}).json()["images"] == []


def test_a_prune_and_a_check_are_jobs(site_broker: Valkey, owner: Caller, teammate: Caller, host: Host) -> None:
    assert owner.post("images/prune/", {"labels": ["a=b"], "not_labels": ["c"], "until": 5}).json()["job"]
    assert owner.post("images/fsck/", {"repair": True}).status_code == 202
    prune, check = [job.command for job in Job.objects.order_by("created_at")]
    assert prune == {"kind": "image.prune", "all": False, "until": 5.0, "labels": ["a=b"], "not_labels": ["c"]}
    assert check == {"kind": "image.fsck", "repair": True}
    assert teammate.post("images/prune/").status_code == teammate.post("images/fsck/").status_code == 403


@pytest.mark.parametrize(
    ("path", "source", "wish"),
    [
        ("history/", "image.history", {}),
        ("waste/", "image.waste", {}),
        ("files/?layer=sha256:1&path=/etc", "image.files", {"layer": "sha256:1", "path": "/etc", "limit": 1000}),
    ],
)
def test_the_host_is_asked_about_the_image(
    answering: Answering, teammate: Caller, outsider: Caller, image: Image, path: str, source: str, wish: dict[str, Any]
) -> None:
    asked = answering(*frames_of({"told": 1}))
    assert outsider.get(f"images/{image.pk}/{path}").status_code == 404
    answer = teammate.get(f"images/{image.pk}/{path}")
    assert (answer.status_code, answer.json(), answer.headers["Cache-Control"]) == (200, {"told": 1}, "no-store")
    assert (asked[0]["source"], asked[0]["container_id"], asked[0]["parameters"]) == (source, IMAGE_ID, wish)


def test_a_hosts_disk_is_told_to_its_team(answering: Answering, teammate: Caller, host: Host) -> None:
    asked = answering(*frames_of(USAGE))
    assert teammate.get(f"hosts/{HOST_ID}/disk-usage/").json() == USAGE
    assert asked[0]["source"] == "disk.usage"


def test_who_may_take_images_out_and_put_them_in(
    site_broker: Valkey, teammate: Caller, outsider: Caller, image: Image
) -> None:
    """Where it is allowed, Django alone answers 503: the ASGI side would go on."""
    saving = [("get", f"images/{image.pk}/save/"), ("get", f"images/save/?image={image.pk}&format=oci")]
    loading = [("post", "images/load/"), ("post", "images/import/?reference=root:1&change=CMD sh")]
    membership = Membership.objects.get(user=teammate.user, team=image.team)
    for role, out, into in ((Role.VIEWER, 403, 403), (Role.OPERATOR, 503, 403), (Role.DEVELOPER, 503, 503)):
        membership.role = role
        membership.save()
        assert {teammate.call(method, path).status_code for method, path in saving} == {out}, role
        assert {teammate.call(method, path).status_code for method, path in loading} == {into}, role
    assert [outsider.call(method, path).status_code for method, path in saving] == [404, 400]
    assert {outsider.call(method, path).status_code for method, path in loading} == {404}


@pytest.mark.parametrize(
    ("path", "field"),
    [
        ("save/", "image"),
        ("save/?image=99", "image"),
        ("save/?image=x", "image"),
        ("import/?reference=A", "reference"),
        ("import/?platform=a b", "platform"),
    ],
)
def test_wrong_parameters_of_archives_are_named(
    site_broker: Valkey, owner: Caller, image: Image, path: str, field: str
) -> None:
    answer = owner.call("get" if path.startswith("save") else "post", f"images/{path}")
    assert (answer.status_code, list(answer.json()["errors"])) == (400, [field])
