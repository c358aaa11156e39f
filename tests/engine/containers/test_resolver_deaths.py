"""The resolver is killed, half by half, with and without anybody who notices: names go on being answered."""

from __future__ import annotations

import contextlib
import os
import platform
import secrets
import signal
import socket
import subprocess
import time
from pathlib import Path

import pytest

from engine.containers.record import ContainerRecord
from engine.network.dns import channel, link
from engine.network.dns.warden import Warden
from engine.options.networks import NetworkSpec
from tests.support.dns import ask
from tests.support.engine import Host
from tests.support.processes import PATIENCE_SECONDS, eventually

pytestmark = pytest.mark.root


@pytest.fixture
def host(tidy_host: Host, monkeypatch: pytest.MonkeyPatch) -> Host:
    monkeypatch.setattr(link, "ANSWER_SECONDS", PATIENCE_SECONDS)  # a verb returns when its names are known
    return tidy_host


@pytest.fixture
def pair(host: Host) -> tuple[ContainerRecord, ContainerRecord]:
    if not any(lan.name == "lan" for lan in host.engine.networks.all()):
        host.engine.networks.create(NetworkSpec(id=secrets.token_hex(32), name="lan", internal=True))
    web = host.run("sleep", "1000", name="web", network="lan")
    return web, host.run("sleep", "1000", name="asker", network="lan")


def resolvers(host: Host) -> tuple[int, int]:
    """Warden and answerer, once there is one of each."""
    found: list[int] = []

    def both() -> bool:
        answerer = int((host.home.config.run / "dns.answerer").read_text().split()[0])
        others = [pid for pid in host.helper_pids("engine.network.dns") if pid != answerer]
        wardens = [pid for pid in others if parent_of(answerer) == pid]
        found[:] = [*wardens, answerer]
        return len(found) == 2 and len(others) == 1

    eventually(both, what="one warden and one answerer")
    return found[0], found[1]


def parent_of(pid: int) -> int:
    try:
        return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
    except OSError:
        return 0


def sockets_in(pid: int | None) -> int:
    """UDP sockets in a container's namespace."""
    return len(Path(f"/proc/{pid}/net/udp").read_text().splitlines()) - 1


def test_the_answerer_has_no_rights(host: Host, pair: tuple[ContainerRecord, ContainerRecord]) -> None:
    _, answerer = resolvers(host)
    status = dict(line.split(":\t", 1) for line in Path(f"/proc/{answerer}/status").read_text().splitlines())
    assert status["Uid"].split() == ["65534"] * 4
    assert status["Gid"].split() == ["65534"] * 4
    assert status["Groups"].strip() == ""
    assert {int(status[name], 16) for name in ("CapInh", "CapPrm", "CapEff", "CapAmb")} == {0}
    assert status["NoNewPrivs"] == "1"
    assert status["Seccomp"] == ("2" if platform.machine() in ("x86_64", "aarch64") else "0")
    assert os.listdir(f"/proc/{answerer}/root") == []


def test_a_killed_answerer_costs_nothing(host: Host, pair: tuple[ContainerRecord, ContainerRecord]) -> None:
    web, asker = pair
    for _ in range(3):
        _, answerer = resolvers(host)
        host.kill_hard(answerer)
        assert ask(asker.pid, "web").records == [web.ip_address]
    assert sockets_in(asker.pid) == 1


def test_without_its_warden_the_answerer_goes_on_until_the_next(
    host: Host, pair: tuple[ContainerRecord, ContainerRecord]
) -> None:
    web, asker = pair
    keeper = host.keeper_pid()
    os.kill(keeper, signal.SIGSTOP)  # nobody notices for now
    try:
        warden, answerer = resolvers(host)
        host.kill_hard(warden)
        assert ask(asker.pid, "web").records == [web.ip_address]
        third = host.run("sleep", "1000", name="third", network="lan")  # who starts a container starts a resolver
        assert ask(asker.pid, "third").records == [third.ip_address]
        assert ask(third.pid, "web").records == [web.ip_address]
        host.kill_hard(resolvers(host)[0])
    finally:
        os.kill(keeper, signal.SIGCONT)
    _, after = resolvers(host)  # the keeper has seen to it
    assert after != answerer
    assert ask(asker.pid, "third").records == [third.ip_address]
    eventually(lambda: sockets_in(asker.pid) == 1, what="the end of the old sockets")


def test_both_are_killed_at_once(host: Host, pair: tuple[ContainerRecord, ContainerRecord]) -> None:
    web, asker = pair
    for pid in resolvers(host):
        os.kill(pid, signal.SIGKILL)
    assert ask(asker.pid, "nobody").code, "once it answers again"
    assert ask(asker.pid, "web").records == [web.ip_address]


def test_nobody_is_served_before_its_names_are_known(host: Host, pair: tuple[ContainerRecord, ContainerRecord]) -> None:
    ours, answerers = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    listener, unused = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with ours, answerers, listener, unused:
        warden = Warden(host.home.config, listener)
        warden._answerer = ours
        warden._look_at_all()
        answerers.settimeout(0)
        told = []
        with contextlib.suppress(BlockingIOError):
            while received := channel.receive(answerers):
                told.append(next(iter(received[0])))
                for descriptor in received[1]:
                    os.close(descriptor)
        for served in warden._served.values():
            served.close()
    assert told == ["put", "serve", "serve"]


