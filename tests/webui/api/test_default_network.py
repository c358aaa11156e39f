"""The default network over REST: a container joins it and leaves it by the word bridge."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.valkey import Valkey
from tests.webui.cast import CONTAINER_ID, Caller
from webui.accounts.models import Membership, Role
from webui.containers.models import Container
from webui.hosts.models import Host
from webui.jobs.models import Job

pytestmark = pytest.mark.django_db(transaction=True)


def commands() -> list[dict[str, Any]]:
    return [job.command for job in Job.objects.order_by("created_at")]


def test_a_container_joins_and_leaves_it(site_broker: Valkey, owner: Caller, container: Container) -> None:
    for verb, word in (("connect", "web"), ("disconnect", CONTAINER_ID)):
        assert owner.post(f"networks/bridge/{verb}/", {"container": word}).status_code == 202
    assert owner.post(f"containers/{CONTAINER_ID}/leave/", {"network": "bridge"}).status_code == 202
    kinds = [(one["kind"], one["network_id"], one["container_id"]) for one in commands()]
    both = ("bridge", CONTAINER_ID)
    assert kinds == [("network.connect", *both), ("network.disconnect", *both), ("network.disconnect", *both)]


def test_who_is_not_on_it_is_told_so(site_broker: Valkey, owner: Caller, container: Container) -> None:
    Container.objects.update(on_default=False)
    answer = owner.post(f"containers/{CONTAINER_ID}/leave/", {"network": "bridge"})
    assert (answer.status_code, list(answer.json()["errors"])) == (404, ["network"])
    assert not Job.objects.exists()


def test_which_container_is_meant_has_to_be_clear(
    site_broker: Valkey, owner: Caller, host: Host, container: Container
) -> None:
    other = Host.objects.create(id="f" * 32, name="quay", team=host.team)
    Container.objects.create(id="ab" * 32, team=host.team, host=other, name="web", image="x", spec={})
    for wishes, field in (
        ({"container": "nobody"}, "container"),
        ({"container": "web"}, "container"),
        ({"container": "web", "host": "nowhere"}, "host"),
    ):
        answer = owner.post("networks/bridge/connect/", wishes)
        assert (answer.status_code, list(answer.json()["errors"])) == (404, [field]), wishes
    refusal = owner.post("networks/bridge/connect/", {"container": "web"}).json()["errors"]["container"]
    assert refusal == ["There are several containers called web: give its id, or the host."]
    assert owner.post("networks/bridge/connect/", {"container": "web", "host": "quay"}).status_code == 202
    assert [one["container_id"] for one in commands()] == ["ab" * 32]
    named = owner.post("networks/bridge/connect/", {"container": "web", "ip": "10.88.0.9"})
    assert (named.status_code, list(named.json()["errors"])) == (400, ["ip"])


@pytest.mark.parametrize(("role", "status"), [(Role.OPERATOR, 403), (Role.DEVELOPER, 202)])
def test_it_takes_the_right_to_connect(
    site_broker: Valkey, teammate: Caller, container: Container, role: str, status: int
) -> None:
    Membership.objects.filter(user=teammate.user).update(role=role)
    for verb in ("connect", "disconnect"):
        assert teammate.post(f"networks/bridge/{verb}/", {"container": "web"}).status_code == status
