"""`python -m tests.machines [--kernel 6.1] [--shell COMMAND] [pytest's arguments]`: the engine's tests in a machine.

Debian's kernel 6.1 and the newest of its backports, both with version 2 control groups alone and with AppArmor.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from tests.machines import boot, image
from tests.support import prepare

NEEDED = {"qemu-system-x86_64": "qemu-system-x86", "mmdebstrap": "mmdebstrap", "mke2fs": "e2fsprogs"}
AREAS = (
    "cgroups", "runtime", "stats", "containers", "keeper", "network", "logs", "layers", "snapshots", "images",
    "volumes",
)  # fmt: skip


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.machines", description=__doc__)
    parser.add_argument("--kernel", default="all", help="such as 6.1; all of the disk's without it")
    parser.add_argument("--append", default="", help="more for the kernel's command line")
    parser.add_argument("--minutes", type=float, default=240, help="until a machine is stopped that is not ready")
    parser.add_argument("--shell", help="a shell command instead of the tests")
    options, rest = parser.parse_known_args(arguments)
    reason = boot.why_not()
    if reason:
        print(f"Skipped: {reason}.")
        return 0
    packages = prepare.missing(NEEDED)
    if packages:
        prepare.install(packages)
    directory = image.made()
    found = image.kernels(directory)
    wanted = list(found) if options.kernel == "all" else [options.kernel]
    if unknown := set(wanted) - set(found):
        print(f"The disk has no kernel {', '.join(unknown)}; it has {', '.join(found)}.", file=sys.stderr)
        return 2
    tests = rest or [f"tests/engine/{area}" for area in AREAS]
    where = ["-c", "tests/machines/pytest.ini", "--rootdir=/project", "--confcutdir=/project"]
    pytest = ["python3", "-m", "pytest", *where, "-q", "--color=no"]
    command = ["sh", "-c", options.shell] if options.shell else [*pytest, *tests]
    failed = []
    for version in wanted:
        print(f"Linux {version}: {found[version].name.removeprefix('vmlinuz-')}", flush=True)
        disk = directory / "disk.img"
        if boot.run(found[version], disk, command, arguments=options.append, minutes=options.minutes) != 0:
            failed.append(version)
    if failed:
        print(f"Failed on Linux {', '.join(failed)}.", file=sys.stderr)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
