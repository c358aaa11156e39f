from __future__ import annotations

from pathlib import Path

from engine.network.resolver import resolv_conf


def write(path: Path, text: str) -> Path:
    path.write_text(text)
    return path


def test_the_hosts_servers_and_search_domains_are_taken_over(tmp_path: Path) -> None:
    host = write(
        tmp_path / "host", "# made by hand\nsearch a.example b.example\nnameserver 192.0.2.53\noptions ndots:2\n"
    )
    assert resolv_conf(host) == "search a.example b.example\noptions ndots:2\nnameserver 192.0.2.53\n"


def test_servers_on_the_hosts_loopback_are_replaced_by_those_behind_them(tmp_path: Path) -> None:
    host = write(tmp_path / "host", "nameserver 127.0.0.53\n")
    upstream = write(tmp_path / "upstream", "nameserver 192.0.2.1\n")
    assert resolv_conf(host, upstream) == "nameserver 192.0.2.1\n"


def test_without_any_server_public_ones_are_used(tmp_path: Path) -> None:
    assert "nameserver 8.8.8.8\n" in resolv_conf(tmp_path / "none", tmp_path / "none")
