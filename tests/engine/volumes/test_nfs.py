"""A volume on a file server: the kernel's own, where this machine has one (`make test-v2` does)."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from engine.errors import Unavailable
from engine.volumes.volume import VolumeSpec
from tests.engine.volumes.place import Place

pytestmark = pytest.mark.root


@pytest.fixture
def export(tmp_path: Path) -> Iterator[Path]:
    """A directory that 127.0.0.1 serves by NFS 4."""
    known = Path("/proc/filesystems").read_text().split()
    if "nfs4" not in known or "nfsd" not in known or not shutil.which("rpc.nfsd"):
        pytest.skip("this machine has no NFS server, or its kernel no NFS: `make test-v2` has both")
    shared = tmp_path / "shared"
    shared.mkdir(mode=0o777)
    os.makedirs("/var/lib/nfs/v4recovery", exist_ok=True)
    mounted = not os.path.ismount("/proc/fs/nfsd")
    if mounted:
        subprocess.run(["mount", "-t", "nfsd", "nfsd", "/proc/fs/nfsd"], check=True)
    mountd = subprocess.Popen(["rpc.mountd", "-F", "-N", "3"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        subprocess.run(
            ["exportfs", "-o", "rw,no_root_squash,insecure,no_subtree_check,fsid=0", f"127.0.0.1:{shared}"], check=True
        )
        subprocess.run(["rpc.nfsd", "-N", "3", "1"], check=True)
        yield shared
    finally:
        subprocess.run(["rpc.nfsd", "0"], check=False)
        subprocess.run(["exportfs", "-au"], check=False)
        mountd.kill()
        mountd.wait()
        if mounted:
            subprocess.run(["umount", "/proc/fs/nfsd"], check=False)


def test_files_of_a_file_server_are_seen_while_somebody_needs_them(tmp_path: Path, export: Path) -> None:
    place = Place(tmp_path / "home")
    options = {"type": "nfs4", "device": ":/", "o": "addr=localhost,rw,soft,timeo=100,vers=4.2"}
    made = place.volumes.create(VolumeSpec(name="far", driver_opts=options))
    for _ in range(2):
        place.volumes.make_ready("far")
    assert os.path.ismount(made.mountpoint)
    (Path(made.mountpoint) / "file").write_text("of a container")
    os.chown(Path(made.mountpoint) / "file", 1000, 1001)
    assert (export / "file").read_text() == "of a container"
    assert os.stat(export / "file").st_uid == 1000
    clone = place.volumes.copies.clone("far", "near")
    assert (Path(clone.mountpoint) / "file").read_text() == "of a container"
    place.volumes.remove("far")
    assert not os.path.ismount(made.mountpoint)
    assert (export / "file").exists(), "a volume's removal takes nothing from the server"


def test_what_the_server_refuses_is_told(tmp_path: Path, export: Path) -> None:
    place = Place(tmp_path / "home")
    options = {"type": "nfs4", "device": ":/missing", "o": "addr=127.0.0.1,soft,vers=4.2"}
    place.volumes.create(VolumeSpec(name="far", driver_opts=options))
    with pytest.raises(Unavailable, match="can't be mounted"):
        place.volumes.make_ready("far")
    place.volumes.remove("far")
