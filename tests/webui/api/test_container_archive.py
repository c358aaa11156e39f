"""Who may copy files out of a container, into it, and make images of it; and what is refused before a host is asked."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.valkey import Valkey
from tests.webui.cast import CONTAINER_ID, Caller
from webui.accounts.models import Membership, Role
from webui.containers.models import Container, DesiredStatus
from webui.hosts.models import Host

pytestmark = pytest.mark.django_db(transaction=True)

PATH = f"containers/{CONTAINER_ID}"
READING = (("get", "archive/?path=/etc"), ("head", "archive/?path=/etc"), ("get", "export/"))
WRITING = (("put", "archive/?path=/etc", None), ("post", "commit/", {"reference": "a:1"}))


def statuses(caller: Caller) -> tuple[set[int], set[int]]:
    """Of reading and of writing. Where it is allowed, Django alone answers 503: the ASGI side would go on."""
    reading = {caller.call(method, f"{PATH}/{path}").status_code for method, path in READING}
    writing = {caller.call(method, f"{PATH}/{path}", data).status_code for method, path, data in WRITING}
    return reading, writing


def test_reading_takes_the_right_to_operate_and_writing_to_create(
    owner: Caller, teammate: Caller, outsider: Caller, container: Container, site_broker: Valkey
) -> None:
    assert statuses(outsider) == ({404}, {404})
    membership = Membership.objects.get(user=teammate.user, team=container.team)
    for role, expected in (
        (Role.VIEWER, ({403}, {403})),
        (Role.OPERATOR, ({503}, {403})),
        (Role.DEVELOPER, ({503}, {503, 202})),
    ):
        membership.role = role
        membership.save()
        assert statuses(teammate) == expected, role
    assert statuses(owner) == ({503}, {503, 202})


def test_paths_are_checked_and_a_host_that_is_away_is_named(
    owner: Caller, container: Container, host: Host, site_broker: Valkey
) -> None:
    for path in ("", "?path=", "?path=%00", f"?path={'x' * 5000}"):
        answer: Any = owner.get(f"{PATH}/archive/{path}")
        assert (answer.status_code, list(answer.json()["errors"])) == (400, ["path"])
    Container.objects.update(desired_status=DesiredStatus.REMOVED)
    assert owner.get(f"{PATH}/archive/?path=/").status_code == 409
    Container.objects.update(desired_status=DesiredStatus.RUNNING)
    Host.objects.update(heartbeat_at=None)
    answer = owner.get(f"{PATH}/export/")
    assert answer.status_code == 503 and host.name in answer.json()["detail"]


@pytest.mark.parametrize(
    ("body", "fields"),
    [
        ({}, {"reference"}),
        ({"reference": "a@sha256:" + "0" * 64}, {"reference"}),
        ({"reference": "a:1", "changes": ["RUN x"]}, {"changes"}),
        ({"reference": "a:1", "pause": "yes"}, {"pause"}),
        ({"reference": "a:1", "extra": 1}, {"extra"}),
    ],
)
def test_a_commit_that_can_not_be_is_refused_with_its_fields(
    owner: Caller, container: Container, site_broker: Valkey, body: dict[str, Any], fields: set[str]
) -> None:
    answer = owner.post(f"{PATH}/commit/", body)
    assert (answer.status_code, set(answer.json()["errors"])) == (400, fields)
