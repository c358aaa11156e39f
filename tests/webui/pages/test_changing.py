"""Changing a container from its page and from the list."""

from __future__ import annotations

import json
from typing import Any

import pytest
from playwright.sync_api import Page, Route, expect

from engine.options.changing import CHANGEABLE
from tests.support.browser import visit
from tests.webui.pages.seed import NASTY, Seeded, hex_id
from tests.webui.pages.sockets import Sockets
from webui.containers.models import Container
from webui.containers.representation import container_as_json
from webui.hosts.models import Host

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

WEB = hex_id("web")
JOB = "8f5a3c1e-0000-4000-8000-00000000000a"


def answered(page: Page, path: str, status: int, body: dict[str, Any]) -> list[Any]:
    """Let REST answer so; the bodies that were sent."""
    sent: list[Any] = []

    def answer(route: Route) -> None:
        sent.append(route.request.post_data_json)
        route.fulfill(status=status, content_type="application/json", body=json.dumps(body))

    page.route(f"**/api/v1/{path}", answer)
    return sent


def as_json(**changed: Any) -> dict[str, Any]:
    return container_as_json(Container.objects.get(pk=WEB)) | changed


def test_a_container_is_renamed_in_a_dialog_that_says_what_is_wrong(
    page: Page, sockets: Sockets, seeded: Seeded
) -> None:
    visit(page, f"/containers/{WEB}/")
    sockets.events.wait()
    page.get_by_label("More actions").click()
    page.get_by_role("button", name="Rename").click()
    dialog = page.locator("#rename-dialog")
    expect(dialog.get_by_label("Name")).to_have_value("web")
    taken = {"status": 409, "detail": "taken", "errors": {"name": ["That one is taken."]}}
    answered(page, f"containers/{WEB}/rename/", 409, taken)
    page.keyboard.type("db")
    page.keyboard.press("Enter")
    expect(dialog.get_by_role("alert")).to_have_text("That one is taken.")
    sent = answered(page, f"containers/{WEB}/rename/", 202, {"job": {"id": JOB, "url": f"/api/v1/jobs/{JOB}/"}})
    dialog.get_by_label("Name").fill("front")
    page.keyboard.press("Enter")
    expect(dialog).to_be_hidden()
    assert sent == [{"name": "front"}]
    sockets.change("container", as_json(name="front"))
    expect(page.get_by_role("heading", level=1)).to_have_text("front")
    assert page.title().startswith("front ")


def test_a_new_name_shows_in_the_list_at_once(page: Page, sockets: Sockets, seeded: Seeded) -> None:
    visit(page, "/containers/")
    sockets.change("container", as_json(name="front"))
    expect(page.locator(f'tr[data-id="{WEB}"] .name')).to_have_text("front")


def test_limits_are_changed_with_the_present_use_beside_them(page: Page, sockets: Sockets, seeded: Seeded) -> None:
    visit(page, f"/containers/{WEB}/")
    sockets.stats.wait()
    sample = {"at": 5.0, "cpu_percent": 12.0, "memory_bytes": 48 << 20, "memory_limit_bytes": None, "pids": 7}
    sockets.stats.send(type="sample", sample=sample)
    page.get_by_label("More actions").click()
    page.get_by_role("button", name="Change limits").click()
    dialog = page.locator("#limits-dialog")
    expect(dialog.locator("#limit-memory-now")).to_have_text("Now 48 MiB")
    expect(dialog.locator("#limit-pids-now")).to_have_text("Now 7")
    dialog.get_by_label("Memory", exact=True).fill("lots")
    dialog.get_by_label("CPU cores").fill("0.5")
    page.keyboard.press("Enter")
    expect(dialog.get_by_label("Memory", exact=True)).to_be_focused()
    expect(dialog.locator("#limit-memory-problem")).to_contain_text("Give a number")
    sent = answered(page, f"containers/{WEB}/update/", 202, {"job": {"id": JOB, "url": f"/api/v1/jobs/{JOB}/"}})
    dialog.get_by_label("Memory", exact=True).fill("32")
    page.keyboard.press("Enter")
    expect(dialog.locator("[data-submit]")).to_have_attribute("aria-busy", "true")
    assert sent == [{"memory_bytes": 32 << 20, "cpus": 0.5}]
    error = {"family": "invalid_argument", "message": "It uses 48 MiB.", "detail": {"field": "memory_bytes"}}
    sockets.change("job", {"id": JOB, "status": "failed", "kind": "container.update", "error": error}, id="3-0")
    expect(dialog.locator("#limit-memory-problem")).to_have_text("It uses 48 MiB.")
    other = JOB[:-1] + "b"
    answered(page, f"containers/{WEB}/update/", 202, {"job": {"id": other, "url": f"/api/v1/jobs/{other}/"}})
    dialog.get_by_label("Memory", exact=True).fill("64")
    page.keyboard.press("Enter")
    sockets.change("job", {"id": other, "status": "succeeded", "kind": "container.update", "error": None}, id="4-0")
    expect(dialog).to_be_hidden()


