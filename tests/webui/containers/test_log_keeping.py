"""What remains of a removed container: a row as long as its host has its log, for its team alone."""

from __future__ import annotations

import json

import pytest

from tests.support.valkey import Valkey
from tests.webui.answering import Answering, frames_of
from tests.webui.cast import CONTAINER_ID, Caller
from tests.webui.site_broker import HOST_ID
from webui.accounts.models import Team
from webui.containers import services
from webui.containers.models import Container, RemovedContainer
from webui.hosts.models import Host
from webui.inbox.applying import host_apply
from worker.contract import keys
from worker.contract.events import Event

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def removed(site_broker: Valkey, host: Host, container: Container) -> RemovedContainer:
    Container.objects.update(exit_code=3)
    services.container_forget(host=host, container_id=CONTAINER_ID, log_kept=True)
    assert not Container.objects.exists()
    return RemovedContainer.objects.get()


def test_the_host_tells_whether_there_is_a_log_and_when_it_goes(
    site_broker: Valkey, host: Host, container: Container
) -> None:
    def say(kind: str, seq: int, **attributes: object) -> None:
        host_apply(
            HOST_ID, [Event(host_id=HOST_ID, kind=kind, subject=CONTAINER_ID, at=1.0, seq=seq, attributes=attributes)]
        )

    host.last_event_seq = 9
    host.save()
    say("container.removed", 10, log_kept=True)
    kept = RemovedContainer.objects.get()
    assert (kept.pk, kept.name, kept.team, kept.host_id) == (CONTAINER_ID, "web", host.team, HOST_ID)
    say("log.removed", 11)
    assert not RemovedContainer.objects.exists()


def test_without_a_log_nothing_remains(site_broker: Valkey, host: Host, container: Container) -> None:
    services.container_forget(host=host, container_id=CONTAINER_ID)
    assert not RemovedContainer.objects.exists()


def test_its_log_is_read_as_ever_by_its_team(answering: Answering, teammate: Caller, removed: RemovedContainer) -> None:
    asked = answering(*frames_of({"start": 0, "lines": [[5, 1.0, "stdout", "said"]]}))
    answer = teammate.get(f"containers/{CONTAINER_ID}/logs/lines/?at=5")
    assert answer.json()["lines"][0][3] == "said"
    assert asked[0]["container_id"] == CONTAINER_ID
    listed = teammate.get("containers/removed/?search=WEB").json()["results"]
    assert [(one["name"], one["exit_code"], one["host"]["name"]) for one in listed] == [("web", 3, "pier")]
    assert teammate.get("containers/removed/?search=nothing").json()["count"] == 0
    assert teammate.get(f"containers/{CONTAINER_ID}/").status_code == 404


def test_strangers_find_nothing(outsider: Caller, nobody: Caller, removed: RemovedContainer) -> None:
    assert outsider.get(f"containers/{CONTAINER_ID}/logs/").status_code == 404
    assert outsider.get("containers/removed/").json()["count"] == 0
    assert nobody.get("containers/removed/").status_code == 401
    outsider.client.force_login(outsider.user)
    assert outsider.client.get(f"/containers/removed/{CONTAINER_ID}/").status_code == 404
    assert b"web" not in outsider.client.get("/containers/removed/").content.split(b"<main", 1)[1]


def test_its_page_and_the_list_show_it(teammate: Caller, removed: RemovedContainer) -> None:
    teammate.client.force_login(teammate.user)
    assert b"exit code 3" in teammate.client.get(f"/containers/removed/{CONTAINER_ID}/").content
    assert f"/containers/removed/{CONTAINER_ID}/".encode() in teammate.client.get("/containers/removed/").content
    assert b"/containers/removed/" in teammate.client.get("/containers/").content


def test_a_maintainer_says_how_long_and_the_hosts_are_told(
    site_broker: Valkey, owner: Caller, teammate: Caller, outsider: Caller, team: Team, host: Host
) -> None:
    path = f"teams/{team.pk}/"
    assert teammate.call("patch", path, {"keep_logs_days": 30}).status_code == 403
    assert outsider.call("patch", path, {"keep_logs_days": 30}).status_code == 404
    for wrong in (-1, 3651, 1.5, "soon"):
        assert owner.call("patch", path, {"keep_logs_days": wrong}).status_code == 400
    assert not site_broker.client().exists(keys.control(HOST_ID))
    answer = owner.call("patch", path, {"keep_logs_days": 30})
    assert (answer.status_code, answer.json()["keep_logs_days"]) == (200, 30)
    ((_, fields),) = site_broker.client().xrange(keys.control(HOST_ID))
    message = json.loads(fields[b"m"])
    assert (message["kind"], message["keep_logs_seconds"]) == ("host.settings", 30 * 86400)
