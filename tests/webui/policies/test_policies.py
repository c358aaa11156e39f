"""Team policies and quotas: what they allow, what they refuse, in words, and who may change them."""

from __future__ import annotations

from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from engine.errors import ResourceExhausted
from tests.support.valkey import Valkey
from tests.webui.cast import Caller, caller, member
from webui.accounts.models import CustomRole, CustomRoleAction, Grant, Role, Team, User
from webui.containers.models import Container
from webui.hosts.models import Host
from webui.images.archives import image_import, image_load
from webui.images.models import Image
from webui.jobs.models import Job
from webui.policies import services
from webui.policies.models import TeamPolicy
from webui.volumes.models import Volume

pytestmark = pytest.mark.django_db


@pytest.fixture
def admin(db: None) -> Caller:
    return caller(User.objects.create(username="root", is_superuser=True))


@pytest.fixture
def developer(team: Team) -> Caller:
    return caller(member("developer", team, Role.DEVELOPER))


@pytest.fixture
def rules(team: Team) -> Any:
    """Set the team's policy."""

    def change(**fields: Any) -> TeamPolicy:
        return TeamPolicy.objects.update_or_create(team=team, defaults=fields)[0]

    return change


def create(who: Caller, **wishes: Any) -> Any:
    return who.post("containers/", {"image": "alpine", **wishes})


def test_without_a_policy_everything_is_as_it_was(site_broker: Valkey, host: Host, developer: Caller) -> None:
    assert create(developer).status_code == 202
    assert create(developer, volumes=["/srv/data:/data"]).status_code == 403
    assert create(developer, privileged=True).status_code == 403


@pytest.mark.parametrize(
    ("rule", "wish"),
    [
        ({"bind_paths": ["/srv/data"]}, {"volumes": ["/srv/data:/data"]}),
        ({"bind_paths": ["/srv/data"]}, {"volumes": ["/srv/data/deep/er:/data:ro"]}),
        ({"bind_paths": ["/srv/data"]}, {"mounts": ["type=bind,source=/srv/data/x,target=/x"]}),
        ({"privileged": True}, {"privileged": True}),
        ({"host_namespaces": ["network"]}, {"network": "host"}),
        ({"host_namespaces": ["pid"]}, {"pid": "host"}),
        ({"capabilities": ["NET_ADMIN"]}, {"cap_add": ["CAP_NET_ADMIN"]}),
        ({"devices": ["/dev/fuse"]}, {"devices": ["/dev/fuse:/dev/fuse:rw"]}),
    ],
)
def test_a_policy_lends_what_else_needs_the_right_to_loosen(
    site_broker: Valkey, host: Host, developer: Caller, rules: Any, rule: dict[str, Any], wish: dict[str, Any]
) -> None:
    assert create(developer, **wish).status_code == 403
    rules(**rule)
    answer = create(developer, **wish)
    assert answer.status_code == 202, answer.json()


@pytest.mark.parametrize(
    "wish",
    [
        {"volumes": ["/srv/database:/data"]},
        {"volumes": ["/srv:/data"]},
        {"volumes": ["/srv/data:/data:rshared"]},
        {"volumes": ["/srv/data:/data", "/etc:/etc2"]},
        {"mounts": ["type=bind,source=/srv/data/../../etc,target=/x"]},
        {"devices": ["/dev/sda"]},
        {"devices": ["/dev/fuse/../sda"]},
        {"cap_add": ["ALL"]},
        {"cap_add": ["NET_ADMIN", "SYS_ADMIN"]},
        {"pid": "host"},
    ],
)
def test_it_lends_nothing_else(
    site_broker: Valkey, host: Host, developer: Caller, rules: Any, wish: dict[str, Any]
) -> None:
    rules(bind_paths=["/srv/data"], devices=["/dev/fuse"], capabilities=["NET_ADMIN"], host_namespaces=["network"])
    assert create(developer, **wish).status_code in (400, 403)
    assert not Container.objects.exists()


def test_lent_directories_are_opened_from_where_they_were_lent(
    site_broker: Valkey, host: Host, developer: Caller, rules: Any, admin: Caller
) -> None:
    """Else a link that a container has put there would lead to the rest of the host."""
    rules(bind_paths=["/srv/data"])
    create(developer, name="lent", volumes=["/srv/data/x:/data"])
    create(developer, name="plain")
    create(admin, name="trusted", volumes=["/etc:/data"])
    roots = {one.name: one.spec.get("bind_roots") for one in Container.objects.all()}
    assert roots == {"lent": ["/srv/data"], "plain": [], "trusted": []}


