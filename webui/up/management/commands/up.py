"""`manage.py up`: everything on this host, in the foreground; Ctrl-C stops it and leaves containers running.

This process prepares (checks, migrates, makes the administrator) and then becomes the supervisor, so that
Django's memory is not kept for something that only watches.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import socket
import sys
import time
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError
from django.db import DatabaseError, connection, connections

from webui.accounts.services import ADMIN, admin_ensure
from webui.broadcast import unheard
from webui.configuration import Configuration
from webui.up import broker, plan
from webui.up.listening import listen, url

LAST_RUN_SECONDS = 10.0
DOCKER_SOCKET = "docker.sock"


class Command(BaseCommand):
    help = "Run the broker, the site, the inbox and this host's worker in the foreground."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--prepare-only", action="store_true", help="migrate and make the administrator, no more")

    def handle(self, *_args: Any, prepare_only: bool, **_options: Any) -> None:
        portside: Configuration = settings.PORTSIDE
        if os.geteuid() != 0:
            raise CommandError("Portside runs containers and must be started by root: try `sudo make run`.")
        run = portside.home / "run"
        run.mkdir(mode=0o700, parents=True, exist_ok=True)
        # A home that existed before may be open to all; it holds the database, the secret key, images' setuid files.
        portside.home.chmod(0o700)
        lock = self._lock(run / "up.lock", portside.home)
        children_lock = self._await_last_run(run / "children.lock")
        listener = listen(*portside.bind, "PORTSIDE_BIND").detach()
        secure = None if portside.tls_bind is None else listen(*portside.tls_bind, "PORTSIDE_TLS_BIND").detach()
        docker = self._listen_for_root(portside.home)
        try:
            command = (
                broker.command(portside.redis_socket, portside.home / "redis") if portside.redis_is_embedded else None
            )
        except broker.BrokerMissing as error:
            raise CommandError(str(error)) from error
        with unheard() if portside.redis_is_embedded else contextlib.nullcontext():
            password = self._prepare(portside)
        if prepare_only:
            return
        (portside.home / "redis").mkdir(mode=0o700, exist_ok=True)
        lines = [f"Portside is at {url(*portside.bind)}"]
        if password:
            lines.append(f"Sign in as {ADMIN}, one-time password: {password}")
        todo = plan.portside(
            broker_command=command,
            broker_socket=portside.redis_socket,
            listener=listener,
            docker=docker,
            secure=secure,
            lock=children_lock,
            lines=lines,
        )
        keep = [lock, children_lock, listener, docker, *([] if secure is None else [secure])]
        self._become_supervisor(todo, portside.home, keep)

    def _lock(self, path: Path, home: Path) -> int:
        lock = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            pid = os.pread(lock, 20, 0).decode().strip() or "unknown"
            raise CommandError(
                f"Portside already runs with the home {home} (process {pid}): stop that one, or set PORTSIDE_HOME."
            ) from None
        os.ftruncate(lock, 0)
        os.pwrite(lock, f"{os.getpid()}\n".encode(), 0)
        return lock

    def _await_last_run(self, path: Path) -> int:
        """After a supervisor's sudden death its children are still on their way out; two brokers would fight."""
        lock = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        end = time.monotonic() + LAST_RUN_SECONDS
        while True:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                if time.monotonic() > end:
                    raise CommandError(
                        "Processes of the last run do not end: look for them with `ps` and stop them."
                    ) from None
                time.sleep(0.05)
            else:
                return lock

    def _listen_for_root(self, home: Path) -> int:
        """`docker -H unix://HOME/docker.sock`: only root can connect to it, and is the administrator there."""
        directory = os.open(home, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC)
        mask = os.umask(0o177)
        try:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(DOCKER_SOCKET, dir_fd=directory)
            listener.bind(f"/proc/self/fd/{directory}/{DOCKER_SOCKET}")  # of any length: unix(7) has 107 bytes
            listener.listen(256)
        finally:
            os.umask(mask)
            os.close(directory)
        return listener.detach()

    def _prepare(self, portside: Configuration) -> str | None:
        """Bring the database up to date; the first administrator's password if one was made."""
        try:
            call_command("migrate", interactive=False, verbosity=0)
            if connection.vendor == "sqlite":
                os.chmod(portside.database["NAME"], 0o600)  # password hashes are in it
            return admin_ensure(portside.admin_password)
        except DatabaseError as error:
            raise CommandError(f"The database can't be prepared: {error} Check PORTSIDE_DATABASE_URL.") from error
        finally:
            connections.close_all()

    def _become_supervisor(self, todo: plan.Plan, home: Path, keep: list[int]) -> None:
        for descriptor in keep:
            os.set_inheritable(descriptor, True)
        handover = os.memfd_create("plan", 0)
        os.write(handover, todo.encode())
        os.lseek(handover, 0, os.SEEK_SET)
        environment = {name: value for name, value in os.environ.items() if name != "PORTSIDE_ADMIN_PASSWORD"}
        environment |= {"PORTSIDE_HOME": str(home), "PYTHONUNBUFFERED": "1"}
        sys.stdout.flush()
        sys.stderr.flush()
        os.chdir(plan.ROOT)
        os.execve(sys.executable, [sys.executable, "-m", "webui.up.supervisor", str(handover)], environment)  # noqa: S606
