"""What a worker is told by its environment, and what it says where that is wrong."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from engine.errors import InvalidArgument
from tests.support.home import Home
from worker.settings import WorkerSettings

ROOT = Path(__file__).resolve().parents[2]


def worker(home: Home, *before: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*before, sys.executable, "-m", "worker"],
        env=home.environment(**environment),
        cwd=ROOT,
        check=False,
        capture_output=True,
        text=True,
        timeout=60,
    )


@pytest.mark.parametrize(
    "url",
    [
        "http://broker:6379/0",
        "redis://:pa/ss@broker:6379/0",
        "redis://:12/ss@broker:6379/0",
        "redis://:pa#ss@broker:6379/0",
        "redis://:pa?ss@broker:6379/0",
        "redis://:pass@broker:port/0",
        "redis://[:pass@broker/0",
    ],
)
def test_an_address_that_is_no_brokers_is_refused_without_a_word_of_its_password(url: str) -> None:
    with pytest.raises(InvalidArgument, match="PORTSIDE_REDIS_URL: it ") as refused:
        WorkerSettings.from_environment({"PORTSIDE_REDIS_URL": url})
    assert "ss@" not in refused.value.message and "'pa" not in refused.value.message


@pytest.mark.parametrize(
    "url", ["redis://broker", "redis://:p%2Fw@broker:6379/0", "rediss://user:pw@[::1]:6379/3", "unix:///run/r.sock"]
)
def test_an_address_of_a_broker_is_taken_as_it_is(url: str) -> None:
    assert WorkerSettings.from_environment({"PORTSIDE_REDIS_URL": url}).redis_url == url


def test_by_tls_no_password_is_shown_to_whoever_answers() -> None:
    """Kombu's own default is to believe any certificate."""

    def celery(url: str) -> str:
        return WorkerSettings.from_environment({"PORTSIDE_REDIS_URL": url}).celery_broker_url

    assert celery("rediss://:pw@broker/0") == "rediss://:pw@broker/0?ssl_cert_reqs=required"
    assert celery("rediss://broker/0?ssl_ca_certs=/ca.pem") == (
        "rediss://broker/0?ssl_ca_certs=/ca.pem&ssl_cert_reqs=required"
    )
    assert celery("rediss://broker/0?ssl_cert_reqs=none") == "rediss://broker/0?ssl_cert_reqs=none"
    assert celery("redis://broker/0") == "redis://broker/0"


@pytest.mark.parametrize("variable", ["PORTSIDE_REDIS_URL", "PORTSIDE_RUNTIMES"])
def test_what_is_wrong_is_told_in_one_line(home: Home, variable: str) -> None:
    done = worker(home, **{variable: "nonsense"})
    assert done.returncode == 1
    assert variable in done.stderr and len(done.stderr.splitlines()) == 1


@pytest.mark.root
def test_a_home_that_was_open_to_all_is_closed(home: Home) -> None:
    """Before anything is asked of the broker: the lock is taken, so that the worker ends right after."""
    import fcntl

    lock = home.path / "run" / "worker.lock"
    lock.parent.mkdir()
    home.path.chmod(0o755)
    with lock.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        done = worker(home, PORTSIDE_REDIS_URL="redis://127.0.0.1:1/0")
    assert done.returncode == 1 and "another worker already serves" in done.stderr
    assert home.path.stat().st_mode & 0o777 == 0o700


def test_only_root_may_run_containers(
    home: Home, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    from worker.__main__ import main

    monkeypatch.setenv("PORTSIDE_HOME", str(home.path / "new"))
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    assert main() == 1
    assert "must be started by root" in caplog.text and not (home.path / "new").exists()
