"""`POST /api/v1/containers/`: what is asked becomes a row and a job; what is wrong is named field by field."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.valkey import Valkey
from tests.webui.cast import Caller, caller
from webui.accounts.models import Team, User
from webui.containers.models import Container
from webui.hosts.models import Host
from webui.images.models import RegistryCredential
from webui.jobs.models import Job
from webui.networks.models import Network

pytestmark = pytest.mark.django_db(transaction=True)

WHOLE = {
    "host": "pier",
    "name": "web",
    "image": "nginx:1",
    "command": ["nginx", "-g", "daemon off;"],
    "env": {"MODE": "live", "EMPTY": ""},
    "labels": {"tier": "front"},
    "ports": [{"container": 80, "host": 8080}, {"container": 53, "protocol": "udp", "address": "0.0.0.0"}],
    "memory_bytes": 64 << 20,
    "cpus": 0.5,
    "pids_limit": 100,
    "restart": "on-failure",
    "restart_limit": 3,
    "user": "1000:1000",
    "workdir": "/srv",
    "hostname": "web-1",
    "entrypoint": [],
    "start": True,
    "cap_add": ["NET_RAW"],
    "cap_drop": ["CHOWN"],
    "privileged": False,
    "read_only": True,
    "security_opt": ["no-new-privileges=false"],
    "userns": "auto",
    "runtime": "crun",
    "init": True,
    "tty": False,
    "stdin_open": True,
    "stdin_once": True,
    "devices": [],
    "device_cgroup_rules": [],
    "group_add": ["audio"],
    "sysctls": {"net.core.somaxconn": "128"},
    "ulimits": ["nofile=64:128"],
    "tmpfs": ["/run:size=64m"],
    "volumes": ["data:/data:ro"],
    "mounts": ["type=tmpfs,target=/scratch"],
    "volumes_from": [],
    "volume_driver": "local",
    "shm_size": 1 << 20,
    "stop_signal": "SIGINT",
    "stop_timeout": 3,
    "auto_remove": False,
    "domainname": "example.org",
    "extra_hosts": ["db:10.0.0.2"],
    "dns": ["9.9.9.9"],
    "dns_search": ["example.org"],
    "dns_options": ["ndots:2"],
    "memory_reservation": 32 << 20,
    "memory_swap": 128 << 20,
    "oom_score_adj": 500,
    "oom_kill_disable": False,
    "cpu_shares": 512,
    "cpu_quota": None,
    "cpu_period": None,
    "cpu_rt_runtime": 5000,
    "cpu_rt_period": None,
    "cpuset_cpus": "0",
    "cpuset_mems": None,
    "blkio_weight": 500,
    "device_read_bps": ["/dev/sda:1048576"],
    "device_write_bps": [],
    "device_read_iops": [],
    "device_write_iops": [],
    "healthcheck": {"test": ["CMD-SHELL", "curl -f localhost"], "interval_seconds": 0.5, "retries": 2},
    "restart_unhealthy": True,
    "depends_on": ["db"],
    "network": "front",
    "networks": ["back:alias=db"],
    "network_alias": ["web"],
    "link": ["shop-db-1:database"],
    "ip": "10.20.0.5",
    "ip6": "fd00:20::5",
    "mac_address": "02:00:00:00:00:05",
    "pid": "private",
    "ipc": "shareable",
    "uts": "private",
    "cgroupns": "private",
    "expose": ["80", "53/udp"],
    "publish_all": True,
    "publish_address": "127.0.0.1",
    "pull": "always",
    "platform": "linux/arm64",
    "annotations": {"org.example.a": "1"},
    "memory_swappiness": 10,
    "blkio_weight_device": ["/dev/sda:500"],
    "log_driver": "local",
    "log_opt": {"max-size": "1m", "max-file": "3"},
    "storage_opt": {"size": "10G"},
}


def network_of(host: Host, name: str, number: int = 0) -> Network:
    addresses = {"subnet": f"10.2{number}.0.0/24", "gateway": f"10.2{number}.0.1"}
    return Network.objects.create(team=host.team, host=host, name=name, network_id=str(number) * 64, **addresses)


@pytest.mark.parametrize(
    ("wishes", "field", "said"),
    [
        ({"network": "fornt"}, "network", "There is no network fornt on the host pier: did you mean front?"),
        (
            {"networks": ["front", "zebra:alias=db"]},
            "networks",
            "There is no network zebra on the host pier: there is front.",
        ),
        ({"network": "1111"}, "network", "There is no network 1111 on the host pier: there is front."),
    ],
)
def test_an_unknown_network_is_refused_at_once_with_the_near_names(
    site_broker: Valkey, owner: Caller, host: Host, wishes: dict[str, Any], field: str, said: str
) -> None:
    network_of(host, "front")
    answer = owner.post("containers/", {"image": "alpine", **wishes})
    assert (answer.status_code, answer.json()["errors"]) == (400, {field: [said]})
    assert not Container.objects.exists() and not Job.objects.exists()
    assert owner.post("containers/", {"image": "alpine", "network": "0000"}).status_code == 202


def test_everything_that_is_asked_reaches_the_host(site_broker: Valkey, owner: Caller, host: Host) -> None:
    for number, name in enumerate(("front", "back")):
        network_of(host, name, number)
    Team.objects.update(publish_addresses=["0.0.0.0/0"])
    answer = owner.post("containers/", WHOLE)
    assert answer.status_code == 202, answer.content
    container, job = Container.objects.get(), Job.objects.get()
    assert answer.json()["job"] == {"id": str(job.pk), "url": f"/api/v1/jobs/{job.pk}/"}
    assert job.command == {
        **{name: value for name, value in WHOLE.items() if name != "host"},
        "kind": "container.create",
        "container_id": container.pk,
        "image": "docker.io/library/nginx:1",
        "bind_roots": [],
        "signed_by": {},
        "allowed_images": [],
        "ports": [
            {"container": 80, "host": 8080, "protocol": "tcp", "address": "127.0.0.1", "host_last": None},
            {"container": 53, "host": None, "protocol": "udp", "address": "0.0.0.0", "host_last": None},
        ],
    }
    shown = answer.json()["container"]
    assert (shown["name"], shown["image"], shown["status"], shown["desired_status"]) == (
        "web",
        "nginx:1",
        "pending",
        "running",
    )
    assert shown == owner.get(f"containers/{container.pk}/").json()
    same = set(WHOLE) - {"host", "image", "ports", "start"}
    assert {name: shown[name] for name in same} == {name: WHOLE[name] for name in same}
    assert shown["loosened"] == ["+NET_RAW", "new privileges allowed", "runtime crun"]
    assert shown["tightened"] == ["read-only root", "\N{MINUS SIGN}CHOWN"]


def test_a_health_check_that_can_not_work_is_told_by_field(site_broker: Valkey, owner: Caller, host: Host) -> None:
    wish = {"test": ["curl", "localhost"], "interval_seconds": 0.01}
    answer = owner.post("containers/", {"image": "alpine", "healthcheck": wish, "depends_on": ["-"]})
    assert answer.status_code == 400
    errors = answer.json()["errors"]
    assert set(errors) == {"healthcheck", "depends_on"} and len(errors["healthcheck"]) == 2
    answer = owner.post("containers/", {"image": "alpine", "healthcheck": {"every": 3}})
    assert answer.status_code == 400 and not Container.objects.exists()


def test_what_reaches_the_host_needs_a_right_that_is_named(site_broker: Valkey, owner: Caller, host: Host) -> None:
    wish = {"image": "alpine", "privileged": True, "security_opt": ["seccomp=unconfined"], "cap_add": ["sys_time"]}
    answer = owner.post("containers/", wish)
    assert answer.status_code == 403
    problem = answer.json()
    assert problem["family"] == "permission_denied" and "'loosen'" in problem["detail"]
    assert set(problem["errors"]) == {"privileged", "security_opt", "cap_add"}
    assert not Container.objects.exists() and not Job.objects.exists()
    chief = caller(User.objects.create(username="chief", is_superuser=True))
    answer = chief.post("containers/", {**wish, "host": "pier"})
    assert answer.status_code == 202, answer.content
    assert answer.json()["container"]["loosened"] == ["privileged"]


def test_an_image_is_enough_and_the_name_is_a_friendly_one(site_broker: Valkey, owner: Caller, host: Host) -> None:
    answer = owner.post("containers/", {"image": "alpine"})
    assert answer.status_code == 202
    name = answer.json()["container"]["name"]
    assert len(name.split("-")) == 2 and name.replace("-", "").isalpha()


def test_an_image_id_is_taken_as_it_is(site_broker: Valkey, owner: Caller, host: Host) -> None:
    image = "sha256:" + "ab" * 32
    assert owner.post("containers/", {"image": image, "start": False}).status_code == 202
    container = Container.objects.get()
    assert (container.image, container.spec["image"], container.desired_status) == (image, image, "stopped")


@pytest.mark.parametrize(
    ("wish", "field"),
    [
        ({"image": "Not An Image"}, "image"),
        ({"image": ""}, "image"),
        ({"image": 7}, "image"),
        ({"name": "-web"}, "name"),
        ({"name": "a/b"}, "name"),
        ({"name": "x" * 129}, "name"),
        ({"command": "sh -c true"}, "command"),
        ({"command": [""]}, "command"),
        ({"entrypoint": ["", "a"]}, "entrypoint"),
        ({"command": ["sh", 1]}, "command.1"),
        ({"command": ["sh", "x" * (128 << 10)]}, "command"),
        ({"command": ["a\0b"]}, "command.0"),
        ({"env": {"A=B": "x"}}, "env"),
        ({"env": {"": "x"}}, "env"),
        ({"env": {"A": 1}}, "env.A"),
        ({"env": ["A=1"]}, "env"),
        ({"ports": [{"container": 0}]}, "ports.0.container"),
        ({"ports": [{"container": 80}, {"container": 80, "host": 65536}]}, "ports.1.host"),
        ({"ports": [{"container": 80, "host": 1, "protocol": "icmp"}]}, "ports.0.protocol"),
        ({"ports": [{"container": 80, "host": 1, "address": "::1%lo"}]}, "ports.0.address"),
        ({"ports": [{"container": 80, "host": 1, "address": "::1"}]}, "ports.0.address"),
        ({"ports": [{"container": 80, "host": 1, "address": "224.0.0.1"}]}, "ports.0.address"),
        ({"ports": [{"container": 80, "hots": 1}]}, "ports.0.hots"),
        ({"ports": [{"container": 80, "host": 9}, {"container": 81, "host": 9}]}, "ports.1.host"),
        ({"ports": [{"container": True}]}, "ports.0.container"),
        ({"ports": [{"container": 9}, {"container": 80, "container_last": 82, "host": 80}]}, "ports.1.host_last"),
        ({"ports": [{"container": 80, "host": 90, "host_last": 80}]}, "ports.0.host_last"),
        ({"publish_all": True, "publish_address": "here"}, "publish_address"),
        ({"memory_bytes": 1024}, "memory_bytes"),
        ({"memory_bytes": 1 << 70}, "memory_bytes"),
        ({"cpus": 0}, "cpus"),
        ({"cpus": -1}, "cpus"),
        ({"pids_limit": 0}, "pids_limit"),
        ({"restart": "sometimes"}, "restart"),
        ({"restart": "always", "restart_limit": 3}, "restart_limit"),
        ({"user": "root; rm"}, "user"),
        ({"workdir": "srv"}, "workdir"),
        ({"hostname": "-x"}, "hostname"),
        ({"start": "yes"}, "start"),
        ({"privileged": "yes"}, "privileged"),
        ({"cap_add": ["NET_ADMINISTRATOR"]}, "cap_add"),
        ({"security_opt": ["seccomp=profile.json"]}, "security_opt"),
        ({"ulimits": ["nofile=9:5"]}, "ulimits"),
        ({"sysctls": {"kernel.panic": "1"}}, "sysctls"),
        ({"memory_swap": 64 << 20}, "memory_swap"),
        ({"cpus": 1, "cpu_quota": 50000}, "cpus"),
        ({"auto_remove": True, "restart": "always"}, "auto_remove"),
        ({"apparmour": "x"}, "apparmour"),
        ({"team": "Lighthouse"}, "team"),
        ({"id": "c0" * 32}, "id"),
    ],
    ids=lambda value: str(value)[:60],
)
def test_a_wrong_field_is_named_and_nothing_is_made(
    site_broker: Valkey, owner: Caller, host: Host, wish: dict[str, Any], field: str
) -> None:
    answer = owner.post("containers/", {"image": "alpine", **wish})
    assert answer.status_code == 400, answer.content
    assert list(answer.json()["errors"]) == [field]
    assert not Container.objects.exists() and not Job.objects.exists()


def test_too_many_processors_are_told_how_many_there_may_be(owner: Caller, host: Host) -> None:
    errors = owner.post("containers/", {"image": "alpine", "cpus": 10000}).json()["errors"]
    assert errors == {"cpus": ["Give a number of cores from 0.01 to 4096, such as 0.5 or 2."]}


def test_all_wrong_fields_are_named_at_once(site_broker: Valkey, owner: Caller, host: Host) -> None:
    answer = owner.post("containers/", {"image": "A B", "name": "-", "cpus": 0})
    assert set(answer.json()["errors"]) == {"image", "name", "cpus"}


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b'"x"', b"null", b"\xff", b'{"image": NaN}', b"1" * 5000])
def test_a_body_that_is_no_object_is_an_error_of_the_client(
    site_broker: Valkey, owner: Caller, host: Host, body: bytes
) -> None:
    answer = owner.client.post("/api/v1/containers/", data=body, content_type="application/json", headers=owner.headers)
    assert answer.status_code == 400, answer.content
    assert answer.json()["family"] == "invalid_argument"


def test_another_content_type_is_refused(site_broker: Valkey, owner: Caller, host: Host) -> None:
    answer = owner.client.post("/api/v1/containers/", data={"image": "alpine"}, headers=owner.headers)
    assert answer.status_code == 415


def test_a_name_is_taken_only_once_on_a_host(site_broker: Valkey, owner: Caller, host: Host) -> None:
    assert owner.post("containers/", {"image": "alpine", "name": "web"}).status_code == 202
    answer = owner.post("containers/", {"image": "alpine", "name": "web"})
    assert (answer.status_code, answer.json()["family"], list(answer.json()["errors"])) == (
        409,
        "already_exists",
        ["name"],
    )
    assert Container.objects.count() == Job.objects.count() == 1


def test_a_role_that_may_only_operate_creates_nothing(site_broker: Valkey, teammate: Caller, host: Host) -> None:
    answer = teammate.post("containers/", {"image": "alpine"})
    assert (answer.status_code, answer.json()["family"]) == (403, "permission_denied")
    assert "Harbour" in answer.json()["detail"]


def test_among_several_hosts_one_has_to_be_named(site_broker: Valkey, owner: Caller, host: Host, team: Team) -> None:
    Host.objects.create(pk="another", team=team, name="quay")
    answer = owner.post("containers/", {"image": "alpine"})
    assert (answer.status_code, list(answer.json()["errors"])) == (404, ["host"])
    assert owner.post("containers/", {"image": "alpine", "host": "quay"}).status_code == 202
    assert Container.objects.get().host_id == "another"


def test_the_teams_credential_goes_with_the_job_and_is_stored_nowhere(
    site_broker: Valkey, owner: Caller, host: Host, credential: RegistryCredential
) -> None:
    import base64
    import json

    from worker.contract import keys

    assert owner.post("containers/", {"image": "registry.example.com/app"}).status_code == 202
    raw = json.loads(site_broker.client().lrange(keys.queue(host.pk), 0, -1)[0])
    arguments = json.loads(base64.b64decode(raw["body"]))[1]
    assert (arguments["secrets"]["username"], arguments["secrets"]["password"]) == ("ann", "s3cret")
    assert "s3cret" not in json.dumps([Job.objects.get().command, Container.objects.get().spec])
    assert "s3cret" not in RegistryCredential.objects.get().encrypted_password


def test_what_the_form_and_what_the_rules_refuse_is_named_together(
    site_broker: Valkey, owner: Caller, host: Host
) -> None:
    wish = {"image": "UPPER/Case", "memory_bytes": 1, "ports": [{"container": 99999}], "pids_limit": 0}
    answer = owner.post("containers/", wish)
    assert set(answer.json()["errors"]) == {"image", "memory_bytes", "ports.0.container", "pids_limit"}
    assert "6 MiB" in answer.json()["errors"]["memory_bytes"][0]
