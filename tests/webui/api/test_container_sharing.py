"""Namespaces of the host and of other containers over REST: names become ids within a team, and who may have what."""

from __future__ import annotations

import pytest

from tests.support.valkey import Valkey
from tests.webui.cast import Caller, caller
from webui.accounts.models import Team, User
from webui.containers.models import Container
from webui.hosts.models import Host

pytestmark = pytest.mark.django_db(transaction=True)


def made(user: Caller, **wish: object) -> dict[str, object]:
    answer = user.post("containers/", {"image": "alpine", "host": "pier", **wish})
    assert answer.status_code == 202, answer.content
    shown: dict[str, object] = answer.json()["container"]
    return shown


@pytest.mark.parametrize(
    ("wish", "words"),
    [
        ({"network": "host"}, ["user namespace of the host", "network of the host"]),
        ({"pid": "host"}, ["user namespace of the host", "processes of the host"]),
        ({"ipc": "host"}, ["user namespace of the host", "IPC of the host"]),
        ({"uts": "host"}, ["host name of the host"]),
        ({"cgroupns": "host"}, ["control groups of the host"]),
    ],
)
def test_what_is_the_hosts_is_said_and_needs_a_right(
    site_broker: Valkey, owner: Caller, host: Host, wish: dict[str, str], words: list[str]
) -> None:
    answer = owner.post("containers/", {"image": "alpine", **wish})
    assert answer.status_code == 403
    assert set(answer.json()["errors"]) == set(wish)
    chief = caller(User.objects.create(username="chief", is_superuser=True))
    assert made(chief, **wish)["loosened"] == words


def test_a_name_means_a_container_of_the_team_and_is_kept_as_an_id(
    site_broker: Valkey, owner: Caller, host: Host
) -> None:
    front = made(owner, name="front")
    for written in ("front", str(front["id"])[:12], str(front["id"])):
        shown = made(owner, network=f"container:{written}", pid=f"container:{written}")
        assert shown["network"] == shown["pid"] == f"container:{front['id']}"
        short = str(front["id"])[:12]
        assert shown["loosened"] == [f"network of container {short}", f"processes of container {short}"]
    Container.objects.filter(name="front").update(team=Team.objects.create(name="Another"))
    for name in ("front", str(front["id"]), "nobody"):
        answer = owner.post("containers/", {"image": "alpine", "ipc": f"container:{name}"})
        assert answer.status_code == 400
        assert "no container" in answer.json()["errors"]["ipc"][0]


def test_who_shares_with_one_that_reaches_the_host_needs_the_right_too(
    site_broker: Valkey, owner: Caller, host: Host
) -> None:
    chief = caller(User.objects.create(username="chief", is_superuser=True))
    for number, wish in enumerate(({"privileged": True}, {"userns": "host"}, {"network": "host"})):
        made(chief, name=f"loose-{number}", **wish)
        answer = owner.post("containers/", {"image": "alpine", "pid": f"container:loose-{number}"})
        assert answer.status_code == 403
        assert set(answer.json()["errors"]) == {"pid"}
    made(chief, name="mild", cap_add=["NET_ADMIN"])
    made(owner, network="container:mild")


def test_files_of_variables_and_labels_are_read_as_docker_reads_them(
    site_broker: Valkey, owner: Caller, host: Host
) -> None:
    text = "\ufeff# comment\n  A=1\r\n\nB= two 'words' \nC\nD=x=y\n"
    shown = made(owner, env_file=text, env={"A": "own"}, label_file="team=harbour\nempty\n", labels={"x": "y"})
    assert shown["env"] == {"A": "own", "B": " two 'words' ", "D": "x=y"}
    assert shown["labels"] == {"team": "harbour", "empty": "", "x": "y"}
    assert not {"env_file", "label_file"} & set(shown)
    answer = owner.post("containers/", {"image": "alpine", "env_file": "A=1\nb c=2\n", "label_file": "=x"})
    assert answer.status_code == 400
    assert {name: texts[0].partition(":")[0] for name, texts in answer.json()["errors"].items()} == {
        "env_file": "Line 2",
        "label_file": "Line 1",
    }


def test_what_docker_has_and_this_has_not_is_refused_with_what_to_do(
    site_broker: Valkey, owner: Caller, host: Host
) -> None:
    answer = owner.post("containers/", {"image": "alpine", "gpus": "all", "isolation": "hyperv"})
    assert answer.status_code == 400
    errors = answer.json()["errors"]
    assert "devices" in errors["gpus"][0]
    assert "Windows" in errors["isolation"][0]


def test_a_link_needs_a_network_of_a_name_and_two_names(site_broker: Valkey, owner: Caller, host: Host) -> None:
    for network, link, why in (("bridge", "db:database", "network of a name"), ("front", "db:a b", "CONTAINER:ALIAS")):
        answer = owner.post("containers/", {"image": "alpine", "network": network, "link": [link]})
        assert answer.status_code == 400 and why in answer.json()["errors"]["link"][0]


def test_files_of_the_host_need_the_right_by_way_of_another_container_too(
    site_broker: Valkey, owner: Caller, host: Host
) -> None:
    chief = caller(User.objects.create(username="chief", is_superuser=True))
    front = made(chief, name="front", volumes=["/srv:/srv"], mounts=["source=data,target=/data"])
    assert front["loosened"] == ["the host's /srv"]
    plain = made(owner, name="plain", volumes=["data:/data"])
    behind = made(owner, name="behind", volumes_from=["plain:ro"])
    assert behind["volumes_from"] == [f"{plain['id']}:ro"]
    for wish in ({"volumes": ["/srv:/srv"]}, {"volumes_from": ["front"]}, {"volumes_from": ["behind"]}):
        answer = owner.post("containers/", {"image": "alpine", **wish})
        assert answer.status_code == 403, answer.content
        assert set(answer.json()["errors"]) == set(wish)
    Container.objects.filter(name="plain").update(team=Team.objects.create(name="Another"))
    assert owner.post("containers/", {"image": "alpine", "volumes_from": ["plain"]}).status_code == 400
