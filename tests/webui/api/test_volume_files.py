"""Who may look at a volume's files and change them, what the host is asked, and what is refused before."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.support.valkey import Valkey
from tests.webui.answering import Answering, answering, frames_of  # noqa: F401
from tests.webui.cast import Caller
from webui.accounts.models import Membership, Role
from webui.api.file_answers import disposition, file_headers, part_of
from webui.audit.models import AuditEntry, Result
from webui.hosts.models import Host
from webui.volumes.models import Volume
from worker.contract import frames
from worker.contract.frames import Frame

pytestmark = pytest.mark.django_db(transaction=True)

ENTRY = {
    "name": "a\udcff", "kind": "link", "size": 3, "mode": 0o644, "uid": 7, "gid": 8, "modified": 9e18, "links": 1,
    "etag": "1-2-3", "target": "\udcfe", "leads_to": None,
}  # fmt: skip
READING = (("get", "content/?path=a"), ("head", "content/?path=a"), ("get", "archive/?path=a"))
WRITING = (
    ("put", "content/?path=a", None),
    ("delete", "?path=a", None),
    ("patch", "?path=a", {"uid": 1, "recursive": True}),
)
CHANGES = (("post", "directory/?path=a", {}), ("post", "move/?path=a", {"name": "b"}), ("patch", "?path=a", {"uid": 1}))


def test_names_are_the_teams_content_is_operators_and_changes_are_who_creates(
    owner: Caller,
    teammate: Caller,
    outsider: Caller,
    volume: Volume,
    answering: Answering,  # noqa: F811
) -> None:
    base = f"volumes/{volume.pk}/files/"
    for method, path, *data in (*READING, *WRITING, *CHANGES, ("get", "")):
        assert outsider.call(method, base + path, *data).status_code == 404
    membership = Membership.objects.get(user=teammate.user, team=volume.team)
    for role, reads, writes in ((Role.VIEWER, 403, 403), (Role.OPERATOR, 503, 403), (Role.DEVELOPER, 503, 503)):
        membership.role = role
        membership.save()  # where it is allowed, Django alone answers 503: the ASGI side would go on
        assert {teammate.call(method, base + path).status_code for method, path in READING} == {reads}, role
        assert {teammate.call(method, base + path, data).status_code for method, path, data in WRITING} == {writes}
    membership.role = Role.OPERATOR
    membership.save()
    assert {teammate.call(method, base + path, data).status_code for method, path, data in CHANGES} == {403}
    membership.role = Role.VIEWER
    membership.save()
    answering(*frames_of({"entry": ENTRY, "entries": [], "offset": 0, "total": 0, "is_cut": False}))
    assert teammate.get(base).status_code == 200


def test_a_list_says_where_each_file_is_whatever_its_name(
    owner: Caller,
    volume: Volume,
    answering: Answering,  # noqa: F811
) -> None:
    asked = answering(*frames_of({"entry": ENTRY, "entries": [ENTRY], "offset": 500, "total": 1500, "is_cut": True}))
    shown = owner.get(f"volumes/{volume.pk}/files/?path=/d%FE/&offset=500&sort=size&order=desc").json()
    assert asked[0]["container_id"] == "data" and asked[0]["source"] == "files.list"
    wish = {"path": "/d\udcfe/", "sort": "size", "is_descending": True, "offset": 500, "limit": 500}
    assert asked[0]["parameters"] == wish
    entry = shown["entries"][0]
    assert (entry["name"], entry["path"], entry["target"]) == ("a\\xff", None, "\\xfe")
    assert entry["url"] == f"/api/v1/volumes/{volume.pk}/files/?path=/d%FE/a%FF"
    assert (entry["mode"], entry["modified_at"][:4]) == ("0644", "9999")
    assert (shown["total"], shown["more"]) == (1500, True)
    assert shown["next"] == f"/api/v1/volumes/{volume.pk}/files/?path=/d%FE/&offset=1000&sort=size&order=desc"


def test_a_host_that_is_away_is_named(owner: Caller, volume: Volume, host: Host, site_broker: Valkey) -> None:
    Host.objects.update(heartbeat_at=None)
    whole = (("get", "archive/"), ("put", "archive/", None))
    below = (("get", ""), *READING, *WRITING, *CHANGES)
    for method, path, *data in (*whole, *((method, f"files/{path}", *data) for method, path, *data in below)):
        answer = owner.call(method, f"volumes/{volume.pk}/{path}", *data)
        assert answer.status_code == 503
        if method != "head":
            assert host.name in answer.json()["detail"]
    assert not AuditEntry.objects.filter(action__startswith="volume.", result=Result.SUCCEEDED).exists()
    assert AuditEntry.objects.filter(action="volume.write", result=Result.FAILED).count() == len(CHANGES)


GONE = json.dumps({"family": "not_found", "message": "there is no a"}).encode()


@pytest.mark.parametrize(
    ("answer", "status", "result"),
    [
        (frames_of(ENTRY), 200, (Result.SUCCEEDED, "")),
        ((Frame(frames.ERROR, 0, 0, 1.0, GONE),), 404, (Result.FAILED, "there is no a")),
    ],
)
def test_a_change_is_audited_with_what_came_of_it(
    owner: Caller,
    volume: Volume,
    answering: Answering,  # noqa: F811
    answer: tuple[Frame, ...],
    status: int,
    result: tuple[Result, str],
) -> None:
    answering(*answer)
    assert owner.post(f"volumes/{volume.pk}/files/move/?path=a", {"name": "b"}).status_code == status
    entry = AuditEntry.objects.get(action="volume.write")
    assert (entry.result, entry.error, entry.after) == (*result, {"path": "a"})


@pytest.mark.parametrize(
    ("method", "path", "data", "field"),
    [
        ("get", "?path=../x", None, "path"),
        ("get", "?path=%00", None, "path"),
        ("get", "content/?path=a/../../b", None, "path"),
        ("get", "?sort=colour", None, "sort"),
        ("get", "?limit=0", None, "limit"),
        ("post", "move/?path=a", {"to": "../x"}, "to"),
        ("post", "move/?path=a", {}, "name"),
        ("post", "move/?path=a", {"name": "a/b"}, "name"),
        ("post", "move/?path=a", {"name": ".."}, "name"),
        ("post", "move/?path=a", {"name": "b", "to": "c"}, "name"),
        ("patch", "?path=a", {"mode": "rw-r"}, "mode"),
        ("patch", "?path=a", {"mode": 644}, "mode"),
        ("patch", "?path=a", {"mode": "755", "recursive": True}, "recursive"),
        ("patch", "?path=a/../b", {"uid": 1, "recursive": True}, "path"),
        ("post", "directory/?path=a", {"parent": True}, "parent"),
    ],
)
def test_what_can_not_be_is_refused_with_its_field(
    owner: Caller, volume: Volume, site_broker: Valkey, method: str, path: str, data: Any, field: str
) -> None:
    answer = owner.call(method, f"volumes/{volume.pk}/files/{path}", data)
    assert (answer.status_code, list(answer.json()["errors"])) == (400, [field])


@pytest.mark.parametrize(
    ("header", "part"),
    [
        ("bytes=0-9", {"first": 0, "last": 9}), ("bytes=5-", {"first": 5, "last": None}), ("bytes=-5", {"first": -5}),
        ("bytes=-", {}), ("bytes=-0", {}), ("bytes=9-5", {}), ("bytes=0-1,3-4", {}), ("lines=1-2", {}), ("", {}),
        ("bytes=99999999999999999999-", {}), ("bytes=٣-", {}),
    ],
)  # fmt: skip
def test_ranges_are_read_strictly(header: str, part: dict[str, Any]) -> None:
    assert part_of({"Range": header}) == part


def test_no_name_ends_a_header() -> None:
    assert (
        disposition(b'a"\r\nSet-Cookie: x=1\xff') == "attachment; filename*=UTF-8''a%22%0D%0ASet-Cookie%3A%20x%3D1%FF"
    )


@pytest.mark.parametrize("modified", [9e18, -9e18, 0.5])
def test_a_file_of_no_possible_day_can_be_read(modified: float) -> None:
    headers = dict(file_headers({**ENTRY, "modified": modified}))
    assert headers["Last-Modified"].endswith(" GMT")
