"""`portside` where hosts are several, away, or nobody's."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from client.cli import shell
from client.cli.main import main
from tests.client.conftest import TOKEN
from tests.client.fake_site import Connection, FakeSite, Said
from tests.client.test_command_line import ID, container, job, rows

JOB = "7" * 36
AWAY = {"id": "h", "name": "one", "online": False, "heartbeat_at": "2026-08-01T00:00:00Z"}


@pytest.fixture(autouse=True)
def signed_in(fake_site: FakeSite, monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> None:
    monkeypatch.setenv("PORTSIDE_CONFIG", str(tmp_path / "config.json"))
    monkeypatch.setenv("PORTSIDE_URL", fake_site.url)
    monkeypatch.setenv("PORTSIDE_TOKEN", TOKEN)
    monkeypatch.setattr(shell, "SILENT_SECONDS", (0.1, 0.1))


@pytest.mark.parametrize(("online", "told"), [(False, True), (True, False)])
def test_a_job_that_waits_for_a_host_says_so(
    fake_site: FakeSite, capsys: pytest.CaptureFixture[str], *, online: bool, told: bool
) -> None:
    waiting = job("queued", host={"id": "h", "name": "one"})
    fake_site.on("GET", "/api/v1/containers/", rows(container()))
    fake_site.on("POST", f"/api/v1/containers/{ID}/stop/", Said(202, {"job": {"id": JOB, "url": "/"}}))
    fake_site.on("GET", f"/api/v1/jobs/{JOB}/", waiting)
    fake_site.on("GET", "/api/v1/hosts/h/", {**AWAY, "online": online})

    async def follow(connection: Connection) -> None:
        await connection.say(type="job", job=waiting)
        while not fake_site.times("GET", "/api/v1/hosts/h/"):
            await asyncio.sleep(0.01)
        await asyncio.sleep(0.2)
        await connection.say(type="job", job={**waiting, "status": "succeeded"})
        await connection.close()

    fake_site.sockets[f"/ws/jobs/{JOB}/"] = follow
    assert main(["stop", "web"]) == 0
    shown = capsys.readouterr()
    assert ("the host one was last heard" in shown.err and "portside jobs cancel 77777777" in shown.err) == told
    assert shown.out == "web\n"


def test_what_is_over_soon_asks_for_no_host(fake_site: FakeSite) -> None:
    fake_site.on("GET", "/api/v1/containers/", rows(container()))
    fake_site.on("POST", f"/api/v1/containers/{ID}/stop/", Said(202, {"job": {"id": JOB, "url": "/"}}))
    fake_site.on("GET", f"/api/v1/jobs/{JOB}/", job())
    assert main(["stop", "web"]) == 0
    assert not fake_site.times("GET", "/api/v1/hosts/h/")


def test_a_list_of_a_host_that_there_is_not_is_no_empty_list(
    fake_site: FakeSite, capsys: pytest.CaptureFixture[str]
) -> None:
    fake_site.on("GET", "/api/v1/containers/", rows())
    fake_site.on("GET", "/api/v1/hosts/", rows(AWAY))
    assert main(["--host", "one", "ps"]) == 0
    assert main(["--host", "nowhere", "ps"]) == 1
    assert "there is no host nowhere: `portside hosts` lists them" in capsys.readouterr().err


def test_a_refusal_that_is_its_only_fields_is_said_once(
    fake_site: FakeSite, capsys: pytest.CaptureFixture[str]
) -> None:
    said = "there are several hosts: say which one, by its name or id"
    problem = {"detail": said, "family": "not_found", "errors": {"host": [said]}}
    fake_site.on("POST", "/api/v1/containers/", Said(404, problem))
    assert main(["create", "x"]) == 1
    assert capsys.readouterr().err.count(said) == 1


def test_the_default_network_is_joined_and_left_by_dockers_word(
    fake_site: FakeSite, capsys: pytest.CaptureFixture[str]
) -> None:
    fake_site.on("GET", "/api/v1/containers/", rows(container()))
    fake_site.on("GET", f"/api/v1/jobs/{JOB}/", job())
    for verb in ("connect", "disconnect"):
        path = f"/api/v1/networks/bridge/{verb}/"
        fake_site.on("POST", path, Said(202, {"job": {"id": JOB, "url": "/"}}))
        assert main(["network", verb, "bridge", "web"]) == 0
        assert [one.json for one in fake_site.asked if one.path == path] == [{"container": ID}]
    assert main(["network", "connect", "--ip", "10.88.0.9", "bridge", "web"]) == 2
    assert "are not chosen" in capsys.readouterr().err