@pytest.mark.parametrize(
    ("rule", "wish", "field", "said"),
    [
        ({"images": ["ghcr.io/we/*"]}, {}, "image", "ghcr.io/we/*"),
        (
            {"images": ["docker.io/library/*"]},
            {"mounts": ["type=image,src=busybox,dst=/a", "type=image,src=ghcr.io/we/tools:1,dst=/b"]},
            "mounts",
            "ghcr.io/we/tools is none of them",
        ),
        ({"must_limit": ["memory_bytes"]}, {}, "memory_bytes", "limit of its memory"),
        ({"must_limit": ["pids_limit"]}, {"pids_limit": -1}, "pids_limit", "limit of its processes"),
        ({"memory_maximum_bytes": 64 << 20}, {"memory_bytes": 65 << 20}, "memory_bytes", "at most"),
        ({"cpus_maximum": 1}, {"cpu_quota": 200_000}, "cpus", "at most"),
        ({"cpus_maximum": 1}, {}, "cpus", "at most"),
        ({"pids_maximum": 100}, {}, "pids_limit", "at most"),
        ({"port_ranges": ["8000-8999"]}, {"ports": [{"container": 80, "host": 9000}]}, "ports.0.host", "8000-8999"),
        ({"port_ranges": ["8000-8999"]}, {"ports": [{"container": 80}]}, "ports.0.host", "8000-8999"),
        ({"port_ranges": ["8000"]}, {"publish_all": True}, "publish_all", "one by one"),
    ],
)
def test_what_a_policy_refuses_it_says_in_words_with_the_field(
    site_broker: Valkey, host: Host, developer: Caller, rules: Any, rule: Any, wish: Any, field: str, said: str
) -> None:
    rules(**rule)
    answer = create(developer, **wish)
    assert answer.status_code == 403, answer.json()
    assert list(answer.json()["errors"]) == [field]
    assert said in answer.json()["errors"][field][0]
    assert "policy" in answer.json()["detail"]
    assert not Job.objects.exists()


def test_what_fits_is_let_through(site_broker: Valkey, host: Host, developer: Caller, rules: Any) -> None:
    rules(
        images=["docker.io/library/*"],
        must_limit=["memory_bytes", "cpus", "pids_limit"],
        memory_maximum_bytes=64 << 20,
        cpus_maximum=1,
        port_ranges=["8000-8999"],
    )
    fits = {"memory_bytes": 64 << 20, "cpus": 0.5, "pids_limit": 10, "ports": [{"container": 80, "host": 8080}]}
    fits["mounts"] = ["type=image,source=busybox:1,target=/tools", f"type=image,src=sha256:{'0' * 64},dst=/more"]
    answer = create(developer, **fits)
    assert answer.status_code == 202, answer.json()


def test_a_change_is_held_to_it_as_a_beginning_is(
    site_broker: Valkey, owner: Caller, container: Container, rules: Any
) -> None:
    rules(memory_maximum_bytes=64 << 20, port_ranges=["8000-8999"])
    path = f"containers/{container.pk}/update/"
    assert owner.post(path, {"memory_bytes": 65 << 20}).status_code == 403
    assert owner.post(path, {"memory_bytes": None}).status_code == 403
    assert owner.post(path, {"add_ports": [{"container": 80, "host": 80}]}).status_code == 403
    assert owner.post(path, {"memory_bytes": 64 << 20}).status_code == 202
    assert owner.post(path, {"restart": "always"}).status_code == 202


def test_a_limit_of_another_kind_is_no_way_around_it(
    site_broker: Valkey, owner: Caller, container: Container, rules: Any
) -> None:
    """Quota and period take the place of a number of processors, and the other way round."""
    rules(cpus_maximum=1, pids_maximum=3000)
    path = f"containers/{container.pk}/update/"
    container.spec = {**container.spec, "cpus": 0.5}
    container.save()
    assert owner.post(path, {"cpu_quota": 800_000}).status_code == 403
    assert owner.post(path, {"cpu_quota": 80_000, "cpu_period": 10_000}).status_code == 403
    assert owner.post(path, {"cpu_quota": 80_000}).status_code == 202
    container.spec = {**container.spec, "cpus": None, "cpu_quota": 800_000}
    container.save()
    assert owner.post(path, {"cpus": 1}).status_code == 202


