"""What a process gives up before it becomes the container's, in the order in which each step is still allowed.

    bounding set → ids (keeping capabilities) → capability sets → no_new_privs → seccomp

Without no_new_privs the filter needs CAP_SYS_ADMIN, so it is loaded first and must let the other steps pass.
"""

from __future__ import annotations

import errno
import os
import resource

from engine.bare import contextlib
from engine.runtime import capabilities, kernel, procfs
from engine.runtime.program import NOT_EXECUTABLE
from engine.runtime.wire import Failure

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from engine.runtime.identity import Identity


def drop(process: dict[str, Any], identity: Identity, seccomp: bytes | None) -> None:
    """Take on the identity, capabilities and filter of the specification's `process` object."""
    no_new_privileges = bool(process.get("noNewPrivileges"))
    if process.get("apparmorProfile"):
        confine(process["apparmorProfile"])
    if seccomp is not None and not no_new_privileges:
        kernel.load_filter(seccomp)
    sets: dict[str, list[str]] = process.get("capabilities") or {}
    masks = {name: capabilities.mask(sets.get(name) or ()) for name in _SETS}
    for number in range(capabilities.last_capability() + 1):
        if not masks["bounding"] >> number & 1:
            kernel.prctl("drop a capability", kernel.PR_CAPBSET_DROP, number)
    _become(identity)
    kernel.capset(masks["effective"], masks["permitted"], masks["inheritable"])
    for number in range(64):
        if masks["ambient"] >> number & 1:
            kernel.prctl("raise a capability", kernel.PR_CAP_AMBIENT, kernel.PR_CAP_AMBIENT_RAISE, number)
    if no_new_privileges:
        kernel.prctl("no_new_privs", kernel.PR_SET_NO_NEW_PRIVS, 1)
        if seccomp is not None:
            kernel.load_filter(seccomp)


def _become(identity: Identity) -> None:
    try:
        os.setgroups(identity.groups)
        os.setresgid(identity.gid, identity.gid, identity.gid)
        if identity.uid:
            kernel.prctl("keep capabilities", kernel.PR_SET_KEEPCAPS, 1)
        os.setresuid(identity.uid, identity.uid, identity.uid)
    except OSError as error:
        if error.errno != errno.EINVAL:
            raise
        who = f"user {identity.uid} with the groups {', '.join(map(str, (identity.gid, *identity.groups)))}"
        text = f"user: the container's user namespace has not all ids of {who}; choose others"
        raise Failure("invalid_argument", text, NOT_EXECUTABLE) from error


def confine(profile: str) -> None:
    """The AppArmor profile of the program to come (apparmor(7), aa_change_onexec(2))."""
    path = "/proc/self/attr/apparmor/exec" if os.path.exists("/proc/self/attr/apparmor") else "/proc/self/attr/exec"
    try:
        with open(path, "w") as file:
            file.write(f"exec {profile}")
    except OSError as error:
        raise Failure("invalid_argument", f"security_opt: AppArmor profile {profile}: {error.strerror}") from None


def _bound(value: int) -> int:
    """No limit is 2^64 - 1 in the specification, and -1 to the module."""
    return resource.RLIM_INFINITY if value >= (1 << 63) - 1 else value


def give_room(process: dict[str, Any]) -> None:
    """Let this process have what `process` asks for beyond what it has, so that its children need no right to it.

    It takes the host's rights. What is refused is left: whoever asks for it below is told.
    """
    for limit in process.get("rlimits") or []:
        number = getattr(resource, limit["type"], None)
        if number is not None:
            with contextlib.suppress(OSError, ValueError):
                (soft, hard), wanted = resource.getrlimit(number), _bound(limit["hard"])
                if hard != resource.RLIM_INFINITY and not 0 <= wanted <= hard:
                    resource.setrlimit(number, (soft, wanted))
    with contextlib.suppress(OSError):
        procfs.write("self/oom_score_adj", str(process.get("oomScoreAdj") or 0))


_SETS = ("bounding", "effective", "permitted", "inheritable", "ambient")
_FEW_FILES = 64
"""With fewer descriptors, or hardly more, a process can't be set up: there is one for each mount, and some of ours."""


def set_limits(process: dict[str, Any], pid: int = 0) -> None:
    """rlimits and the OOM score of the process `pid`, 0 for this one; what this machine refuses is refused by name.

    It takes the host's rights: raising a limit is beyond a user namespace's. So few files that it could not go on are
    left to `set_few_files`.
    """
    for limit in process.get("rlimits") or []:
        number = getattr(resource, limit["type"], None)
        if number is None:
            raise Failure("invalid_argument", f"process.rlimits: {limit['type']} is not a limit of this kernel")
        wanted = _bound(limit["soft"]), _bound(limit["hard"])
        try:
            if _is_few_files(limit):
                soft, hard = resource.prlimit(pid, number)
                wanted = soft, max(wanted[1], hard)
            resource.prlimit(pid, number, wanted)
        except (OSError, ValueError) as error:
            raise Failure("permission_denied", f"process.rlimits: {limit['type']} can't be set here: {error}") from None
    score = process.get("oomScoreAdj")
    try:
        procfs.write(f"{pid or 'self'}/oom_score_adj", str(score or 0))
    except PermissionError:
        if score is not None:
            raise Failure("permission_denied", f"process.oomScoreAdj can't be set to {score} here") from None


def set_few_files(process: dict[str, Any]) -> None:
    """The rest of `set_limits`, in the process itself, which opens nothing more before it becomes the program.

    By then it has its filter: one that lets nobody change limits doesn't let it be told so few files.
    """
    for limit in filter(_is_few_files, process.get("rlimits") or []):
        try:
            resource.setrlimit(resource.RLIMIT_NOFILE, (_bound(limit["soft"]), _bound(limit["hard"])))
        except (OSError, ValueError) as error:
            raise Failure("permission_denied", f"process.rlimits: {limit['type']} can't be set here: {error}") from None


def _is_few_files(limit: dict[str, Any]) -> bool:
    return bool(limit["type"] == "RLIMIT_NOFILE" and 0 <= limit["soft"] < _FEW_FILES)
