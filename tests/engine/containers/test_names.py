"""Containers find each other by name: asked by real programs, in real containers, on networks of a name."""

from __future__ import annotations

import ipaddress
import secrets
import socket
import subprocess

import pytest

from engine.containers.record import ContainerRecord
from engine.errors import Unsupported
from engine.network.dns import link
from engine.options.networks import Joining, NetworkSpec
from tests.support import dns
from tests.support.dns import ask, inside, name_server
from tests.support.engine import Host
from tests.support.processes import PATIENCE_SECONDS

pytestmark = pytest.mark.root
WAIT = ("sleep", "1000")


@pytest.fixture
def host(tidy_host: Host, monkeypatch: pytest.MonkeyPatch) -> Host:
    monkeypatch.setattr(link, "ANSWER_SECONDS", PATIENCE_SECONDS)  # a verb returns when its names are known
    return tidy_host


class Lan:
    """A network for one test, and containers on it."""

    def __init__(self, host: Host, **options: object) -> None:
        self.host = host
        self.name = f"net-{secrets.token_hex(4)}"
        spec = NetworkSpec(id=secrets.token_hex(32), name=self.name, **options)  # type: ignore[arg-type]
        self.lan = host.engine.networks.create(spec)

    @property
    def gateway(self) -> str:
        return str(self.lan.gateway.ip)

    def run(self, **options: object) -> ContainerRecord:
        return self.host.run(*WAIT, network=self.name, **options)


def stop(host: Host, record: ContainerRecord) -> None:
    host.engine.container_stop(record.id, 0)


def own_networks(record: ContainerRecord) -> list[str]:
    return [str(one["ip"]) for one in record.networks]


def test_a_program_finds_a_container_by_all_its_names(host: Host) -> None:
    lan = Lan(host)
    name = f"web-{secrets.token_hex(4)}"
    web = lan.run(name=name, hostname="Shop", network_alias=("www", "api.internal"))
    names = (name, name.upper(), web.id[:12], "shop", "www", "api.internal", f"{name}.{lan.name}")
    script = "; ".join(f"nslookup {one}" for one in (*names, str(web.ip_address)))
    asker = host.run("sh", "-c", script, network=lan.name)
    host.ended(asker.id)
    said = host.log(asker.id).decode()
    assert said.count(f"Address: {web.ip_address}\n") == len(names), said
    assert f"name = {name}.{lan.name}" in said


def test_a_link_is_a_name_that_one_container_alone_knows(host: Host) -> None:
    lan = Lan(host, internal=True)
    web, other = lan.run(), lan.run(network_alias=("cache",))
    asker = lan.run(link=(f"{web.name}:Database", f"/{web.id}:/x/cache", "nobody:ghost"))
    assert ask(asker.pid, "database").records == ask(asker.pid, web.name).records == [web.ip_address]
    assert ask(asker.pid, f"database.{lan.name}").records == [web.ip_address]
    assert ask(asker.pid, "cache").records == [web.ip_address], "it goes before what another one is called"
    assert ask(other.pid, "cache").records == [other.ip_address]
    for pid, name in ((other.pid, "database"), (asker.pid, "ghost")):
        assert ask(pid, name).code == dns.SERVFAIL
    stop(host, web)
    assert ask(asker.pid, "database").code == dns.NXDOMAIN
    host.engine.container_remove(web.id)
    again = lan.run(name=web.name)  # as a recreation makes it
    assert ask(asker.pid, "database").records == [again.ip_address]
    host.engine.container_restart(asker.id)
    assert ask(host.engine.container_get(asker.id).pid, "database").records == [again.ip_address]