def test_every_limit_that_can_change_has_a_field_and_what_is_seldom_used_is_folded(
    page: Page, sockets: Sockets, seeded: Seeded
) -> None:
    visit(page, f"/containers/{WEB}/")
    answered(page, f"containers/{WEB}/", 200, as_json(cpu_rt_runtime=5000, device_read_bps=["/dev/sda:1048576"]))
    page.get_by_label("More actions").click()
    page.get_by_role("button", name="Change limits").click()
    dialog = page.locator("#limits-dialog")
    names = dialog.locator("[data-limit]").evaluate_all("all => all.map((one) => one.dataset.limit)")
    assert sorted(names) == sorted(CHANGEABLE)
    read = dialog.get_by_label("Bytes read a second")
    expect(read).to_have_value("/dev/sda:1048576")
    dialog.locator("summary").click()
    expect(read).to_be_hidden()
    problem = "cpu_rt_runtime: all containers of this host have 0 of 1000000 microseconds"
    refused = {"status": 400, "detail": "no", "errors": {"cpu_rt_runtime": [problem]}}
    sent = answered(page, f"containers/{WEB}/update/", 400, refused)
    share = dialog.get_by_label("Real-time CPU")
    dialog.locator("summary").click()
    share.fill("7000")
    dialog.get_by_label("In each period of").fill("500000")
    dialog.get_by_label("CPU quota").fill("50000")
    read.fill("/dev/sda:2097152\n\n /dev/sdb:1024")
    dialog.get_by_label("Writes a second").fill("/dev/sda:10")
    dialog.get_by_label("Only these memory nodes").fill("0")
    dialog.locator("summary").click()
    dialog.get_by_role("button", name="Change").click()
    expect(dialog.locator("#limit-rt-problem")).to_have_text(problem)
    expect(share).to_be_focused()
    assert sent == [
        {
            "cpu_rt_runtime": 7000,
            "cpu_rt_period": 500_000,
            "cpu_quota": 50_000,
            "device_read_bps": ["/dev/sda:2097152", "/dev/sdb:1024"],
            "device_write_iops": ["/dev/sda:10"],
            "cpuset_mems": "0",
        }
    ]


def test_where_no_real_time_can_be_had_that_is_said_instead(page: Page, sockets: Sockets, seeded: Seeded) -> None:
    problem = f"control groups of version 2 share out none {NASTY}"
    Host.objects.update(cpu_rt_problem=problem)
    visit(page, f"/containers/{WEB}/")
    page.get_by_label("More actions").click()
    page.get_by_role("button", name="Change limits").click()
    dialog = page.locator("#limits-dialog")
    expect(dialog.locator("[data-no-real-time]")).to_be_hidden()
    dialog.locator("summary").click()
    expect(dialog.locator("[data-no-real-time]")).to_contain_text(f"be had here: {problem}.")
    expect(dialog.locator('[data-limit^="cpu_rt_"]')).to_have_count(0)
    container = Container.objects.get(pk=WEB)
    container.spec = {**container.spec, "cpu_rt_runtime": 5000}
    container.save()
    visit(page, f"/containers/{WEB}/?again")
    page.get_by_label("More actions").click()
    page.get_by_role("button", name="Change limits").click()
    expect(dialog.get_by_label("Real-time CPU")).to_have_value("5000")
    expect(dialog.locator("#limit-rt-help")).to_have_text(f"Leave it empty: {problem}.")


def test_ports_and_labels_are_changed_as_lines_and_what_stays_is_not_sent(
    page: Page, sockets: Sockets, seeded: Seeded
) -> None:
    ports = [
        {"container": 80, "host": 8080, "protocol": "tcp", "address": "127.0.0.1"},
        {"container": 80, "host": 8081, "protocol": "tcp", "address": "127.0.0.1"},
        {"container": 53, "host": 53, "protocol": "udp", "address": "0.0.0.0"},
    ]
    visit(page, f"/containers/{WEB}/")
    answered(page, f"containers/{WEB}/", 200, as_json(ports=ports, labels={"tier": "front", "old": "1"}))
    page.get_by_label("More actions").click()
    page.get_by_role("button", name="Change limits").click()
    dialog = page.locator("#limits-dialog")
    shown, labels = dialog.get_by_label("Published ports"), dialog.get_by_label("Labels")
    expect(shown).to_have_value("8080:80\n8081:80\n0.0.0.0:53:53/udp")
    expect(labels).to_have_value("tier=front\nold=1")
    shown.fill("8081:80\n0.0.0.0:53:53/udp\nweb")
    dialog.get_by_role("button", name="Change").click()
    expect(dialog.locator("#limit-ports-problem")).to_contain_text("web: write 80")
    sent = answered(page, f"containers/{WEB}/update/", 202, {"job": {"id": JOB, "url": f"/api/v1/jobs/{JOB}/"}})
    shown.fill("8081:80\n0.0.0.0:53:53/udp\n443")
    labels.fill("tier=back\nnew=a=b")
    dialog.get_by_role("button", name="Change").click()
    sockets.change("job", {"id": JOB, "status": "succeeded", "kind": "container.update", "error": None}, id="3-0")
    expect(dialog).to_be_hidden()
    one = {"container": 80, "protocol": "tcp", "address": "127.0.0.1"}
    assert sent == [
        {
            "remove_ports": [one],
            "add_ports": [{**one, "host": 8081}, {**one, "container": 443}],
            "remove_labels": ["old"],
            "add_labels": {"tier": "back", "new": "a=b"},
        }
    ]