@pytest.mark.parametrize("half", ["warden", "answerer"])
def test_a_half_that_was_stopped_is_replaced_by_the_next_start(
    host: Host, pair: tuple[ContainerRecord, ContainerRecord], half: str
) -> None:
    web, asker = pair
    stopped = resolvers(host)[half == "answerer"]
    os.kill(stopped, signal.SIGSTOP)
    third = host.run("sleep", "1000", name="third", network="lan")  # whose patience is PATIENCE_SECONDS
    assert ask(asker.pid, "third").records == [third.ip_address]
    assert ask(third.pid, "web").records == [web.ip_address]
    assert stopped not in resolvers(host)


def test_who_reconciles_starts_it_too(host: Host, pair: tuple[ContainerRecord, ContainerRecord]) -> None:
    web, asker = pair
    keeper = host.keeper_pid()
    os.kill(keeper, signal.SIGSTOP)
    try:
        for pid in resolvers(host):
            host.kill_hard(pid)
        (host.home.config.run / "dns.sock").unlink()  # as if it had gone in order
        host.engine.reconcile()
        assert ask(asker.pid, "web").records == [web.ip_address]
    finally:
        os.kill(keeper, signal.SIGCONT)


def test_after_a_boot_names_lead_to_who_runs_then(host: Host) -> None:
    lan = host.engine.networks.create(NetworkSpec(id=secrets.token_hex(32), name="lan-of-boot"))
    web = host.run("sleep", "1000", name="web", network=lan.name, restart="always")
    asker = host.run("sleep", "1000", name="asker", network=lan.name, restart="always")
    once = host.run("sleep", "1000", name="once", network=lan.name)
    for pid in (*resolvers(host), host.engine.runtime.ensure_launcher(), *host.helper_pids("engine.keeper")):
        host.kill_hard(pid)
    for pid in host.helper_pids("engine.keeper.hands"):
        host.kill_hard(pid)
    while processes := host.home.container_processes():
        for process in processes:
            with contextlib.suppress(ProcessLookupError):
                os.kill(int(process.split()[0]), signal.SIGKILL)
        time.sleep(0.02)
    for note in host.home.config.containers.glob("*/exit.*"):
        note.unlink()
    run = host.home.config.run
    (run / "boot_id").write_text("another boot")
    (run / "dns.answerer").write_text(f"{os.getpid()} 1")  # somebody else has its number now
    for link_name in (f"{host.home.config.bridge.removesuffix('0')}{lan.number}", host.home.config.bridge):
        subprocess.run(["ip", "link", "delete", link_name], check=True)
    host.engine.reconcile()
    asks = host.engine.container_get(asker.id).pid
    assert ask(asks, "web").records == [host.engine.container_get(web.id).ip_address]
    assert host.engine.container_get(web.id).pid != web.pid
    assert ask(asks, "once").code == 3
    assert host.engine.container_get(once.id).status == "stopped"


def test_a_bridge_that_is_taken_away_takes_no_names(host: Host, pair: tuple[ContainerRecord, ContainerRecord]) -> None:
    web, asker = pair
    lan = host.engine.networks.get("lan")
    subprocess.run(["ip", "link", "delete", f"{host.home.config.bridge.removesuffix('0')}{lan.number}"], check=True)
    assert ask(asker.pid, "web").records == [web.ip_address]
    host.engine.reconcile()
    assert ask(asker.pid, "web").records == [web.ip_address]
    third = host.run("sleep", "1000", name="third", network="lan")
    assert ask(asker.pid, "third").records == [third.ip_address]


def test_what_stops_without_a_word_to_it_is_seen(host: Host, pair: tuple[ContainerRecord, ContainerRecord]) -> None:
    web, asker = pair
    assert web.pid is not None
    namespace = os.stat(f"/proc/{web.pid}/ns/net").st_ino
    os.kill(web.pid, signal.SIGKILL)
    eventually(lambda: ask(asker.pid, "web").code == 3, what="the end of its name")
    eventually(lambda: not holders(namespace), what="the end of its namespace")


def holders(namespace: int) -> list[str]:
    """Processes that are in it."""
    found = []
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            try:
                if os.stat(f"/proc/{entry}/ns/net").st_ino == namespace:
                    found.append(entry)
            except OSError:
                continue
    return found


def test_rules_that_were_flushed_inside_come_back(host: Host, pair: tuple[ContainerRecord, ContainerRecord]) -> None:
    web, asker = pair
    subprocess.run(["nsenter", "-t", str(asker.pid), "-n", "nft", "flush", "ruleset"], check=True)
    eventually(lambda: rules(asker.pid), what="rules")
    assert ask(asker.pid, "web").records == [web.ip_address]


def rules(pid: int | None) -> str:
    done = subprocess.run(
        ["nsenter", "-t", str(pid), "-n", "nft", "list", "ruleset"], check=True, capture_output=True, text=True
    )
    return done.stdout


def test_it_goes_when_nobody_needs_it(host: Host, pair: tuple[ContainerRecord, ContainerRecord]) -> None:
    for record in pair:
        host.engine.container_remove(record.id, force=True)
    assert host.is_clean()
    eventually(lambda: not host.helper_pids("engine.network.dns"), what="its end")
    assert not link.needs_reviving(host.home.config)
