"""What is much goes through the door at the pace of both sides: no byte is lost, and the site keeps none of it."""

from __future__ import annotations

import hashlib
import random
from pathlib import Path

import pytest

from tests.dockerapi.client import Client
from tests.dockerapi.conftest import IMAGE
from tests.support.oci_layout import member, tar_of
from tests.support.portside import Portside

pytestmark = [pytest.mark.root, pytest.mark.registry]

BYTES = 24 << 20
KEPT_MOST = BYTES
"""By which the site's memory may have grown at its highest: what goes through five times, in one piece each."""


def highest(portside: Portside) -> int:
    """Bytes that the site's process has had at most."""
    (pid,) = portside.pids("uvicorn_site")
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) << 10 for line in lines if line.startswith("VmHWM"))


def test_much_goes_through_and_stays_nowhere(client: Client, portside: Portside, tmp_path: Path) -> None:
    data = random.Random(9).randbytes(BYTES)
    (tmp_path / "much").write_bytes(data)
    client.run("run", "-i", "--rm", IMAGE, "cat", stdin=b"once, so that all that is needed is there")
    before = highest(portside)
    assert hashlib.sha256(client.run("run", "-i", "--rm", IMAGE, "cat", stdin=data).stdout).digest() == (
        hashlib.sha256(data).digest()
    )
    name = client.run("create", "--name", "cmp-much", IMAGE, "true").stdout.decode().strip()
    assert client.run("cp", str(tmp_path / "much"), f"{name}:/much").returncode == 0
    assert client.run("cp", f"{name}:/much", str(tmp_path / "back")).returncode == 0
    assert (tmp_path / "back").read_bytes() == data
    client.run("rm", "-f", "cmp-much")
    assert client.run("import", "-", "cmp/much", stdin=tar_of([member("much", data)])).returncode == 0
    archive = client.run("save", "cmp/much").stdout
    assert len(archive) > BYTES
    assert client.run("rmi", "cmp/much").returncode == 0
    assert client.run("load", stdin=archive).stdout == b"Loaded image: cmp/much:latest\n"
    client.run("rmi", "cmp/much")
    assert highest(portside) - before < KEPT_MOST
