"""Volumes over REST: who may, what the host is asked, and what is refused before."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.valkey import Valkey
from tests.webui.cast import CONTAINER_ID, Caller
from webui.accounts.models import Team
from webui.containers.models import Container
from webui.hosts.models import Host
from webui.jobs.models import Job
from webui.volumes.models import Volume

pytestmark = pytest.mark.django_db(transaction=True)

BIND = {"type": "none", "o": "bind", "device": "/srv/data"}


@pytest.fixture
def used(container: Container, volume: Volume) -> Volume:
    """One that the container web has."""
    container.mounted = [{"type": "volume", "name": volume.name, "destination": "/data"}]
    container.save()
    return volume


def test_volumes_are_listed_with_who_uses_them(owner: Caller, used: Volume) -> None:
    shown = owner.get("volumes/").json()["results"]
    assert [(row["name"], row["driver"], row["labels"], row["anonymous"]) for row in shown] == [
        ("data", "local", {"for": "web"}, False)
    ]
    assert shown[0]["used_by"] == [{"id": CONTAINER_ID, "name": "web"}]
    assert owner.get(shown[0]["url"]).json() == shown[0]
    assert "mountpoint" not in shown[0]


@pytest.mark.parametrize(
    ("query", "names"),
    [
        ("search=DAT", ["data"]), ("search=else", []), ("name=data", ["data"]), ("name=dat", []),
        ("host=pier", ["data"]), ("host=other", []), ("anonymous=false", ["data"]), ("anonymous=true", []),
        ("driver=local", ["data"]),
    ],
)  # fmt: skip
def test_filters_narrow_the_list_down(owner: Caller, volume: Volume, query: str, names: list[str]) -> None:
    assert [row["name"] for row in owner.get(f"volumes/?{query}").json()["results"]] == names


def test_a_volume_is_made_by_a_job(site_broker: Valkey, owner: Caller, host: Host) -> None:
    wish = {"name": "cache", "driver_opts": {"type": "tmpfs", "o": "size=64m"}, "labels": {"a": "b"}}
    assert owner.post("volumes/", wish).status_code == 202
    job = Job.objects.get()
    assert (job.subject, job.command) == (
        "cache",
        {"kind": "volume.create", "driver": "local", "is_anonymous": False, **wish},
    )


@pytest.mark.parametrize(
    ("wish", "field", "status"),
    [
        ({}, "name", 400),
        ({"name": ""}, "name", 400),
        ({"name": "../data"}, "name", 400),
        ({"name": "cache", "driver": "magic"}, "driver", 400),
        ({"name": "cache", "driver_opts": {"size": "1"}}, "driver_opts", 400),
        ({"name": "cache", "driver_opts": {"type": "ext4"}}, "driver_opts", 400),
        ({"name": "cache", "labels": {"": "x"}}, "labels", 400),
        ({"name": "cache", "option": "x"}, "option", 400),
        ({"name": "data"}, "name", 409),
        ({"name": "cache", "driver_opts": BIND}, "driver_opts", 403),
        ({"name": "cache", "driver_opts": {"type": "nfs", "o": "addr=10.0.0.1", "device": ":/x"}}, "driver_opts", 403),
    ],
)
def test_what_can_not_be_or_may_not_be_is_refused_at_its_field(
    site_broker: Valkey, owner: Caller, volume: Volume, wish: dict[str, Any], field: str, status: int
) -> None:
    answer = owner.post("volumes/", wish)
    assert (answer.status_code, list(answer.json()["errors"])) == (status, [field])
    assert not Job.objects.exists()


def test_who_may_loosen_opens_a_directory_of_the_host(site_broker: Valkey, owner: Caller, host: Host) -> None:
    assert owner.user is not None
    owner.user.is_superuser = True
    owner.user.save()
    assert owner.post("volumes/", {"name": "srv", "driver_opts": BIND}).status_code == 202


def test_an_operator_sees_volumes_and_changes_none(site_broker: Valkey, teammate: Caller, volume: Volume) -> None:
    assert teammate.get(f"volumes/{volume.pk}/").status_code == 200
    assert teammate.post("volumes/prune/", {"all": True, "dry_run": True}).status_code == 200
    assert teammate.post("volumes/", {"name": "cache"}).status_code == 403
    assert teammate.delete(f"volumes/{volume.pk}/").status_code == 403
    assert teammate.post("volumes/prune/").status_code == 403
    assert not Job.objects.exists()


def test_a_volume_is_removed_once_nobody_has_it(site_broker: Valkey, owner: Caller, used: Volume) -> None:
    answer = owner.delete(f"volumes/{used.pk}/")
    assert (answer.status_code, answer.json()["family"]) == (409, "conflict") and "web" in answer.json()["detail"]
    Container.objects.all().delete()
    assert owner.delete(f"volumes/{used.pk}/").status_code == 202
    assert Job.objects.get().command == {"kind": "volume.remove", "name": "data", "force": False}
    assert owner.delete(f"volumes/{used.pk}/?force=true").status_code == 202
    assert Job.objects.first().command["force"] is True  # type: ignore[union-attr]
    assert owner.delete(f"volumes/{used.pk}/?force=maybe").status_code == 400


def test_a_rehearsed_prune_names_what_nobody_has(
    site_broker: Valkey, owner: Caller, used: Volume, team: Team, host: Host
) -> None:
    for name, anonymous, labels in (("old", False, {"stage": "build"}), ("ab" * 32, True, {})):
        Volume.objects.create(team=team, host=host, name=name, is_anonymous=anonymous, labels=labels)

    def goes(**wish: Any) -> list[str]:
        answer = owner.post("volumes/prune/", {**wish, "dry_run": True}).json()
        assert answer["job"] is None
        return [row["name"] for row in answer["volumes"]]

    assert goes() == ["ab" * 32]
    assert goes(all=True) == ["ab" * 32, "old"]
    assert goes(all=True, labels=["stage=build"]) == goes(all=True, labels=["stage"]) == ["old"]
    assert goes(all=True, labels=["stage=test"]) == []
    assert goes(all=True, not_labels=["stage"]) == goes(all=True, not_labels=["stage=build"]) == ["ab" * 32]
    assert goes(all=True, not_labels=["stage", "other"]) == ["ab" * 32, "old"]
    assert goes(all=True, labels=["stage"], not_labels=["stage=build"]) == []
    assert not Job.objects.exists()
    assert owner.post("volumes/prune/", {"all": True, "labels": ["stage"], "not_labels": ["keep"]}).json()["job"]
    assert Job.objects.get().command == {
        "kind": "volume.prune",
        "all": True,
        "labels": ["stage"],
        "not_labels": ["keep"],
    }


def test_a_size_is_looked_up_and_limited_by_jobs(site_broker: Valkey, owner: Caller, volume: Volume) -> None:
    assert owner.post(f"volumes/{volume.pk}/measure/").status_code == 202
    for limit in (1 << 20, None):
        assert owner.post(f"volumes/{volume.pk}/limit/", {"limit_bytes": limit}).status_code == 202
    assert [job.command for job in Job.objects.order_by("created_at")] == [
        {"kind": "volume.measure", "name": "data"},
        {"kind": "volume.limit", "name": "data", "limit_bytes": 1 << 20},
        {"kind": "volume.limit", "name": "data", "limit_bytes": None},
    ]
    for wish in ({"limit_bytes": 5}, {"limit_bytes": "1g"}, {}):
        assert owner.post(f"volumes/{volume.pk}/limit/", wish).status_code == 400
    volume.sizes.create(at=volume.created_at, size_bytes=7)
    assert [row["size_bytes"] for row in owner.get(f"volumes/{volume.pk}/sizes/").json()["sizes"]] == [7]


def test_files_are_cloned_kept_and_brought_back_by_jobs(site_broker: Valkey, owner: Caller, volume: Volume) -> None:
    volume.snapshots = [{"name": "before", "created_at": 5.0, "size_bytes": 7}]
    volume.save()
    path = f"volumes/{volume.pk}"
    shown = owner.get(f"{path}/").json()["snapshots"]
    assert [(one["name"], one["size_bytes"], one["created_at"][:10]) for one in shown] == [("before", 7, "1970-01-01")]
    for verb, body in (
        ("rename/", {"name": "files"}),
        ("clone/", {"name": "copy", "labels": {"a": "b"}, "pause": True}),
        ("snapshots/", {"name": "after"}),
        ("snapshots/before/revert/", {"stop": True}),
    ):
        assert owner.post(f"{path}/{verb}", body).status_code == 202, verb
    assert owner.call("delete", f"/api/v1/{path}/snapshots/before/").status_code == 202
    assert [job.command for job in Job.objects.order_by("created_at")] == [
        {"kind": "volume.rename", "name": "data", "new_name": "files"},
        {"kind": "volume.clone", "name": "data", "new_name": "copy", "labels": {"a": "b"}, "pause": True},
        {"kind": "volume.snapshot", "name": "data", "snapshot": "after", "pause": False},
        {"kind": "volume.revert", "name": "data", "snapshot": "before", "stop": True},
        {"kind": "volume.snapshot_remove", "name": "data", "snapshot": "before"},
    ]


@pytest.mark.parametrize(
    ("verb", "body", "status"),
    [
        ("rename/", {"name": "../x"}, 400),
        ("rename/", {"name": "data"}, 409),
        ("rename/", {"name": "files"}, 409),
        ("clone/", {"name": "data"}, 409),
        ("clone/", {"name": "copy", "labels": {"": "x"}}, 400),
        ("snapshots/", {"name": "before"}, 409),
        ("snapshots/", {"name": "a/b"}, 400),
        ("snapshots/other/revert/", {}, 404),
        ("snapshots/before/revert/", {}, 409),
    ],
)
def test_what_can_not_be_done_with_files_is_refused_before(
    site_broker: Valkey, owner: Caller, container: Container, used: Volume, verb: str, body: dict[str, Any], status: int
) -> None:
    Container.objects.update(observed_status="running")
    used.snapshots = [{"name": "before", "created_at": 5.0, "size_bytes": 7}]
    used.save()
    assert owner.post(f"volumes/{used.pk}/{verb}", body).status_code == status
    assert not Job.objects.exists()
