"""The disk: a minimal Debian with what the engine's tests need, the project's Python packages, and two kernels."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

from tests.support import images

PROJECT = Path(__file__).parents[2]
LOCK = PROJECT / "requirements-dev.lock"
SUITE = "bookworm"
PYTHON = "3.11.2"
PACKAGES = (
    "linux-image-cloud-amd64", "python3", "iproute2", "kmod", "procps", "nftables", "ca-certificates", "e2fsprogs",
    "gcc", "libc6-dev", "busybox-static", "docker-registry", "skopeo", "apache2-utils", "apparmor", "podman", "conmon",
    "crun", "runc", "runsc", "iptables", "netavark", "nfs-kernel-server", "xfsprogs",
)  # fmt: skip
# All that is needed to find the disk; Debian's choice, "most", takes minutes.
INITRAMFS = "mkdir -p $1/etc/initramfs-tools/conf.d; echo MODULES=list > $1/etc/initramfs-tools/conf.d/machine"
BACKPORTS = (
    f'echo "deb http://deb.debian.org/debian {SUITE}-backports main" > $1/etc/apt/sources.list.d/backports.list',
    "chroot $1 apt-get -q update",
    f"chroot $1 apt-get -q -y --no-install-recommends install -t {SUITE}-backports linux-image-cloud-amd64",
    "printf 'virtio_pci\\nvirtio_blk\\next4\\n' > $1/etc/initramfs-tools/modules; chroot $1 update-initramfs -u -k all",
)
# What differs from run to run comes with the project, on the second disk.
LOADER = "#!/bin/sh\ntar -xf /dev/vdb -C / && exec sh /project/tests/machines/init.sh\n"
UNUSED = ("mypy", "mypyc", "playwright", "grimp", "bin")  # large, and nothing that the engine's tests import
DISK_BYTES = 8 << 30


def made() -> Path:
    """A directory with disk.img (ext4), and vmlinuz-* and initrd.img-* of each kernel; made unless it is cached."""
    recipe = "\n".join(["2", *PACKAGES, INITRAMFS, *BACKPORTS, LOADER, *UNUSED, LOCK.read_text()])
    return images.cached("machine", recipe, _make)


def kernels(directory: Path) -> dict[str, Path]:
    """Version, such as 6.1, → the kernel's file; its initrd lies beside it."""
    found = {}
    for path in sorted(directory.glob("vmlinuz-*")):
        found[".".join(path.name.removeprefix("vmlinuz-").split("-")[0].split(".")[:2])] = path
    return found


def _make(target: Path) -> None:
    root = target / "root"
    hooks = [f"--essential-hook={INITRAMFS}", *(f"--customize-hook={command}" for command in BACKPORTS)]
    _run(
        "mmdebstrap", "--mode=root", "--variant=minbase", "--quiet", "--format=directory",
        "--aptopt=APT::Install-Recommends false", "--aptopt=Acquire::Languages none",
        "--dpkgopt=path-exclude=/usr/share/doc/*", "--dpkgopt=path-exclude=/usr/share/man/*",
        "--dpkgopt=path-exclude=/usr/share/locale/*", f"--include={','.join(PACKAGES)}", *hooks, SUITE, str(root),
    )  # fmt: skip
    packages = root / "usr/local/lib/python3.11/dist-packages"
    _run(
        sys.executable, "-m", "uv", "pip", "install", "--quiet", "--python-version", PYTHON,
        "--python-platform", "x86_64-manylinux_2_31", "--only-binary", ":all:", "--require-hashes",
        "--requirements", str(LOCK), "--target", str(packages),
    )  # fmt: skip
    for name in UNUSED:
        shutil.rmtree(packages / name)
    if sys.version_info[:2] == (3, 11):  # compiling in the machine takes a minute at each run
        _run(sys.executable, "-m", "compileall", "-q", "-s", str(root), str(packages), "-x", "/django/contrib/gis/")
    (root / "init").write_text(LOADER)
    (root / "init").chmod(0o755)
    for path in (root / "boot").iterdir():
        if path.name.startswith(("vmlinuz-", "initrd.img-")):
            shutil.move(path, target / path.name)
    disk = target / "disk.img"
    with disk.open("wb") as file:
        file.truncate(DISK_BYTES)
    _run("mke2fs", "-q", "-t", "ext4", "-E", "lazy_itable_init=1", "-d", str(root), str(disk))
    shutil.rmtree(root)


def _run(*command: str) -> None:
    environment = os.environ | {"DEBIAN_FRONTEND": "noninteractive", "LC_ALL": "C.UTF-8"}
    done = subprocess.run(
        command, check=False, stdin=subprocess.DEVNULL, capture_output=True, text=True, env=environment
    )
    if done.returncode != 0:
        raise SystemExit(f"{command[0]} could not make the machine's disk:\n{(done.stdout + done.stderr)[-4000:]}")