def test_answers_say_what_there_is_and_what_not(host: Host) -> None:
    lan = Lan(host)
    web, asker = lan.run(network_alias=("www",)), lan.run()
    there = ask(asker.pid, "www")
    assert (there.code, there.records, there.authoritative) == (dns.NOERROR, [web.ip_address], True)
    assert there.ttls == [5]
    assert not there.has_edns
    assert ask(asker.pid, "www", edns=1400).has_edns
    assert ask(asker.pid, "www", tcp=True).records == [web.ip_address]
    for kind in (dns.AAAA, dns.MX, dns.TXT):
        nothing = ask(asker.pid, "www", kind)
        assert (nothing.code, nothing.records) == (dns.NOERROR, []), "the name is there, such a record is not"
    assert ask(asker.pid, "www", dns.ANY).records == [web.ip_address]
    reverse = ".".join(reversed(str(web.ip_address).split("."))) + ".in-addr.arpa"
    assert ask(asker.pid, reverse, dns.PTR).records == [f"{web.name}.{lan.name}"]
    nobody = ".".join(reversed(str(lan.lan.subnet[-2]).split("."))) + ".in-addr.arpa"
    assert ask(asker.pid, nobody, dns.PTR).code == dns.NXDOMAIN
    stop(host, web)
    assert ask(asker.pid, "www").code == dns.NXDOMAIN, "known, but it doesn't run"
    assert ask(asker.pid, reverse, dns.PTR).code == dns.NXDOMAIN
    host.engine.container_start(web.id)
    assert ask(asker.pid, "www").records == [host.engine.container_get(web.id).ip_address]


def test_names_are_known_on_ones_own_networks_only(host: Host) -> None:
    front, back = Lan(host, internal=True), Lan(host, internal=True)
    one = front.run(network_alias=("db",))
    other = back.run(network_alias=("db",))
    stranger = back.run()
    both = host.run(*WAIT, network=front.name, networks=(back.name,))
    assert ask(stranger.pid, "db").records == [other.ip_address]
    assert ask(stranger.pid, one.name).code == dns.SERVFAIL, "unknown here, and nobody outside may be asked"
    assert ask(both.pid, "db").records == [one.ip_address], "the first network comes first"
    assert ask(both.pid, f"db.{back.name}").records == [other.ip_address]
    assert ask(both.pid, other.name).records == [other.ip_address]
    reverse = ".".join(reversed(str(one.ip_address).split("."))) + ".in-addr.arpa"
    assert ask(stranger.pid, reverse, dns.PTR).code == dns.SERVFAIL


def test_an_internal_network_asks_nobody_outside(host: Host) -> None:
    lan = Lan(host, internal=True)
    asker = lan.run(dns=(lan.gateway,))
    assert asker.pid is not None
    with name_server(lan.gateway) as upstream:
        assert ask(asker.pid, "secret.example").code == dns.SERVFAIL
        with pytest.raises(TimeoutError):  # nor by itself, whatever listens on the host
            inside(asker.pid, lambda: socket.create_connection((lan.gateway, 53), 0.4))
        assert upstream.asked == []


def test_both_kinds_of_addresses_are_answered(host: Host) -> None:
    lan = Lan(host, ipv6=True)
    web, asker = lan.run(network_alias=("www",)), lan.run()
    six = ipaddress.ip_address(str(web.networks[0]["ip6"]))
    assert ask(asker.pid, "www").records == [web.ip_address]
    assert ask(asker.pid, "www", dns.AAAA).records == [str(six)]
    assert ask(asker.pid, six.reverse_pointer, dns.PTR).records == [f"{web.name}.{lan.name}"]


def test_names_are_answered_on_a_wire_of_the_hosts(host: Host) -> None:
    """The host has no address there: only inside the containers somebody can answer."""
    parent = f"d{secrets.token_hex(4)}"
    subprocess.run(["ip", "link", "add", parent, "type", "veth", "peer", "name", f"{parent}x"], check=True)
    try:
        subprocess.run(["ip", "link", "set", parent, "up"], check=True)
        try:
            lan = Lan(host, driver="macvlan", parent=parent, subnet="10.97.3.0/24", gateway="10.97.3.1")
        except Unsupported as error:
            pytest.skip(error.message)
        web, asker = lan.run(network_alias=("www",)), lan.run()
        assert ask(asker.pid, "www").records == [web.ip_address]
        for record in (web, asker):
            host.engine.container_remove(record.id, force=True)
        host.engine.networks.remove(lan.name)
    finally:
        subprocess.run(["ip", "link", "delete", parent], check=True)


