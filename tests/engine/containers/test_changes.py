"""What a container changed, told from its layers: whiteouts, opaque directories, links that lead out, odd names."""

from __future__ import annotations

import os
import time

import pytest

from engine.containers import changes
from engine.containers.committing import CommitSpec
from engine.snapshots.service import Snapshots
from tests.support.engine import Host
from tests.support.processes import eventually

pytestmark = [pytest.mark.root, pytest.mark.registry]


def changed(host: Host, script: str, *, running: bool = False) -> list[tuple[str, str]]:
    """(change, path) of a container that has done this."""
    record = host.run("sh", "-ec", f"{script}; echo done; " + ("exec sleep 1000" if running else "true"))
    host.says(record.id, b"done")
    if not running:
        assert host.ended(record.id).exit_code == 0
    answer = host.engine.container_changes(record.name)
    assert not answer["more"]
    host.engine.container_remove(record.id, force=True)
    return [(change["change"][0].upper(), change["path"]) for change in answer["changes"]]


def test_a_container_that_did_nothing_has_changed_nothing(host: Host) -> None:
    assert changed(host, "cat /etc/passwd") == []
    assert changed(host, "cat /etc/passwd", running=True) == []


def test_the_mark_of_a_container_is_there_and_no_change(host: Host) -> None:
    assert changed(host, "[ -f /.dockerenv ] && [ ! -s /.dockerenv ]", running=True) == []
    record = host.run("sh", "-c", "echo kept > /kept; echo done")
    assert host.ended(record.id).exit_code == 0
    image = host.engine.container_commit(record.id, CommitSpec())
    assert os.listdir(Snapshots(host.engine.config, host.engine.store).layer_directory(image.diff_ids[-1])) == ["kept"]


def test_added_changed_and_deleted_files(host: Host) -> None:
    script = "echo x >> /etc/passwd; mkdir -p /srv/a/b; echo 12345 > /srv/a/b/c; rm /etc/group; ln -s /etc /srv/link"
    assert changed(host, script, running=True) == [
        ("C", "/etc"),
        ("D", "/etc/group"),
        ("C", "/etc/passwd"),
        ("A", "/srv"),
        ("A", "/srv/a"),
        ("A", "/srv/a/b"),
        ("A", "/srv/a/b/c"),
        ("A", "/srv/link"),
    ]


def test_a_file_that_came_and_went_is_no_change(host: Host) -> None:
    assert changed(host, "echo x > /tmp/x; rm /tmp/x") in ([], [("C", "/tmp")])


def test_a_directory_that_was_made_anew_hides_what_the_image_has_in_it(host: Host) -> None:
    found = changed(
        host, "ls /etc > /tmp/names; rm -r /etc/* || true; rm -rf /home; mkdir -p /home; echo 1 > /home/new"
    )
    assert ("A", "/home/new") in found
    assert ("D", "/home/app") in found
    assert ("C", "/home") in found
    assert ("D", "/etc/passwd") in found


def test_a_file_in_the_place_of_a_directory_and_the_reverse(host: Host) -> None:
    found = changed(host, "rm -r /home; echo x > /home; rm /etc/passwd; mkdir -p /etc/passwd/in")
    assert found == [("C", "/etc"), ("C", "/etc/passwd"), ("A", "/etc/passwd/in"), ("C", "/home")]


def test_links_lead_nowhere_and_names_may_be_anything(host: Host) -> None:
    script = (
        "rm -r /home; ln -s / /home; mkdir /d; ln -s /proc/self/root /d/root; "
        r"touch \"/d/$(printf 'a\377b')\" '/d/new' \"/d/$(printf 'line\nline')\""
    )
    found = changed(host, script.replace(r"\"", '"'))
    assert ("C", "/home") in found and ("A", "/d/root") in found
    assert ("A", r"/d/a\xffb") in found and ("A", "/d/line\nline") in found
    assert not [path for _, path in found if path.startswith(("/home/", "/d/root/"))]


def test_sizes_and_types_are_told(host: Host) -> None:
    record = host.run("sh", "-c", "head -c 5000 /dev/zero > /big; mkfifo /pipe; mkdir /dir; ln -s big /link")
    host.ended(record.id)
    found = {
        one["path"]: (one["type"], one["size_bytes"]) for one in host.engine.container_changes(record.id)["changes"]
    }
    assert found == {
        "/big": ("file", 5000),
        "/dir": ("directory", None),
        "/link": ("link", None),
        "/pipe": ("pipe", None),
    }
    host.engine.container_remove(record.id)


def test_very_many_and_very_deep_changes_end_in_time(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(changes, "MAXIMUM", 50)
    script = (
        "mkdir /many; cd /many; i=0; while [ $i -lt 200 ]; do : > $i; i=$((i+1)); done; "
        "mkdir /deep; cd /deep; n=$(printf 'x%.0s' $(seq 250)); i=0; "
        "while [ $i -lt 30 ]; do mkdir $n; cd $n; i=$((i+1)); done; echo ok"
    )
    record = host.run("sh", "-c", script)
    assert host.ended(record.id).exit_code == 0
    began = time.monotonic()
    answer = host.engine.container_changes(record.id)
    assert len(answer["changes"]) == 50 and answer["more"]
    monkeypatch.setattr(changes, "MAXIMUM", 10_000)
    answer = host.engine.container_changes(record.id)
    assert 200 < len(answer["changes"]) < 250 and answer["more"]
    assert time.monotonic() - began < 60
    before = len(os.listdir("/proc/self/fd"))
    host.engine.container_changes(record.id)
    eventually(lambda: len(os.listdir("/proc/self/fd")) <= before, what="no more descriptors")  # others' come and go
    host.engine.container_remove(record.id)


def test_a_thousand_levels_of_directories_are_not_followed_to_their_end(host: Host) -> None:
    record = host.run("sh", "-c", "i=0; while [ $i -lt 1000 ]; do mkdir d; cd d; i=$((i+1)); done")
    assert host.ended(record.id).exit_code == 0
    answer = host.engine.container_changes(record.id)
    assert len(answer["changes"]) == changes.DEEPEST + 1 and answer["more"]
    host.engine.container_remove(record.id)
