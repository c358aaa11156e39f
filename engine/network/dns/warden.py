"""The half with rights: it makes sockets in namespaces, reads the store, and makes the answerer. It reads no packet.

What it was told is only "look at these": what is true stands in the store. So a message that got lost costs a second
(`LOOK_SECONDS`), and one that comes twice costs nothing.
"""

from __future__ import annotations

import contextlib
import gc
import json
import logging
import os
import signal
import socket
from collections.abc import Collection
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, NoReturn

from engine.config import EngineConfig
from engine.network.dns import channel, inside
from engine.network.dns.answerer import Answerer
from engine.network.dns.confinement import lock_down
from engine.network.dns.hosts_own import HostServers
from engine.network.dns.looping import Loop
from engine.network.dns.records import Clients, Process, is_alive, is_stopped, namespace_of, process_of
from engine.network.lans import Lans
from engine.store.database import Store

log = logging.getLogger(__name__)

LOOK_SECONDS = 1.0
IDLE_LOOKS = 4
"""So many looks without a container that runs, and it goes."""
ANSWER_SECONDS = 5.0
NOBODY = 65534
_ENTRIES_BYTES = 48 << 10
_RULES_A_LOOK = 20
_FAMILIES, _KINDS = (socket.AF_INET, socket.AF_INET6), (socket.SOCK_DGRAM, socket.SOCK_STREAM)


@dataclass
class _Served:
    process: Process
    udp: socket.socket
    tcp: socket.socket
    pidfd: int

    def close(self) -> None:
        self.udp.close()
        self.tcp.close()
        os.close(self.pidfd)


