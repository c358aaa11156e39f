"""Finding a container's program and becoming it; saying exactly why if that is not possible.

Exit codes are the shell's and Docker's: 127 if there is no such program, 126 if it is there but can't be run.
"""

from __future__ import annotations

import errno
import os
import stat

from engine.runtime import kernel
from engine.runtime.wire import Failure

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import NoReturn

    from engine.runtime.in_place import Lender

NOT_FOUND, NOT_EXECUTABLE = 127, 126
DEFAULT_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


def find(root: int, name: str, search_path: str) -> str:
    """The path to execute for argv[0]: `name` itself if it has a slash, else the first hit on `search_path`."""
    if "/" in name:
        problem = _problem(root, name)
        if problem in (errno.ENOENT, errno.ENOTDIR):
            raise Failure("invalid_argument", f'exec: "{name}": stat {name}: {_text(problem)}', NOT_FOUND)
        if problem:
            raise Failure("invalid_argument", f'exec: "{name}": {_text(problem)}', NOT_EXECUTABLE)
        return name
    for directory in search_path.split(":"):
        candidate = f"{directory or '.'}/{name}"
        if not _problem(root, candidate):  # what can't be executed is passed over, as by runc and crun
            return candidate
    raise Failure("invalid_argument", f'exec: "{name}": executable file not found in $PATH', NOT_FOUND)


def _problem(root: int, path: str) -> int:
    """0 if `path` is a file that this process may execute, else an errno.

    /proc's magic links are refused: /proc/self/exe is still the host's interpreter here.
    """
    start = root if path.startswith("/") else kernel.AT_FDCWD
    resolve = kernel.RESOLVE_NO_MAGICLINKS | (kernel.RESOLVE_IN_ROOT if path.startswith("/") else 0)
    try:
        fd = kernel.openat2(start, path, os.O_PATH, resolve)
    except OSError as error:
        return errno.EACCES if error.errno == errno.ELOOP else error.errno or errno.EIO
    try:
        mode = os.fstat(fd).st_mode
        if stat.S_ISDIR(mode):
            return errno.EISDIR
        return 0 if stat.S_ISREG(mode) and mode & 0o111 else errno.EACCES
    finally:
        os.close(fd)


def _text(number: int) -> str:
    return os.strerror(number).lower()


def execute(path: str, arguments: list[str], environment: list[str]) -> NoReturn:
    """execve(2) with the environment exactly as given ("A=1", in order, the last of a name counting)."""
    variables = dict(entry.partition("=")[::2] for entry in environment)
    try:
        os.execve(path, arguments, variables)  # noqa: S606 - that's the point
    except OSError as error:
        raise refused(path, error) from None


def execute_lent(lender: Lender, path: str, arguments: list[str], environment: list[str]) -> None:
    """The same in memory that is lent: returns in the lender."""
    variables = {entry.partition("=")[0]: entry for entry in environment}
    try:
        lender.execute(
            os.fsencode(path), [os.fsencode(text) for text in arguments], [os.fsencode(v) for v in variables.values()]
        )
    except OSError as error:
        raise refused(path, error) from None


def refused(path: str, error: OSError) -> Failure:
    """Why the kernel does not execute `path`."""
    code = NOT_FOUND if error.errno in (errno.ENOENT, errno.ENOTDIR) else NOT_EXECUTABLE
    if error.errno == errno.E2BIG:
        return Failure("invalid_argument", f"exec {path}: the command and its environment are too long", code)
    return Failure("invalid_argument", f"exec {path}: {_text(error.errno or errno.EIO)}", code)
