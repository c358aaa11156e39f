"""`manage.py up` itself: what it refuses, what it prints, how it stops and comes back."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator

import pytest
from django.core.management import CommandError, call_command

from tests.support.home import Home
from tests.support.portside import ROOT, Portside
from tests.support.processes import PATIENCE_SECONDS, Program, eventually, free_port
from tests.support.rest import Rest

pytestmark = pytest.mark.root


def up(home: Home, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "manage.py", "up", *arguments],
        env=home.environment(**environment),
        cwd=ROOT,
        check=False,
        capture_output=True,
        text=True,
        timeout=120,
    )


@pytest.fixture
def fresh(home: Home) -> Iterator[Portside]:
    """Not started yet, without a password from the environment."""
    portside = Portside(home)
    del portside.environment["PORTSIDE_ADMIN_PASSWORD"]
    yield portside
    if portside.program is not None:
        portside.interrupt()


@pytest.mark.parametrize("variable", ["PORTSIDE_BIND", "PORTSIDE_TLS_BIND"])
def test_an_address_that_is_taken_is_refused_with_a_way_out(home: Home, variable: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        addresses = {"PORTSIDE_BIND": f"127.0.0.1:{free_port()}", variable: f"127.0.0.1:{port}"}
        done = up(home, "--prepare-only", **addresses)
    assert done.returncode == 1
    assert f"127.0.0.1:{port} is in use by another program" in done.stderr
    assert f"{variable}=" in done.stderr and "Traceback" not in done.stderr


def test_a_home_that_was_open_to_all_is_closed(home: Home) -> None:
    home.path.chmod(0o755)
    assert up(home, "--prepare-only", PORTSIDE_BIND=f"127.0.0.1:{free_port()}").returncode == 0
    assert home.path.stat().st_mode & 0o777 == 0o700


@pytest.mark.parametrize("bind", ["nonsense", "127.0.0.1:99999", "192.0.2.1:8000"])
def test_an_address_that_cannot_be_is_refused_in_words(home: Home, bind: str) -> None:
    done = up(home, PORTSIDE_BIND=bind)
    assert done.returncode == 1
    assert "PORTSIDE_BIND" in done.stderr and "Traceback" not in done.stderr


def test_only_root_may_run_containers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    with pytest.raises(CommandError, match="must be started by root"):
        call_command("up")


def test_the_first_start_prints_the_address_and_a_password_that_works_once(fresh: Portside) -> None:
    fresh.start()
    program = fresh.program
    assert program is not None
    program.wait_until(lambda: f"Portside is at {fresh.url}" in fresh.output(), what="the address")
    [line] = [line for line in fresh.output().splitlines() if "one-time password" in line]
    assert "WARNING" not in fresh.output().partition("Portside is at")[0]
    assert len(line.split()[-1]) > 15
    second = up(fresh.home, PORTSIDE_BIND=f"127.0.0.1:{free_port()}")
    assert second.returncode == 1 and f"already runs with the home {fresh.home.path}" in second.stderr
    assert fresh.interrupt() == 0
    assert not fresh.pids("uvicorn") and not fresh.pids("valkey") and not fresh.pids("launcher")
    fresh.log.unlink()
    fresh.start()
    assert "one-time password" not in fresh.output()


def test_after_the_supervisors_sudden_death_nothing_runs_on_and_the_next_start_works(fresh: Portside) -> None:
    fresh.start()
    assert fresh.program is not None
    old = fresh.pids("uvicorn") + fresh.pids("valkey") + fresh.pids("manage.py", "inbox") + fresh.pids("-m worker")
    assert len(old) >= 4
    os.kill(fresh.program.pid, signal.SIGKILL)
    fresh.program.process.wait(60)
    fresh.start()  # at once: it waits for the last run's processes
    eventually(lambda: not set(old) & set(fresh.home.own_processes()), what="the end of the old ones")


def test_the_site_takes_connections_again_after_its_death_without_refusing_one(fresh: Portside) -> None:
    fresh.start()
    killed = fresh.kill("uvicorn_site")
    eventually(lambda: not set(killed) & set(fresh.home.own_processes()), what="the death")
    # A new connection waits in the listening socket's queue; a kept one may end only after its owner is gone.
    host, port = fresh.tls_address.split(":")
    with socket.create_connection((host, int(port)), PATIENCE_SECONDS):
        answer = Rest(fresh.url, None).get("/healthz")
    assert answer.status == 200
    program = fresh.program
    assert isinstance(program, Program) and program.is_running