def test_who_may_loosen_on_a_host_is_not_held_there(
    site_broker: Valkey, team: Team, host: Host, developer: Caller, rules: Any, container: Container
) -> None:
    """Pulling, building, publishing and changing ask for the host as creating does."""
    rules(images=["ghcr.io/we/*"], must_limit=["memory_bytes"], memory_maximum_bytes=1 << 30, port_ranges=["8000-8999"])
    port = {"container": 80, "host": 22, "address": "0.0.0.0"}

    def statuses() -> set[int]:
        path = f"containers/{container.pk}/update/"
        answers = [
            developer.post("images/pull/", {"reference": "alpine"}),
            developer.post(path, {"memory_bytes": 2 << 30}),
            developer.post(path, {"add_ports": [port]}),
            create(developer, ports=[port]),
            create(developer, publish_all=True),
        ]
        return {answer.status_code for answer in answers}

    assert statuses() == {403}
    role = CustomRole.objects.create(key="custom-loosener", name="Loosener")
    CustomRoleAction.objects.create(role=role, action="hosts.loosen")
    assert developer.user is not None
    Grant.objects.create(membership=developer.user.memberships.get(), role=role.key, host=host)
    assert statuses() == {202}
    built = developer.post("builds/", {"dockerfile_text": "FROM alpine"}).json()
    assert Job.objects.get(pk=built["job"]["id"]).command["allowed_images"] == []


def test_images_are_pulled_from_where_the_policy_says(
    site_broker: Valkey, host: Host, developer: Caller, admin: Caller, rules: Any
) -> None:
    rules(images=["ghcr.io/we/*"])
    assert developer.post("images/pull/", {"reference": "ghcr.io/we/app:1"}).status_code == 202
    refused = developer.post("images/pull/", {"reference": "alpine"})
    assert (refused.status_code, list(refused.json()["errors"])) == (403, ["reference"])
    assert admin.post("images/pull/", {"reference": "alpine"}).status_code == 202


def test_quotas_are_looked_at_before_work_begins(
    site_broker: Valkey, host: Host, owner: Caller, container: Container, volume: Volume, image: Image, rules: Any
) -> None:
    rules(containers_quota=1, volumes_quota=1, networks_quota=0, disk_quota_bytes=100)
    for answer in (
        create(owner),
        owner.post("volumes/", {"name": "more"}),
        owner.post("networks/", {"name": "more"}),
    ):
        assert (answer.status_code, answer.json()["family"]) == (409, "resource_exhausted")
        assert "quota" in answer.json()["detail"]
    Image.objects.update(size_bytes=100)
    for path, body in (("images/pull/", {"reference": "alpine"}), ("builds/", {"dockerfile_text": "FROM alpine"})):
        assert owner.post(path, body).status_code == 409
    assert not Job.objects.exists()


def test_what_is_being_made_counts_until_its_host_has_told_of_it(
    site_broker: Valkey, host: Host, owner: Caller, team: Team, volume: Volume, rules: Any
) -> None:
    rules(volumes_quota=3, networks_quota=1)
    asked = [owner.post("volumes/", {"name": f"more{number}"}) for number in range(3)]
    assert [answer.status_code for answer in asked] == [202, 202, 409]
    assert "3 of 3 volumes" in asked[2].json()["detail"]
    assert owner.post(f"volumes/{volume.pk}/clone/", {"name": "twin"}).status_code == 409
    Volume.objects.create(team=team, host=host, name="more0")
    Job.objects.filter(subject="more1").update(status="failed")
    assert owner.post(f"volumes/{volume.pk}/clone/", {"name": "twin"}).status_code == 202
    assert owner.post("volumes/", {"name": "more2"}).status_code == 409
    assert [owner.post("networks/", {"name": name}).status_code for name in ("one", "two")] == [202, 409]
    usage = owner.get(f"teams/{team.pk}/policy/").json()["usage"]
    assert (usage["volumes"]["used"], usage["networks"]["used"]) == (3, 1)


def test_a_containers_new_volumes_count(
    site_broker: Valkey, host: Host, owner: Caller, volume: Volume, rules: Any
) -> None:
    rules(volumes_quota=1)
    for wish in (
        {"volumes": ["new:/x"]},
        {"volumes": ["/x"]},
        {"mounts": ["type=volume,source=new,target=/x"]},
        {"mounts": ["type=volume,target=/x"]},
    ):
        refused = create(owner, **wish)
        assert (refused.status_code, refused.json()["family"]) == (409, "resource_exhausted"), wish
    kept = create(owner, volumes=[f"{volume.name}:/x"], mounts=["type=tmpfs,target=/y"])
    assert kept.status_code == 202, kept.json()
    rules(volumes_quota=3)
    assert create(owner, volumes=["new:/x", "/y", "/z"]).status_code == 409
    assert create(owner, volumes=["new:/x", "/y"]).status_code == 202
    assert create(owner, volumes=["new:/x"]).status_code == 202  # it is being made already
    assert create(owner, volumes=["/x"]).status_code == 409