class Warden:
    """`listener` takes the engine's messages; `answerer_file` says who answers, for the next warden to end."""

    def __init__(self, config: EngineConfig, listener: socket.socket) -> None:
        self._config = config
        self._listener = listener
        self._loop = Loop()
        self._store = Store(config.database)
        self._clients = Clients(self._store, Lans(self._store))
        self._host = HostServers()
        self._host.look()
        self._told: dict[str, str] = {}  # what the answerer has been told of each container, as JSON
        self._served: dict[str, _Served] = {}
        self._dead: dict[str, Process] = {}  # those whose end we saw before the store has it
        self._change = -1
        self._idle = 0
        self._looks = 0
        self._answerer: socket.socket | None = None
        self._answerer_pid = 0
        self._number = 0
        self._loop.register(listener.fileno(), self._on_connection)

    def serve(self) -> None:
        """Returns when no container needs it any more."""
        before = self._process_of_last()
        self._begin_answerer()
        self._look_at_all()
        self._end(before)
        self._loop.after(LOOK_SECONDS, self._look)
        while self._idle < IDLE_LOOKS:
            self._loop.turn()
        self._listener.close()
        self._end_answerer()

    # ---- what is true

    def _look(self) -> None:
        """Each second: has anything changed without a word to us?"""
        self._loop.after(LOOK_SECONDS, self._look)
        self._looks += 1
        try:
            if self._host.look():
                self._tell({"host": self._host.servers})
            if self._clients.change() != self._change:
                self._look_at_all()
            self._mend_rules()
        except Exception:  # the store is busy, or a home is being taken down
            log.exception("a look at the networks failed; trying again")
        self._idle = 0 if self._served else self._idle + 1

    def _look_at_all(self) -> None:
        self._change = self._clients.change()
        entries, processes = self._clients.read()
        self._follow(entries, processes, set(self._told) | set(self._served) | set(entries))

    def look_at(self, container_ids: Collection[str]) -> None:
        entries, processes = self._clients.read(container_ids)
        self._follow(entries, processes, container_ids)

    def _follow(self, entries: dict[str, Any], processes: dict[str, Process], known: Collection[str]) -> None:
        """Make names and sockets of the containers `known` match what was read."""
        put, drop = [], []
        taken_up = [one for one in known if self._follow_process(one, processes.get(one))]
        for container_id in known:
            entry, process = entries.get(container_id), processes.get(container_id)
            if entry is None:
                if self._told.pop(container_id, None) is not None:
                    drop.append(container_id)
                continue
            entry["running"] = entry["running"] and (process is None or self._dead.get(container_id) != process)
            text = json.dumps(entry, separators=(",", ":"))
            if self._told.get(container_id) != text:
                self._told[container_id] = text
                put.append(text)
        self._tell_entries(put, drop)
        for container_id in taken_up:  # who is served before its names are known is told that there are none
            self._tell_served(container_id, self._served[container_id])

    def _follow_process(self, container_id: str, process: Process | None) -> bool:
        """Whether it is served from now on, which the answerer is to be told."""
        served = self._served.get(container_id)
        if served is not None and served.process != process:
            self._leave(container_id)
        if process is None:
            self._dead.pop(container_id, None)
        elif container_id not in self._served and self._dead.get(container_id) != process:
            return self._take_up(container_id, process)
        return False

    def _take_up(self, container_id: str, process: Process) -> bool:
        namespace = namespace_of(process)
        if namespace is None:
            self._dead[container_id] = process
            return False
        try:
            pidfd = os.pidfd_open(process.pid)
            udp, tcp = inside.sockets(namespace)
        except OSError as error:
            log.warning("container %s gets no name server: %s", container_id[:12], error)
            return False
        finally:
            os.close(namespace)
        self._served[container_id] = _Served(process, udp, tcp, pidfd)
        self._loop.register(pidfd, partial(self._on_end, container_id, process))
        return True

    def _on_end(self, container_id: str, process: Process, _: int) -> None:
        """Its process is gone: its name leads nowhere from now on, whoever else has not seen it yet."""
        self._dead[container_id] = process
        self._leave(container_id)
        self.look_at([container_id])

    def _leave(self, container_id: str) -> None:
        served = self._served.pop(container_id)
        self._loop.unregister(served.pidfd)
        served.close()
        self._tell({"leave": container_id})

    def _mend_rules(self) -> None:
        """Some containers at a time: a look at one costs 50 µs."""
        ids = list(self._served)
        at = self._looks * _RULES_A_LOOK % max(1, len(ids))
        for container_id in ids[at : at + _RULES_A_LOOK]:
            served = self._served[container_id]
            namespace = namespace_of(served.process)
            if namespace is None:
                continue
            try:
                is_there = inside.is_there(namespace)
            finally:
                os.close(namespace)
            if not is_there:
                log.warning("container %s had its name server's rules taken away", container_id[:12])
                self._leave(container_id)
                if self._take_up(container_id, served.process):
                    self._tell_served(container_id, self._served[container_id])

    # ---- who tells us

    def _on_connection(self, _: int) -> None:
        with contextlib.suppress(BlockingIOError):
            connection, _address = self._listener.accept()
            connection.settimeout(ANSWER_SECONDS)
            self._loop.register(connection.fileno(), partial(self._on_message, connection))

    def _on_message(self, connection: socket.socket, _: int) -> None:
        """{"look": [ids]}: an answer says that all who ask from now on are answered accordingly."""
        try:
            received = channel.receive(connection)
            if received is not None:
                told, _descriptors = received
                self.look_at([str(one) for one in told.get("look", ())])
                channel.send(connection, {"done": self._is_heard()})
                return
        except (OSError, ValueError) as error:
            log.warning("a message was not understood: %s", error)
        except Exception:
            log.exception("what changed can't be read now; trying again")
        self._loop.unregister(connection.fileno())
        connection.close()

    # ---- the answerer

    def _begin_answerer(self) -> None:
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        root = self._config.run / "empty"
        root.mkdir(mode=0o755, exist_ok=True)
        pid = os.fork()
        if pid == 0:
            _become_answerer(theirs, os.fspath(root))
        theirs.close()
        ours.settimeout(ANSWER_SECONDS)
        self._answerer, self._answerer_pid = ours, pid
        process = process_of(pid)
        if process is not None:
            new = self._answerer_file.with_suffix(".new")
            new.write_text(f"{process.pid} {process.born}")
            new.rename(self._answerer_file)
        self._loop.register(ours.fileno(), self._on_answerer)
        self._tell({"host": self._host.servers})
        self._tell_entries(list(self._told.values()), [])
        for container_id, served in self._served.items():
            self._tell_served(container_id, served)

    @property
    def _answerer_file(self) -> Path:
        return self._config.run / "dns.answerer"

    def _process_of_last(self) -> Process | None:
        try:
            pid, born = self._answerer_file.read_text().split()
            return Process(int(pid), int(born))
        except (OSError, ValueError):
            return None

    def _end(self, process: Process | None) -> None:
        """An answerer whose warden died has gone on until now."""
        if process is None:
            return
        with contextlib.suppress(OSError):
            descriptor = os.pidfd_open(process.pid)
            try:
                if is_alive(process):
                    signal.pidfd_send_signal(descriptor, signal.SIGKILL)
            finally:
                os.close(descriptor)

    def _on_answerer(self, _: int) -> None:
        if self._hear() is None:
            self._replace_answerer()

    def _hear(self) -> Any:
        """The next thing that the answerer says; what it asks for is done, and True. None when it is gone."""
        assert self._answerer is not None
        try:
            received = channel.receive(self._answerer)
            if received is None:
                return None
            said, descriptors = received
            for descriptor in descriptors:
                os.close(descriptor)
            if not isinstance(said, dict):
                return said
            number, container_id, family, kind = said["open"]
            self._open(int(number), str(container_id), int(family), int(kind))
        except (OSError, ValueError, KeyError, TypeError) as error:
            log.warning("the answerer is not understood: %s", error)
            return None
        return True

    def _speaks(self) -> bool:
        """Whether the answerer has something to say in time; one that is stopped has not."""
        assert self._answerer is not None
        return channel.awaits(self._answerer, ANSWER_SECONDS, lambda: is_stopped(self._answerer_pid))

    def _open(self, number: int, container_id: str, family: int, kind: int) -> None:
        """Give the answerer a socket of a container that it serves, to ask that container's own name servers by."""
        served = self._served.get(container_id)
        namespace = None if served is None else namespace_of(served.process)
        if namespace is None or family not in _FAMILIES or kind not in _KINDS:
            self._tell({"opened": number})
            return
        try:
            flags = socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC
            made = inside.within(namespace, lambda: socket.socket(family, kind | flags))
        except OSError:
            self._tell({"opened": number})
            return
        finally:
            os.close(namespace)
        with made:
            self._tell({"opened": number}, [made.fileno()])

    def _replace_answerer(self) -> None:
        log.warning("the answerer is gone; here is another one, with the same sockets")
        self._end_answerer()
        self._begin_answerer()

    def _end_answerer(self) -> None:
        if self._answerer is not None:
            self._loop.unregister(self._answerer.fileno())
            self._answerer.close()
            self._answerer = None
            with contextlib.suppress(ProcessLookupError, ChildProcessError):
                os.kill(self._answerer_pid, signal.SIGKILL)
                os.waitpid(self._answerer_pid, 0)

    def _tell(self, message: dict[str, Any], descriptors: Collection[int] = ()) -> None:
        """What can't be told is told the next answerer when it is made."""
        if self._answerer is not None:
            with contextlib.suppress(OSError):
                channel.send(self._answerer, message, list(descriptors))

    def _tell_entries(self, put: list[str], drop: list[str]) -> None:
        some: list[str] = []
        size = 0
        for text in put:
            some.append(text)
            size += len(text)
            if size > _ENTRIES_BYTES:
                self._tell({"put": [json.loads(one) for one in some]})
                some, size = [], 0
        if some or drop:
            self._tell({"put": [json.loads(one) for one in some], "drop": drop})

    def _tell_served(self, container_id: str, served: _Served) -> None:
        self._tell({"serve": container_id}, (served.udp.fileno(), served.tcp.fileno(), served.pidfd))

    def _is_heard(self) -> bool:
        """Whether the answerer has taken in all that it was told."""
        assert self._answerer is not None
        self._number += 1
        with contextlib.suppress(OSError, ValueError):
            channel.send(self._answerer, {"number": self._number})
            while self._speaks() and (said := self._hear()) is not None:
                if said is not True and said == self._number:
                    return True
        self._replace_answerer()
        return False


def _become_answerer(channel_to_warden: socket.socket, root: str) -> NoReturn:
    """In the child: never returns."""
    code = 1
    try:
        kept = channel_to_warden.fileno()
        for descriptor in (int(name) for name in os.listdir("/proc/self/fd")):
            if descriptor > 2 and descriptor != kept:
                with contextlib.suppress(OSError):
                    os.close(descriptor)
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        lock_down(root, NOBODY)
        gc.freeze()
        channel_to_warden.setblocking(False)
        Answerer(channel_to_warden).serve()
        code = 0
    except BaseException:
        log.exception("the answerer stumbled")
    finally:
        os._exit(code)


def listen(config: EngineConfig) -> socket.socket:
    """The warden's socket, in place of a dead one's. The caller holds the warden's lock."""
    from engine.unix_path import short

    config.dns_socket.unlink(missing_ok=True)
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET | socket.SOCK_CLOEXEC)
    listener.setblocking(False)
    with short(config.dns_socket) as address:
        listener.bind(address)
    listener.listen(64)
    return listener
