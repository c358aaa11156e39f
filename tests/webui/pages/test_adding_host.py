"""The page that tells how to add a host: what is to be typed there, without a secret, and that it comes by itself."""

from __future__ import annotations

import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from tests.support.browser import visit
from tests.webui.cast import Caller
from tests.webui.pages.seed import Seeded
from tests.webui.pages.sockets import Sockets
from tests.webui.pages.test_access import browser_of
from webui.hosts.models import Host
from webui.hosts.representation import host_as_json
from webui.pages import adding_host
from webui.pages.adding_host import broker_of


@pytest.mark.parametrize(
    ("url", "shown", "doubt"),
    [
        ("redis://:s3cret@broker.example.com:6379/0", "redis://:PASSWORD@broker.example.com:6379/0", ""),
        ("rediss://ann:s3cret@10.0.0.5/2", "rediss://ann:PASSWORD@10.0.0.5:6379/2", ""),
        ("redis://[fd00::5]:6380", "redis://[fd00::5]:6380/0", ""),
        ("redis://ann@b.example.com", "redis://ann@b.example.com:6379/0", ""),
        ("redis://:s3cret@redis:6379/0", "redis://:PASSWORD@redis:6379/0", "local"),
        ("redis://:s3cret@127.0.0.1:6379/0", "redis://:PASSWORD@site.example.com:6379/0", "local"),
        ("unix:///run/redis.sock?password=s3cret", "redis://:PASSWORD@site.example.com:6379/0", "own"),
        (
            "rediss://b.example.com/0?password=s3cret&ssl_ca_certs=/etc/ca.pem",
            "rediss://:PASSWORD@b.example.com:6379/0?ssl_ca_certs=/etc/ca.pem",
            "",
        ),
    ],
)
def test_the_brokers_address_is_shown_without_its_password(url: str, shown: str, doubt: str) -> None:
    found = broker_of(url, "site.example.com", is_embedded=False)
    assert (found.shown, found.doubt) == (shown, doubt)
    assert "s3cret" not in found.settings


@pytest.mark.parametrize("opened_by", ["localhost", "127.0.0.1", "::1"])
def test_a_name_that_means_every_machine_itself_is_no_address_for_others(opened_by: str) -> None:
    for url in ("unix:///run/redis.sock", "redis://:x@localhost"):
        assert "@site.example.com:6379/0" in broker_of(url, opened_by, is_embedded=False).shown


@pytest.mark.parametrize(
    ("url", "written"),
    [
        (
            "rediss://ann:x@b.example.com:6380/0?ssl_ca_certs=/a",
            "rediss://ann:p%25&w$d@b.example.com:6380/0?ssl_ca_certs=/a",
        ),
        ("redis://b.example.com", "redis://b.example.com:6379/0"),
    ],
)
def test_its_command_writes_what_a_worker_reads(
    url: str, written: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "etc" / "worker.env"
    monkeypatch.setattr(adding_host, "SETTINGS", str(file))
    command = broker_of(url, "x", is_embedded=False).settings
    subprocess.run(["bash", "-c", command], input="p%25&w$d\n", text=True, check=True, timeout=20)
    first, second = file.read_text().splitlines()
    assert first == f"PORTSIDE_REDIS_URL={written}" and second.startswith("PORTSIDE_HOST=")
    assert file.stat().st_mode & 0o777 == 0o600
    trying = adding_host.TRY.replace("/etc/portside/worker.env", str(file)).replace("cd /opt/portside", "true")
    shown = trying.replace("exec .venv/bin/python -m worker", "printenv PORTSIDE_REDIS_URL")
    run = subprocess.run(["bash", "-c", shown], capture_output=True, text=True, check=True, timeout=20)
    assert run.stdout.strip() == written


def test_it_is_for_who_manages_hosts(
    owner: Caller, teammate: Caller, nobody: Caller, host: Host, settings: Any
) -> None:
    url = "redis://:s3cret@broker.example.com:6379/0"
    settings.PORTSIDE = replace(settings.PORTSIDE, redis_url=url, redis_is_embedded=False)
    answer = browser_of(owner).get("/hosts/new/")
    text = answer.content.decode()
    assert answer.status_code == 200 and "s3cret" not in text
    assert "redis://:PASSWORD@broker.example.com:6379/0" in text and ">pier</a>" in text
    assert "deploy/portside-worker.service" in text and "No other machine reaches" not in text
    assert browser_of(teammate).get("/hosts/new/").status_code == 403
    offer = 'href="/hosts/new/"'
    assert offer in browser_of(owner).get("/").content.decode()
    assert offer not in browser_of(teammate).get("/").content.decode()


@pytest.mark.browser
def test_a_host_is_there_as_soon_as_it_has_called(page: Page, sockets: Sockets, seeded: Seeded) -> None:
    visit(page, "/")
    page.get_by_role("link", name="Add a host").click()
    page.wait_for_url("**/hosts/new/")
    expect(page.get_by_text("No other machine reaches this site's broker yet.")).to_be_visible()
    sockets.events.wait()
    team: Any = seeded.team
    made = Host.objects.create(pk="e" * 32, team=team, name="quay-7", cores=2)
    sockets.change("host", {**host_as_json(made), "online": True}, id="1000-1")
    expect(page.locator(f'[data-host="{made.pk}"]')).to_contain_text("quay-7")
    expect(page.locator(".toast")).to_contain_text("quay-7 is here.")
    expect(page.locator(".toast").get_by_role("link", name="Open")).to_have_attribute("href", f"/hosts/{made.pk}/")