def test_a_full_disk_quota_is_one_for_images_from_anywhere(
    site_broker: Valkey, host: Host, owner: Caller, container: Container, image: Image, rules: Any
) -> None:
    rules(disk_quota_bytes=100)
    Image.objects.update(size_bytes=100)
    assert owner.user is not None
    with pytest.raises(ResourceExhausted):
        image_load(user=owner.user, host=host)
    with pytest.raises(ResourceExhausted):
        image_import(user=owner.user, host=host)
    answer = owner.post(f"containers/{container.pk}/commit/", {"reference": "mine"})
    assert (answer.status_code, answer.json()["family"]) == (409, "resource_exhausted")
    assert not Job.objects.exists()


def test_without_a_disk_quota_nothing_is_added_up(site_broker: Valkey, host: Host, owner: Caller) -> None:
    assert owner.user is not None
    with CaptureQueriesContext(connection) as asked:
        image_load(user=owner.user, host=host)
    assert not [query for query in asked.captured_queries if "SUM(" in query["sql"]]


# -- who may change it ------------------------------------------------------------------------------------


def change(who: Caller, team: Team, **fields: Any) -> Any:
    return who.call("patch", f"teams/{team.pk}/policy/", fields)


def test_maintainers_tighten_and_administrators_loosen(
    site_broker: Valkey, team: Team, owner: Caller, teammate: Caller, outsider: Caller, nobody: Caller, admin: Caller
) -> None:
    assert change(owner, team, must_limit=["memory_bytes"], memory_maximum_bytes=1 << 30).status_code == 200
    for fields in (
        {"bind_paths": ["/srv"]},
        {"privileged": True},
        {"host_namespaces": ["pid"]},
        {"capabilities": ["SYS_ADMIN"]},
        {"devices": ["/dev/kmsg"]},
        {"containers_quota": 1000},
        {"host_memory_bytes": None, "host_pids": 4000},
    ):
        assert change(owner, team, **fields).status_code == 403, fields
        assert change(teammate, team, **fields).status_code == 403
        assert change(outsider, team, **fields).status_code == 404
        assert change(nobody, team, **fields).status_code == 401
        assert change(admin, team, **fields).status_code == 200, fields
    shown = teammate.get(f"teams/{team.pk}/policy/").json()
    assert (shown["bind_paths"], shown["memory_maximum_bytes"]) == (["/srv"], 1 << 30)
    assert shown["usage"]["containers"] == {"used": 0, "quota": 1000}
    assert change(owner, team, bind_paths=["/srv"]).status_code == 200  # as it is already


def test_a_change_takes_back_no_other_that_is_made_meanwhile(
    team: Team, owner: Caller, rules: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    rules(privileged=True)
    monkeypatch.setattr(services, "require_loosening", lambda *_: TeamPolicy.objects.update(privileged=False))
    assert owner.user is not None
    services.policy_update(user=owner.user, team=team, changes={"images": ["docker.io/library/*"]})
    found = TeamPolicy.objects.get()
    assert (found.privileged, found.images) == (False, ["docker.io/library/*"])


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("bind_paths", ["/"]),
        ("bind_paths", ["relative"]),
        ("bind_paths", ["/proc/sys"]),
        ("bind_paths", ["/srv/../proc"]),
        ("devices", ["/etc/passwd"]),
        ("devices", ["/dev/../etc"]),
        ("capabilities", ["EVERYTHING"]),
        ("host_namespaces", ["mount"]),
        ("images", ["UPPER/*"]),
        ("images", ["*"]),
        ("port_ranges", ["9000-8000"]),
        ("port_ranges", ["0"]),
        ("port_ranges", ["http"]),
        ("must_limit", ["disk"]),
        ("bind_paths", [f"/srv/{number}" for number in range(51)]),
    ],
)
def test_nonsense_is_refused_with_its_field(team: Team, admin: Caller, field: str, value: Any) -> None:
    answer = change(admin, team, **{field: value})
    assert (answer.status_code, list(answer.json()["errors"])) == (400, [field])
    assert not TeamPolicy.objects.exists()