def test_processes_are_shown_while_they_are_looked_at_and_sorted(page: Page, sockets: Sockets, seeded: Seeded) -> None:
    visit(page, f"/containers/{WEB}/")
    page.get_by_role("tab", name="Log").wait_for()
    assert sockets.top.connections == []
    page.get_by_role("tab", name="Processes").click()
    sockets.top.wait()
    common = {"parent": 0, "cpu_seconds": 1, "threads": 1, "state": "sleeping", "started_at": 5.0, "user": "root"}
    one = common | {"pid": 1, "host_pid": 71, "cpu_percent": 0.0, "memory_bytes": 9 << 20, "command": "nginx"}
    two = common | {"pid": 7, "host_pid": 72, "cpu_percent": 88.0, "memory_bytes": 1 << 20, "command": NASTY}
    sockets.top.send(type="top", at=6.0, processes=[one, two])
    rows = page.locator("[data-processes] tr")
    expect(rows).to_have_count(2)
    expect(rows.nth(0)).to_contain_text(NASTY)
    expect(rows.nth(0)).to_contain_text("88 %")
    page.locator("#processes").get_by_role("button", name="Memory").click()
    expect(rows.nth(0)).to_contain_text("nginx")
    page.locator("#processes").get_by_role("button", name="Memory").click()
    expect(rows.nth(1)).to_contain_text("nginx")
    sockets.top.send(type="top", at=8.0, processes=[one])
    expect(rows).to_have_count(1)
    sockets.change("container", as_json(status="stopped", exit_code=0))
    expect(rows).to_have_count(0)
    expect(page.locator("[data-processes-note]")).to_contain_text("Nothing runs in it")


def test_changed_files_are_asked_for_when_somebody_looks(page: Page, sockets: Sockets, seeded: Seeded) -> None:
    changes = [
        {"path": "/etc", "change": "changed", "type": "directory", "size_bytes": None},
        {"path": f"/etc/{NASTY}\u202e\n", "change": "added", "type": "file", "size_bytes": 2048},
        {"path": "/etc/group", "change": "deleted", "type": "file", "size_bytes": None},
    ]
    asked = answered(page, f"containers/{WEB}/changes/", 200, {"changes": changes, "more": False})
    visit(page, f"/containers/{WEB}/")
    assert asked == []
    page.get_by_role("tab", name="Files changed").click()
    rows = page.locator("[data-files] tr")
    expect(rows).to_have_count(3)
    expect(rows.nth(0)).to_contain_text("/etc/")
    expect(rows.nth(1)).to_contain_text(NASTY + r"\u{202e}\u{a}")
    expect(rows.nth(1)).to_contain_text("2 KiB")
    expect(page.locator("[data-files-note]")).to_have_text("1 added, 1 changed, 1 deleted.")
    answered(page, f"containers/{WEB}/changes/", 503, {"status": 503, "detail": "The host does not answer."})
    page.get_by_role("button", name="Look again").click()
    expect(page.locator("[data-files-note]")).to_have_text("The host does not answer.")


def test_what_has_ended_is_named_before_it_is_removed(page: Page, sockets: Sockets, seeded: Seeded) -> None:
    rows = [{"id": hex_id(name), "name": name, "job": None} for name in ("old", NASTY)]
    sent = answered(page, "containers/prune/", 200, {"containers": rows})
    visit(page, "/containers/")
    page.get_by_role("button", name="Remove stopped").click()
    dialog = page.get_by_role("dialog")
    expect(dialog).to_contain_text("Remove 2 stopped containers?")
    expect(dialog).to_contain_text(f"old, {NASTY}: the containers")
    page.keyboard.press("Enter")
    expect(dialog).to_be_hidden()
    assert sent == [{"dry_run": True}]
    page.get_by_role("button", name="Remove stopped").click()
    dialog.get_by_role("button", name="Remove", exact=True).click()
    expect(page.get_by_text("2 will be removed.")).to_be_visible()
    assert sent[1:] == [{"dry_run": True}, {}]
