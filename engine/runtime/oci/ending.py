"""kill and delete, and what is left to tidy up after a container."""

from __future__ import annotations

import fcntl
import os

from engine.bare import contextlib, signal
from engine.runtime.oci.groups.tree import release
from engine.runtime.oci.state import myself
from engine.runtime.wire import Failure

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from engine.oci.runtime_spec import Hook
    from engine.runtime.oci.state import Container

END_SECONDS = 10.0


def signal_number(text: str) -> int:
    """SIGTERM, TERM, term, 15 → 15; RTMIN+3; 0, which only asks whether there is a process. Failure for others."""
    if text.isascii() and text.isdigit() and len(text) <= 2 and int(text) <= 64:
        return int(text)
    name = text.upper() if text.upper().startswith("SIG") else f"SIG{text.upper()}"
    base, sign, offset = name.partition("+") if "+" in name else name.partition("-")
    number = 0 if base.startswith("SIG_") else int(getattr(signal, base, 0))
    if sign and offset.isascii() and offset.isdigit() and len(offset) <= 2:
        real_time = {"SIGRTMIN+": int(offset), "SIGRTMAX-": -int(offset)}.get(base + sign)
        number = 0 if real_time is None else number + real_time
        sign = ""
    if sign or not 0 < number <= 64 or ("RT" in base and number < signal.SIGRTMIN):
        raise Failure("invalid_argument", f"unknown signal {text!r}")
    return number


def kill(container: Container, number: int, *, everyone: bool = False) -> None:
    """Send a signal to the first process, or to every one in the groups; refused if the container has ended."""
    status = container.status()
    if status == "stopped" and container.has_lost_groups():
        raise Failure("conflict", "container not running")
    if everyone:
        container.groups().kill(number)
        return
    pidfd = container.open_pidfd()
    if pidfd is None or status == "stopped":
        if number == signal.SIGKILL and container.groups().pids():  # without a pid namespace they outlive the first
            container.groups().kill()
            return
        raise Failure("conflict", "container not running")
    try:
        signal.pidfd_send_signal(pidfd, number)
    except ProcessLookupError:
        raise Failure("conflict", "container not running") from None
    finally:
        os.close(pidfd)
    if number == signal.SIGKILL and _shares_pids(container):
        container.groups().kill()  # the kernel ends the others only with a pid namespace of their own


def _shares_pids(container: Container) -> bool:
    try:
        return os.readlink(f"/proc/{container.pid}/ns/pid") == os.readlink("/proc/self/ns/pid")
    except OSError:
        return True


def delete(container: Container, *, force: bool) -> list[str]:
    """Remove a stopped (or created) container; `force` kills a running one. What poststop hooks complained about."""
    if not force:
        return _delete(container, force=False)
    _kill_unlocked(container)
    try:
        return _delete(container, force=True)
    except Failure as failure:
        if failure.family != "not_found":
            raise
        return []  # its creator, whose first process that was, has undone it


def _kill_unlocked(container: Container) -> None:
    """SIGKILL for all: who has the lock may be waiting for the first process, or for hooks that end with it."""
    pidfd = container.open_pidfd()
    if pidfd is None:
        return
    try:
        with contextlib.suppress(Failure, OSError):  # another delete may be at it
            container.groups().kill()  # they are its own as long as it is there; also thaws them
        with contextlib.suppress(ProcessLookupError):
            signal.pidfd_send_signal(pidfd, signal.SIGKILL)
    finally:
        os.close(pidfd)


def _delete(container: Container, *, force: bool) -> list[str]:
    with container.locked(patient=force):
        status = container.status()
        if status not in ("stopped", "created") and not force:
            raise Failure("conflict", f"cannot delete container {container.id} that is not stopped: {status}")
        if container.is_being_deleted():
            if not force:  # perhaps one of these hooks
                raise Failure("conflict", f"container {container.id} is being deleted: its poststop hooks are running")
            container.forget()
            return []
        if status != "stopped":
            _end(container)
        poststop: tuple[Hook, ...] = ()
        if container.has_hooks("poststop"):
            from engine.runtime.oci import bundle

            with contextlib.suppress(Failure):  # a create that died early has kept none
                poststop = bundle.load(container.directory)[0].hooks.poststop
        last = remove(container, poststop)
    return last()


def _end(container: Container) -> None:
    """SIGKILL, and wait until the kernel has taken the first process apart."""
    pidfd = container.open_pidfd()
    if pidfd is None:
        return
    try:
        with contextlib.suppress(ProcessLookupError):
            signal.pidfd_send_signal(pidfd, signal.SIGKILL)
        claim = container.groups().reclaim(container.content.get("groups_mark"))
        if claim is not None:
            container.groups().kill()
            release(claim)
        import select

        poll = select.poll()
        poll.register(pidfd, select.POLLIN)
        if not poll.poll(END_SECONDS * 1000):
            raise Failure("unavailable", f"container {container.id} does not end; try again")
    finally:
        os.close(pidfd)


def remove(container: Container, poststop: tuple[Hook, ...]) -> Callable[[], list[str]]:
    """Groups at once. What is left is to be called without the lock: hooks, then the state, and it returns what hooks
    complained about. While the state is there, delete can be tried again.
    """
    _remove_groups(container)
    if not poststop:
        container.forget()
        return list
    container.save(deleter=myself())
    place = os.dup(container.lock)  # the same directory later on, whatever has its name then
    return lambda: _tell_and_forget(container, poststop, place)


def _remove_groups(container: Container) -> None:
    """With who lives there, unless another container has taken them since this one's processes had ended."""
    content, tree, is_held = container.content, container.groups(), container.claim >= 0
    if not content.get("groups"):
        return
    if not content.get("groups_made"):
        tree.remove_unused(is_held=is_held)
        return
    claim = container.claim if is_held else tree.reclaim(content.get("groups_mark"))
    if claim is not None:
        try:
            tree.remove()
        finally:
            if not is_held:
                release(claim)
    elif not container.has_lost_groups():  # the last of them is gone
        tree.remove_unused()


def _tell_and_forget(container: Container, poststop: tuple[Hook, ...], place: int) -> list[str]:
    """Hooks may call verbs on their own container, so nobody holds its lock meanwhile."""
    from engine.runtime.oci import hooks

    try:
        problems = hooks.run_all(poststop, "poststop", container.as_oci("stopped"))
        fcntl.flock(place, fcntl.LOCK_EX)
        if os.fstat(place).st_nlink:  # else another has forgotten it, and its name may be a new container's
            container.forget()
    finally:
        os.close(place)
    return problems