def test_names_follow_connect_disconnect_and_rename_at_once(host: Host) -> None:
    front, back = Lan(host, internal=True), Lan(host, internal=True)
    asker = front.run()
    moving = back.run()
    assert ask(asker.pid, moving.name).code == dns.SERVFAIL
    host.engine.networks.connect(front.name, moving.id, Joining(network=front.name, aliases=("late",)))
    there = own_networks(host.engine.container_get(moving.id))[1]
    assert ask(asker.pid, moving.name).records == [there]
    assert ask(asker.pid, "late").records == [there]
    assert ask(moving.pid, asker.name).records == [asker.ip_address], "and it knows the others now"
    renamed = f"new-{secrets.token_hex(4)}"
    host.engine.container_rename(moving.id, renamed)
    assert ask(asker.pid, renamed).records == [there]
    assert ask(asker.pid, moving.name).code == dns.SERVFAIL
    host.engine.networks.disconnect(front.name, moving.id)
    assert ask(asker.pid, renamed).code == dns.SERVFAIL
    assert ask(moving.pid, asker.name).code == dns.SERVFAIL


def test_who_shares_a_name_takes_turns(host: Host) -> None:
    lan = Lan(host)
    several = [lan.run(network_alias=("pool",), labels={"com.docker.compose.service": "shop"}) for _ in range(3)]
    asker = lan.run()
    assert len(ask(asker.pid, "shop").records) == 3, "what compose calls them together"
    answers = [ask(asker.pid, "pool").records for _ in range(6)]
    assert {tuple(sorted(one)) for one in answers} == {tuple(sorted(str(one.ip_address) for one in several))}
    assert {one[0] for one in answers} == {one.ip_address for one in several}, "each is the first at times"
    stop(host, several[0])
    assert len(ask(asker.pid, "pool").records) == 2


def test_resolv_conf_follows_the_networks(host: Host) -> None:
    lan = Lan(host)

    def file(record: ContainerRecord) -> str:
        return (host.home.config.containers / record.id / "resolv.conf").read_text()

    asked = lan.run(dns=("192.0.2.1",), dns_search=("a.example",), dns_options=("timeout:1",))
    assert file(asked) == "nameserver 127.0.0.11\nsearch a.example\noptions timeout:1\noptions ndots:0\n"
    wants_dots = lan.run(dns_search=(".",), dns_options=("ndots:2",))
    assert file(wants_dots) == "nameserver 127.0.0.11\noptions ndots:2\n"
    plain = host.run("sh", "-c", "cat /etc/resolv.conf; sleep 1000")
    before = file(plain)
    assert "127.0.0.11" not in before, "on the default network it asks the host's servers, as in Docker"
    host.engine.networks.connect(lan.name, plain.id, Joining(network=lan.name))
    assert "nameserver 127.0.0.11\n" in file(plain)
    assert ask(plain.pid, asked.name).records == [asked.ip_address]
    host.engine.networks.disconnect(lan.name, plain.id)
    assert file(plain) == before


def test_others_names_are_asked_of_the_containers_servers(host: Host) -> None:
    lan = Lan(host)
    asker = lan.run(dns=(lan.gateway,))
    with name_server(lan.gateway) as upstream:
        for tcp in (False, True):
            assert ask(asker.pid, "Host.Example", tcp=tcp).records == ["192.0.2.7"]
        assert upstream.asked[0][12:24] == b"\x04Host\x07Exampl"
        assert upstream.asked[0][:2] != b"\x12\x34", "with a number of our own"
        assert len(upstream.by_tcp) == 1
    assert ask(asker.pid, "host.example").code == dns.SERVFAIL, "nobody answers there any more"


def test_a_server_of_names_runs_in_a_container_beside_it(host: Host) -> None:
    lan = Lan(host)
    asker = lan.run()
    assert asker.pid is not None
    pid = asker.pid
    own = inside(pid, lambda: dns.NameServer("0.0.0.0", lambda packet, _: dns.answer_to(packet, ["192.0.2.9"])))
    try:
        for tcp in (False, True):
            assert ask(pid, asker.name, tcp=tcp).records == [asker.ip_address]
        seen = inside(pid, lambda: dns.exchange(dns.question("x.example"), server=str(asker.ip_address)))
        assert dns.parse(seen).records == ["192.0.2.9"]
    finally:
        inside(pid, own.close)
