"""`python -m engine run`: create, start, and stay with it until it ends, as `docker run` does."""

from __future__ import annotations

import argparse
import contextlib
import os
import secrets
import select
import signal
import sys
from collections.abc import Callable, Collection, Iterable, Iterator
from typing import Any

from engine import attach_session, run_options
from engine.containers.spec import ContainerSpec, PortMapping
from engine.errors import AlreadyExists, EngineError, InvalidArgument
from engine.facade import Engine

FOLLOW_SECONDS = 1.0
STREAMS = ("stdout", "stderr")
_FORWARDED = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT, signal.SIGUSR1, signal.SIGUSR2)


def run(engine: Engine, options: argparse.Namespace) -> int:
    """In the foreground: the log as it comes, signals handed on, and the container's exit code as ours."""
    _check(options)
    spec = specification(options)
    engine.container_create(spec, progress=None if options.quiet else show_progress)
    if options.cidfile is not None:
        _write_id(options.cidfile, spec.id)
    try:
        engine.container_start(spec.id)
        if options.detach:
            sys.stdout.write(f"{spec.id}\n")
            return 0
        if options.interactive or options.tty:
            keys = options.detach_keys
            code = attach_session.attend(engine, spec.id, interactive=options.interactive, keys=keys, cursor=0)
            options.detach = code is None
            return code or 0
        streams = [name for name in STREAMS if not options.attach or name in options.attach]
        with forwarded(engine, spec.id, is_on=options.sig_proxy == "true") as woken:
            follow(engine, spec.id, 0, streams, woken)
        return engine.container_get(spec.id).exit_code or 0
    except KeyboardInterrupt:  # with --sig-proxy=false: it is left alone
        options.detach = True
        return 130
    finally:
        if options.rm and not options.detach:
            engine.container_remove(spec.id, force=True, volumes=True)


def specification(options: argparse.Namespace) -> ContainerSpec:
    """What the flags say. Raises `InvalidArgument`."""
    fields = run_options.request(options)
    fields["ports"] = tuple(PortMapping(**port) for port in fields.get("ports", ()))
    fields.setdefault("name", f"c-{secrets.token_hex(4)}")
    return ContainerSpec(id=secrets.token_hex(32), auto_remove=options.rm and options.detach, **fields)


def _check(options: argparse.Namespace) -> None:
    if options.cidfile is not None and os.path.exists(options.cidfile):
        raise AlreadyExists(f"--cidfile: {options.cidfile} is there: another container's, perhaps; remove it first")
    if options.attach and options.detach:
        raise InvalidArgument("--attach and --detach go ill together: leave one of the two out")


def _write_id(path: str, container_id: str) -> None:
    try:
        with open(path, "x", encoding="ascii") as file:
            file.write(container_id)
    except OSError as error:
        raise InvalidArgument(f"--cidfile: {error}; the container {container_id[:12]} is made") from error


@contextlib.contextmanager
def forwarded(engine: Engine, name: str, *, is_on: bool) -> Iterator[Callable[[], int]]:
    """Signals to us are sent to the container. Gives what `follow` waits on and calls: it passes them on."""
    if not is_on:
        yield lambda: -1
        return
    read, write = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
    before = {number: signal.signal(number, lambda *_: None) for number in _FORWARDED}
    usual = signal.set_wakeup_fd(write, warn_on_full_buffer=False)

    def pass_on() -> int:
        with contextlib.suppress(BlockingIOError):
            for number in os.read(read, 64):
                if number in _FORWARDED:
                    with contextlib.suppress(EngineError):  # it has just ended
                        engine.container_kill(name, signal.Signals(number).name)
        return read

    try:
        yield pass_on
    finally:
        signal.set_wakeup_fd(usual)
        for number, handler in before.items():
            signal.signal(number, handler)
        os.close(read)
        os.close(write)


def follow(
    engine: Engine,
    name: str,
    cursor: int,
    streams: Collection[str] = STREAMS,
    woken: Callable[[], int] = lambda: -1,
) -> None:
    """Copy the log until the container neither runs nor waits for a restart."""
    with engine.container_logs(name).follow() as more, engine.journal.listen() as changes:
        while engine.container_get(name).status in ("running", "paused", "restarting"):
            cursor = copy_log(engine, name, cursor, streams)
            signals = woken()
            watched = [more.fileno(), changes.socket.fileno(), *([signals] if signals >= 0 else [])]
            select.select(watched, [], [], FOLLOW_SECONDS)
            more.drain()
            changes.wait(0)
    copy_log(engine, name, cursor, streams)


def copy_log(engine: Engine, name: str, cursor: int, streams: Collection[str] = STREAMS) -> int:
    """Copy everything from `cursor` on, each stream to its own; returns where it ends."""
    reader = engine.container_logs(name)
    while chunks := reader.read(cursor):
        for chunk in chunks:
            if chunk.stream in streams:
                target = sys.stderr if chunk.stream == "stderr" else sys.stdout
                target.buffer.write(chunk.data)
                target.flush()
        cursor = chunks[-1].end
    return cursor


def show_progress(phase: str, layers: Iterable[Any]) -> None:
    done, total = sum(layer.done_bytes for layer in layers), sum(layer.total_bytes for layer in layers)
    sys.stderr.write(f"\r{phase}: {done / 1e6:.1f} of {total / 1e6:.1f} MB   " + ("\n" if phase == "done" else ""))
