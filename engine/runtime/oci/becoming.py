"""What the first process and one of exec have in common: entering, and giving up all that the program may not have."""

from __future__ import annotations

import os

from engine.bare import signal
from engine.runtime import identity, kernel, mounts, program
from engine.runtime.oci import attributes
from engine.runtime.wire import Failure

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import NamedTuple

    from engine.oci.runtime_process import Process
    from engine.runtime.oci.preserved import Preserved

    class Ready(NamedTuple):
        path: str
        arguments: list[str]
        environment: list[str]
        filter: bytes | None
        flags: int
else:
    from engine.bare import namedtuple

    Ready = namedtuple("Ready", "path arguments environment filter flags")


def become_root() -> None:
    """In a new user namespace nobody is anybody until it is told so."""
    for call in (os.setresgid, os.setresuid):
        try:
            call(0, 0, 0)
        except OSError:
            raise Failure("invalid_argument", "linux.uidMappings: id 0 must be mapped in the container") from None
    kernel.prctl("dumpable", kernel.PR_SET_DUMPABLE, 0)


def enter_groups(doors: list[int]) -> None:
    for door in doors:
        try:
            os.write(door, b"0")
        except PermissionError:
            why = "the kernel lets this caller move into no group there: it must live below the one that is delegated"
            raise Failure("permission_denied", f"linux.cgroupsPath: {why} (cgroups(7))") from None
        os.close(door)


def working_directory(root: int, path: str) -> None:
    """Made if it is missing; opened inside the root, so the process can't stand outside (CVE-2024-21626)."""
    try:
        directory = mounts.open_target(root, path, directory=True)
    except NotADirectoryError:
        raise Failure("invalid_argument", f"process.cwd: {path} is not a directory") from None
    except OSError as error:
        raise Failure("invalid_argument", f"process.cwd: chdir to {path}: {error.strerror}") from None
    except mounts.ReadOnly:
        why = "No such file or directory, and it can't be made on a read-only file system"
        raise Failure("invalid_argument", f"process.cwd: chdir to {path}: {why}") from None
    os.fchdir(directory)
    os.close(directory)


def search_path(process: Process) -> str:
    return next((entry[5:] for entry in reversed(process.env) if entry.startswith("PATH=")), program.DEFAULT_PATH)


def execute(process: Process, root: int, code: bytes | None, flags: int, preserved: Preserved) -> None:
    """Give up what the process may not have, and become its program."""
    attributes.set_labels(process)
    ready = give_up(process, root, code, flags, preserved)
    signal.pthread_sigmask(signal.SIG_SETMASK, [])
    become_program(ready)


def give_up(
    process: Process, root: int, code: bytes | None, flags: int, preserved: Preserved, *, own: int | None = None
) -> Ready:
    """Everything that takes rights, with which the process may not start. `own`: see identity.look_up.

    The filter comes as late as the kernel takes it, and nothing is looked up behind it: a profile allows what its
    program needs, and what this runtime needs besides exec is none of its business.
    """
    attributes.set_limits(process)
    attributes.give_streams(process.user.uid, process.user.gid)
    kernel.close_range(3, on_exec=True)
    preserved.keep()
    for number in (signal.SIGPIPE, signal.SIGXFSZ):  # the interpreter ignores them, and exec would pass that on
        signal.signal(number, signal.SIG_DFL)
    late = code if process.no_new_privileges else None  # else it takes CAP_SYS_ADMIN, which `become` may give up
    found = None
    if code is not None and late is None:
        found = _program(process, root, preserved, own)
        kernel.load_filter(code, flags)
    attributes.become(process)
    path, environment = found or _program(process, root, preserved, own)
    return Ready(path, list(process.args), environment, late, flags)


def become_program(ready: Ready) -> None:
    if ready.filter is not None:
        kernel.load_filter(ready.filter, ready.flags)
    program.execute(ready.path, ready.arguments, ready.environment)


def _program(process: Process, root: int, preserved: Preserved, own: int | None) -> tuple[str, list[str]]:
    """The path to execute, and the environment."""
    path = program.find(root, process.args[0], search_path(process))
    return path, [*environment_of(process, root, own), *preserved.environment()]


def environment_of(process: Process, root: int, own: int | None = None) -> list[str]:
    """The process's, with HOME from the image's /etc/passwd where there is none or an empty one, as with runc."""
    environment = list(process.env)
    last = next((entry for entry in reversed(environment) if entry.startswith("HOME=")), "HOME=")
    if last == "HOME=":
        environment.append(f"HOME={identity.home_of(root, process.user.uid, own)}")
    return environment
