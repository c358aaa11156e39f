"""A running Portside: the real `manage.py up` in a throwaway home on a free port."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import urllib3

from tests.support.home import Home, command_of, throwaway_home
from tests.support.processes import PATIENCE_SECONDS, Program, eventually, free_port
from tests.support.rest import Rest

ROOT = Path(__file__).resolve().parents[2]
ADMIN_PASSWORD = "a password for tests"


class Portside:
    """`up` as a person starts it. `rest` is the administrator's client."""

    def __init__(self, home: Home, **environment: str) -> None:
        self.home = home
        self.port = free_port()
        self.address = f"127.0.0.1:{self.port}"
        self.url = f"http://{self.address}"
        self.log = home.path / "up.log"
        self.tls_address = f"127.0.0.1:{free_port()}"
        settings = {
            "PORTSIDE_ADMIN_PASSWORD": ADMIN_PASSWORD,
            "PORTSIDE_HOST": "tests",
            "PORTSIDE_TLS_BIND": self.tls_address,
            **environment,
        }
        self.environment = home.environment(PORTSIDE_BIND=self.address, **settings)
        self.program: Program | None = None
        self.rest = Rest(self.url, None)

    def start(self, *, seconds: float = 2 * PATIENCE_SECONDS) -> None:
        """Start `up`, wait until it is ready and its host is online.

        It says so itself: /readyz alone may be the answer of a run before that is on its way out.
        """
        said = self.log.stat().st_size if self.log.exists() else 0
        self.program = Program([sys.executable, "manage.py", "up"], log=self.log, env=self.environment, cwd=ROOT)
        self.program.wait_until(
            lambda: b"Portside is at" in self.log.read_bytes()[said:] and self.is_ready(),
            seconds=seconds,
            what="/readyz",
        )
        if self.rest.token is None:
            self.rest.token = self.token("admin")
        self.wait_host()

    def is_ready(self) -> bool:
        with contextlib.suppress(urllib3.exceptions.HTTPError):
            return self.rest.get("/readyz").status == 200
        return False

    def wait_host(self, name: str = "tests", *, seconds: float = PATIENCE_SECONDS) -> None:
        def is_online() -> bool:
            return any(host["name"] == name and host["online"] for host in self.rest.rows("/api/v1/hosts/"))

        try:
            eventually(is_online, seconds=seconds, what=f"host {name} online")
        except AssertionError as error:
            raise AssertionError(f"{error}\n{self.output()}") from None

    def token(self, username: str) -> str:
        return self.manage("token", username).strip().splitlines()[-1]

    def manage(self, *arguments: str) -> str:
        done = subprocess.run(
            [sys.executable, "manage.py", *arguments],
            env=self.environment,
            cwd=ROOT,
            check=False,
            capture_output=True,
            text=True,
            stdin=subprocess.DEVNULL,
            timeout=2 * PATIENCE_SECONDS,
        )
        assert done.returncode == 0, f"manage.py {arguments}: {done.stdout}\n{done.stderr}"
        return done.stdout

    def interrupt(self, *, seconds: float = PATIENCE_SECONDS) -> int:
        """Ctrl-C, as a terminal sends it: to the whole foreground process group."""
        assert self.program is not None
        if self.program.is_running:
            os.killpg(self.program.pid, signal.SIGINT)
        return self.program.stop(signal.SIGINT, seconds=seconds)

    def pids(self, *words: str) -> list[int]:
        """This home's processes whose command line has all these words; the site's are `uvicorn`, for example."""
        return [pid for pid in self.home.own_processes() if all(word in command_of(pid) for word in words)]

    def kill(self, *words: str) -> list[int]:
        """Kill -9 those processes and see their end; fails the test when there is none.

        A kill only sends the signal: who looks at once may still find the dead alive, `up` among them.
        """
        pids = self.pids(*words)
        assert pids, f"no process of this home has {words} on its command line"
        for pid in pids:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        if self.program is not None and self.program.pid in pids:
            self.program.process.wait(PATIENCE_SECONDS)
        eventually(lambda: not set(pids) & set(self.pids(*words)), what=f"the end of {words}")
        return pids

    def remove_containers(self) -> None:
        for container in self.rest.rows("/api/v1/containers/"):
            answer = self.rest.delete(f"/api/v1/containers/{container['id']}/?force=true")
            if answer.status != 404:
                self.rest.job(answer)

    def output(self, lines: int = 80) -> str:
        return "" if self.program is None else f"--- up.log\n{self.program.output(lines)}"


class Worker:
    """Another host of a running Portside's site: a worker with a home of its own."""

    def __init__(self, site: Portside, name: str) -> None:
        self.home = Home()
        self.name = name
        self.site = site
        self.environment = self.home.environment(
            PORTSIDE_HOST=name, PORTSIDE_REDIS_URL=f"unix://{site.home.path}/run/redis.sock"
        )

    def start(self) -> None:
        self.program = Program(
            [sys.executable, "-m", "worker"], log=self.home.path / "worker.log", env=self.environment, cwd=ROOT
        )
        self.site.wait_host(self.name)

    def close(self) -> None:
        self.program.stop()
        self.home.destroy()


@contextlib.contextmanager
def running_portside(**environment: str) -> Iterator[Portside]:
    with throwaway_home() as home:
        portside = Portside(home, **environment)
        try:
            portside.start()
            yield portside
        finally:
            if portside.program is not None and portside.program.is_running:
                portside.interrupt()
