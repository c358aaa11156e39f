"""The host's name servers, as its file says them at the moment."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from engine.network.dns.hosts_own import HostServers, read


@pytest.mark.parametrize(
    ("text", "servers"),
    [
        ("nameserver 192.0.2.1\nnameserver 127.0.0.53\n", ["192.0.2.1", "127.0.0.53"]),
        ("# nameserver 192.0.2.1\nnameserver\nnameserver nonsense\nsearch a\n", ["127.0.0.1"]),
        ("nameserver 2001:db8::1\nnameserver fe80::1%eth0\n", ["2001:db8::1", "fe80::1%eth0"]),
        ("".join(f"nameserver 192.0.2.{n}\n" for n in range(1, 9)), ["192.0.2.1", "192.0.2.2", "192.0.2.3"]),
        ("", ["127.0.0.1"]),
    ],
)
def test_the_file_is_read_as_the_c_library_does(tmp_path: Path, text: str, servers: list[str]) -> None:
    (tmp_path / "resolv.conf").write_text(text)
    assert read(tmp_path / "resolv.conf") == servers


def test_a_change_is_seen_once(tmp_path: Path) -> None:
    path = tmp_path / "resolv.conf"
    path.write_text("nameserver 192.0.2.1\n")
    host = HostServers(path)
    assert host.look()
    assert not host.look()
    new = tmp_path / "new"
    new.write_text("nameserver 192.0.2.2\n")
    os.rename(new, path)  # as DHCP clients do
    assert host.look()
    assert host.servers == ["192.0.2.2"]
    path.write_text("nameserver 192.0.2.2\n# a remark\n")
    assert not host.look(), "the same servers"
    path.unlink()
    assert host.look()
    assert host.servers == ["127.0.0.1"]
