"""What a cloud tells its machines is asked for in nobody's name: a registry at such an address is none."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
ADDRESSES = ("169.254.169.254", "fd00:ec2::254")
ASKING = """
import http.server, socket, ssl, threading
from engine.errors import PermissionDenied
from engine.registry.connections import Connections

seen = []

class Metadata(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        seen.append(self.path)
        self.send_response(200)
        self.end_headers()

class Server(http.server.HTTPServer):
    address_family = socket.AF_INET6

server = Server(("::", 80), Metadata)
threading.Thread(target=server.serve_forever, daemon=True).start()
connections = Connections(ssl.create_default_context())
assert connections.request("GET", "http://127.0.0.1/", {}).status == 200
for host in ("169.254.169.254", "[::ffff:169.254.169.254]", "[fd00:ec2::254]"):
    for scheme in ("http", "https"):
        try:
            connections.request("GET", f"{scheme}://{host}:80/latest/", {})
        except PermissionDenied:
            continue
        raise SystemExit(f"{scheme}://{host} was asked")
assert seen == ["/"], seen
"""


@pytest.mark.root
def test_no_registry_is_where_clouds_tell_secrets() -> None:
    """In a network of its own, where this process is the cloud; a registry on loopback is answered as ever."""
    addresses = "".join(f"ip addr add {one}/{128 if ':' in one else 32} dev lo; " for one in ADDRESSES)
    done = subprocess.run(
        [
            "unshare",
            "--net",
            "sh",
            "-ec",
            f'ip link set lo up; {addresses} exec "$@"',
            "sh",
            sys.executable,
            "-c",
            ASKING,
        ],
        cwd=ROOT,
        check=False,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stdout + done.stderr
