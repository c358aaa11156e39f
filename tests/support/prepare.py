"""Install what the tests need from Debian: `python -m tests.support.prepare [--peers]`.

Quick when all is there: one look for each program, no package list is fetched. Where something is missing and
this isn't root or isn't Debian, it says what to install and exits with 1; nothing asks a question and no
service is started by an installation.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

# What to look for (a program's name or an absolute path) and the Debian package that brings it.
TESTS = {
    "docker-registry": "docker-registry",
    "skopeo": "skopeo",
    "/bin/busybox": "busybox-static",
    "mmdebstrap": "mmdebstrap",
    "htpasswd": "apache2-utils",
    "ip": "iproute2",
    "nft": "nftables",
    "ssh-keygen": "openssh-client",
    "chromium": "chromium",
    "/usr/share/fonts/truetype/dejavu/DejaVuSans.ttf": "fonts-dejavu-core",
    "/etc/ssl/certs/ca-certificates.crt": "ca-certificates",
    "crun": "crun",
    "runc": "runc",
    "runsc": "runsc",
    "docker": "docker.io",
    "docker-compose": "docker-compose",
}
PEERS = {
    "dockerd": "docker.io",
    "podman": "podman",
    "/usr/lib/podman/netavark": "netavark",  # only recommended by podman, which starts nothing without it
    "conmon": "conmon",
    "buildah": "buildah",
    "iptables": "iptables",
}
SEARCH_PATH = os.environ.get("PATH", "") + ":/usr/local/sbin:/usr/sbin:/sbin:/usr/bin:/bin"
POLICY = Path("/usr/sbin/policy-rc.d")
ATTEMPTS = 3


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description="Install what the tests need from Debian.")
    parser.add_argument("--peers", action="store_true", help="docker.io and podman as well, for bench/")
    options = parser.parse_args(arguments)
    wanted = TESTS | (PEERS if options.peers else {})
    packages = missing(wanted)
    if not packages:
        return 0
    reason = cannot_install()
    if reason:
        print(
            f"The tests need these Debian packages, and {reason}:\n  {' '.join(packages)}\n"
            "Install them (on Debian, as root: apt-get install " + " ".join(packages) + ") and run this again.",
            file=sys.stderr,
        )
        return 1
    print(f"Installing Debian packages for the tests: {' '.join(packages)}", flush=True)
    install(packages)
    still = missing(wanted)
    if still:
        print(f"Debian's packages were installed, but these are still not found: {' '.join(still)}", file=sys.stderr)
        return 1
    return 0


def missing(wanted: dict[str, str]) -> list[str]:
    """Names of the packages whose program or file isn't there."""
    return sorted({package for thing, package in wanted.items() if not is_there(thing)})


def is_there(thing: str) -> bool:
    if thing == "/bin/busybox":
        return is_static_busybox()
    if thing.startswith("/"):
        return Path(thing).exists()
    return shutil.which(thing, path=SEARCH_PATH) is not None


def is_static_busybox() -> bool:
    """Debian's `busybox` is linked dynamically and of no use in an image without libraries."""
    path = Path("/bin/busybox")
    return path.exists() and b"ld-linux" not in path.read_bytes()[:4096]


def cannot_install() -> str:
    """Why packages can't be installed here, or nothing."""
    if shutil.which("apt-get", path=SEARCH_PATH) is None:
        return "this is not Debian (there is no apt-get)"
    if os.geteuid() != 0:
        return "only root can install them"
    return ""


def install(packages: Sequence[str]) -> None:
    """Install without questions, recommendations or started services; tries again when apt or the mirror is busy.

    Raises SystemExit with apt's own words when it fails for good.
    """
    with no_services():
        for attempt in range(1, ATTEMPTS + 1):
            failure = apt("update") or apt("install", "--yes", "--no-install-recommends", *packages)
            if failure is None:
                return
            print(f"apt-get failed (attempt {attempt} of {ATTEMPTS}):\n{failure}", file=sys.stderr, flush=True)
            time.sleep(5 * attempt)
    raise SystemExit("The packages could not be installed: see apt's messages above.")


def apt(*arguments: str) -> str | None:
    """Run apt-get; its last lines when it failed, else None."""
    command = ["apt-get", "-q", "-o", "DPkg::Lock::Timeout=300", "-o", "Acquire::Retries=3", *arguments]
    environment = os.environ | {"DEBIAN_FRONTEND": "noninteractive", "PATH": SEARCH_PATH, "LC_ALL": "C.UTF-8"}
    done = subprocess.run(
        command,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        check=False,
    )
    if done.returncode == 0:
        return None
    return done.stdout.decode(errors="replace")[-3000:]


@contextlib.contextmanager
def no_services() -> Iterator[None]:
    """Keep package scripts from starting daemons, by Debian's own switch (invoke-rc.d(8)), for this time only."""
    if POLICY.exists():
        yield
        return
    POLICY.write_text("#!/bin/sh\nexit 101\n")
    POLICY.chmod(0o755)
    try:
        yield
    finally:
        POLICY.unlink(missing_ok=True)


if __name__ == "__main__":
    sys.exit(main())
